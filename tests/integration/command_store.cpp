// What the tests of the command `aethergraph` look at: `command_store FILE make` makes a store with an agent that is
// done, a graph that has failed and a run that waits for an answer; `command_store FILE go-on` runs the last one again,
// and `command_store FILE slow` a new one that takes a while.

#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/sqlite.hpp>
#include <string>

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool fetch{"fetch", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds(ms));
  co_return ms;
}};
const ag::tool add{"add", [](int a, int b) { return a + b; }};
const ag::tool publish{"publish", [](int) -> int { throw std::runtime_error("the server is down"); }};

const ag::graph_fn report{"report", [](int n) -> ag::task<int> {
  const auto [a, b] = co_await ag::gather(fetch(n), fetch(2 * n));
  co_return co_await add(a, b);
}, {.version = "1"}};
const ag::graphify build{"build", [](ag::node<int> n) {
  auto a = fetch(n).id("first");
  auto b = fetch(n).id("second");
  return publish(add(a, b));
}};
const ag::graph_fn buy{"buy", [](ag::context& ctx) -> ag::task<std::string> {
  const int price = co_await add(20, 22);
  const bool is_wanted = co_await ctx.channel().ask_approval(fmt::format("Pay {} euros?", price));
  co_return is_wanted ? "bought" : "not bought";
}};
const ag::graph_fn slow{"slow", []() -> ag::task<int> {
  int sum = 0;
  for (int i = 0; i < 10; ++i) sum += co_await fetch(100);
  co_return sum;
}};

std::string run_buy(ag::run_store& store) {
  ag::callback_channel quiet([](const std::string&) {});
  try {
    return ag::run(buy(), {.channel = &quiet, .store = &store, .run_id = "buy-1"});
  } catch (const ag::run_parked&) {
    return "parked";
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  ag::sqlite_store store(argv[1]);
  const std::string what = argv[2];
  if (what == "go-on") {
    fmt::print("{}\n", run_buy(store));
  } else if (what == "slow") {
    ag::run(slow(), {.store = &store, .run_id = "slow-1"});
  } else {
    ag::run(report(5), {.store = &store, .run_id = "nightly-7"});
    try {
      ag::run(build(5), {.store = &store, .run_id = "build-1"});
    } catch (const std::runtime_error&) {
    }
    fmt::print("{}\n", run_buy(store));
  }
  return 0;
}
