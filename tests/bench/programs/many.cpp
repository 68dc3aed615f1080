// many WHAT N: a process that has N of something suspended at one time. It says "items CPU-seconds bytes": resident
// memory at its peak, above what there was before. A process of its own, because memory that others have freed would be
// used again unseen.
#include <fmt/format.h>
#include <sys/resource.h>

#include <aethergraph/aethergraph.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <ranges>
#include <string_view>
#include <vector>

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
double peak_bytes() {
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_maxrss) * 1024;
}

// Long enough for all to sleep before the first wakes up.
ag::duration long_enough(int n) { return 300ms + n * 5us; }

std::int64_t sum_of(const std::vector<int>& all) { return std::accumulate(all.begin(), all.end(), std::int64_t{0}); }

// --- calls in one run, under a cap that lets all of them start
const ag::tool sleep{"sleep", [](int x, ag::duration d) -> ag::task<int> {
  co_await ag::sleep_for(d);
  co_return x;
}};
const ag::graph_fn sleepers{"sleepers", [](int n) -> ag::task<std::int64_t> {
  const ag::duration d = long_enough(n);
  const auto one = [&d](int i) { return sleep(i, d); };
  co_return sum_of(co_await ag::gather(std::views::iota(0, n) | std::views::transform(one)));
}};

struct event {
  ag::queue<int> queue{1};
  int waiting = 0;
};
const ag::tool wait{"wait", [](int x, event* e) -> ag::task<int> {
  ++e->waiting;
  co_await e->queue.pop();
  co_return x;
}};
ag::task<std::int64_t> wait_all(int n, event* e) {
  const auto one = [&e](int i) { return wait(i, e); };
  co_return sum_of(co_await ag::gather(std::views::iota(0, n) | std::views::transform(one)));
}
ag::task<> close_when_all_wait(int n, event* e) {
  while (e->waiting < n) co_await ag::sleep_for(0ns);
  e->queue.close();
}
const ag::graph_fn waiters{"waiters", [](int n) -> ag::task<std::int64_t> {
  event e;
  const auto both = co_await ag::gather(wait_all(n, &e), close_when_all_wait(n, &e));
  co_return std::get<0>(both);
}};

// --- agents of three calls in turn, as runs of a runtime and nested in one run
const ag::graph_fn agent{"agent", [](int x, ag::duration d) -> ag::task<int> {
  const int a = co_await sleep(x, d);
  const int b = co_await sleep(a, d);
  co_return co_await sleep(b, d);
}};
std::int64_t run_agents(int n) {
  asio::io_context io(1);
  ag::runtime rt(io);
  std::vector<ag::run_handle<int>> runs;
  runs.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) runs.push_back(ag::start(rt, agent(i, long_enough(n))));
  io.run();
  std::int64_t sum = 0;
  for (const ag::run_handle<int>& run : runs) sum += run.get();
  return sum;
}
const ag::graph_fn crowd{"crowd", [](int n) -> ag::task<std::int64_t> {
  const ag::duration d = long_enough(n);
  const auto one = [&d](int i) { return agent(i, d); };
  co_return sum_of(co_await ag::gather(std::views::iota(0, n) | std::views::transform(one)));
}};

// --- the same with Asio alone
asio::awaitable<int> asio_sleep(int x, ag::duration d) {
  asio::steady_timer timer(co_await asio::this_coro::executor, d);
  co_await timer.async_wait(asio::use_awaitable);
  co_return x;
}
asio::awaitable<int> asio_agent(int x, ag::duration d) {
  const int a = co_await asio_sleep(x, d);
  const int b = co_await asio_sleep(a, d);
  co_return co_await asio_sleep(b, d);
}
template <auto Work>
std::int64_t run_asio(int n) {
  asio::io_context io(1);
  std::int64_t sum = 0;
  for (int i = 0; i < n; ++i)
    asio::co_spawn(asio::make_strand(io), Work(i, long_enough(n)), [&sum](std::exception_ptr, int x) { sum += x; });
  io.run();
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc == 3 ? argv[1] : "";
  const int n = argc == 3 ? std::atoi(argv[2]) : 0;
  const double bytes = peak_bytes(), seconds = cpu_seconds();
  std::int64_t sum = 0;
  if (what == "timers") {
    sum = ag::run(sleepers(n), {.max_concurrency = n});
  } else if (what == "event") {
    sum = ag::run(waiters(n), {.max_concurrency = n});
  } else if (what == "agents") {
    sum = run_agents(n);
  } else if (what == "nested_agents") {
    sum = ag::run(crowd(n));
  } else if (what == "asio_timers") {
    sum = run_asio<asio_sleep>(n);
  } else if (what == "asio_agents") {
    sum = run_asio<asio_agent>(n);
  } else {
    fmt::print(stderr, "usage: many timers|event|agents|nested_agents|asio_timers|asio_agents N\n");
    return 2;
  }
  if (sum != std::int64_t{n} * (n - 1) / 2) {
    fmt::print(stderr, "wrong sum {}\n", sum);
    return 1;
  }
  fmt::print("{} {} {}\n", n, cpu_seconds() - seconds, peak_bytes() - bytes);
}
