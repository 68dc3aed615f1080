// Testing an agent of one's own: virtual time, and orders of events that a seed chooses.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <set>
#include <string>
#include <vector>

namespace ag = aethergraph;
using namespace std::chrono_literals;

const ag::tool has_come{"has_come", [](int round) -> ag::task<bool> {
  co_await ag::sleep_for(100ms);
  co_return round == 3;
}};

// The agent under test: asks with a growing pause in between, and gives up after an hour.
const ag::graph_fn wait_for_it{"wait_for_it", []() -> ag::task<int> {
  ag::duration pause = 1min;
  for (int round = 1;; ++round, pause *= 2) {
    if (co_await has_come(round)) co_return round;
    co_await ag::sleep_for(pause);
  }
}};

const ag::tool think{"think", [](char who) -> ag::task<char> {
  co_await ag::sleep_for(1ms);
  co_return who;
}};

// Its result depends on who is ready first, which no test on a real clock would show reliably.
const ag::graph_fn speakers{"speakers", []() -> ag::task<std::string> {
  const std::string names = "abc";
  std::string order;
  co_await ag::as_completed(names | std::views::transform(think), [&order](char who) { order.push_back(who); });
  co_return order;
}};

int main() {
  // snippet simulation
  // Three minutes and three questions pass in no time, and the end of the hour is tested as easily.
  ag::testing::simulation sim{1};
  const int rounds = sim.run(wait_for_it(), {.deadline = 1h});
  const auto seconds = std::chrono::duration<double>(sim.elapsed()).count();
  fmt::print("{} rounds, {} s\n", rounds, seconds);
  fmt::print("out of time: {}\n", !sim.try_run(wait_for_it(), {.deadline = 2min}).ok());
  // end snippet

  // What is ready at the same time goes in an order that follows the seed: the same one for the same seed, so that a
  // failing test can be repeated, and over many seeds every one.
  std::set<std::string> orders;
  bool same = true;
  for (unsigned seed = 0; seed < 100; ++seed) {
    const std::string order = ag::testing::simulation(seed).run(speakers());
    same = same && order == ag::testing::simulation(seed).run(speakers());
    orders.insert(order);
  }
  fmt::print("orders seen: {}\nsame order for same seed: {}\n", fmt::join(orders, " "), same);
}
