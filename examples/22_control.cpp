// Slow, flaky, limited things: attempts, permits, a rate and a circuit breaker, in a simulation that takes no time.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <ranges>
#include <stdexcept>
#include <string>

namespace ag = aethergraph;
using namespace std::chrono_literals;

// snippet tools
// What several runs share lives at namespace scope, or in the application's own objects.
ag::resource_pool gpu{"gpu", 2};
ag::rate_limit searches{10, 5};  // ten a second, five at once
ag::circuit_breaker mail{"mail", 3, 30s};

int calls_of_search = 0;
const ag::tool search{"search", [](std::string what) -> ag::task<std::string> {
  co_await ag::sleep_for(20ms);
  if (++calls_of_search % 3 == 1) throw ag::retry_after(2s, "429 Too Many Requests");
  if (calls_of_search % 3 == 2) throw std::runtime_error("connection reset");
  co_return "pages about " + what;
}, {.retry = {.max_attempts = 4, .first_delay = 100ms, .jitter = 1, .seed = 7}, .rate = &searches}};

const ag::tool train{"train", [](int steps) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::minutes(steps));
  co_return steps;
}, {.timeout = 1h, .pool = &gpu}};

const ag::tool send_mail{"send_mail", [](int) -> ag::task<> {
  co_await ag::sleep_for(1s);
  throw std::runtime_error("no route to host");
}, {.breaker = &mail}};
// end snippet

const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<> {
  const auto start = ctx.now();
  const auto at = [&] { return std::chrono::duration_cast<std::chrono::seconds>(ctx.now() - start).count(); };
  const std::string found = co_await search("graphs");
  fmt::print("{} after {} s\n", found, at());

  // Six calls, four slots, two permits: ten minutes, three times.
  const auto ten_minutes = std::views::iota(0, 6) | std::views::transform([](int) { return train(10); });
  co_await ag::gather(ten_minutes);
  fmt::print("trained after {} s, {} calls had to wait\n", at(), gpu.now().waited_total);

  // snippet one_call
  const auto outcome = co_await ag::as_result(train(45).with({.timeout = 30min, .pool = &gpu}));
  // end snippet
  try {
    outcome.value();
  } catch (const ag::timed_out& e) {
    fmt::print("{}\n", e.what());
  }

  for (int i = 0; i < 4; ++i) {
    const auto sent = co_await ag::as_result(send_mail(i));
    try {
      sent.value();
    } catch (const std::exception& e) {
      fmt::print("{}\n", e.what());
    }
  }
}};

int main() {
  ag::testing::simulation simulated(1);
  const auto outcome = simulated.try_run(agent());
  outcome.value();
  for (const ag::task_graph::node_view& n : outcome.graph().nodes())
    if (!n.failed_attempts.empty()) fmt::print("{} took {} attempts\n", n.id, n.attempts);
}
