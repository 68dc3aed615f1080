// The same three tools, awaited one after another and at the same time.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <string>

namespace ag = aethergraph;
using namespace std::chrono_literals;

const ag::tool weather{"weather", [](std::string city) -> ag::task<int> {
  co_await ag::sleep_for(30ms);
  co_return static_cast<int>(city.size()) + 10;
}};
const ag::tool traffic{"traffic", [](std::string city) -> ag::task<std::string> {
  co_await ag::sleep_for(20ms);
  co_return "calm in " + city;
}};
const ag::tool book_table{"book_table", []() -> ag::task<> { co_await ag::sleep_for(10ms); }};

// An await finishes before the next begins: right where one needs the result of the other.
const ag::graph_fn sequential{"sequential", [](std::string city) -> ag::task<std::string> {
  const int degrees = co_await weather(city);
  const std::string roads = co_await traffic(city);
  co_await book_table();
  co_return fmt::format("{} degrees, {}", degrees, roads);
}};

// snippet concurrent
// gather starts all of them before it awaits any, and gives their results in the order of its arguments. A call
// without a result leaves a std::monostate in the tuple.
const ag::graph_fn concurrent{"concurrent", [](std::string city) -> ag::task<std::string> {
  auto all = co_await ag::gather(weather(city), traffic(city), book_table());
  const auto& [degrees, roads, booked] = all;
  co_return fmt::format("{} degrees, {}", degrees, roads);
}};
// end snippet

int main() {
  // A simulation runs agents in virtual time: sleeps take none, and it tells how long they would have taken.
  const auto in_ms = [](ag::duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d); };

  ag::testing::simulation first{1};
  const std::string one_by_one = first.run(sequential("Oslo"));
  fmt::print("sequential: {}, after {}\n", one_by_one, in_ms(first.elapsed()));

  ag::testing::simulation second{1};
  const std::string all_at_once = second.run(concurrent("Oslo"));
  fmt::print("concurrent: {}, after {}\n", all_at_once, in_ms(second.elapsed()));
}
