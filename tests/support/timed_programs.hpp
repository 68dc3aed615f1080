// Runs of which it is known what their times are, in a simulation.
#pragma once

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <cmath>
#include <ranges>
#include <stdexcept>
#include <vector>

namespace test {

namespace ag = aethergraph;

inline ag::task<int> nap(int ms) {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  co_return ms;
}
inline const ag::tool naps{"naps", [](int ms) -> ag::task<int> { return nap(ms); }};
inline const ag::tool plain{"plain", [](int x) { return x; }};
inline const ag::tool adds{"adds", [](int a, int b) { return a + b; }};
inline const ag::tool fails{"fails", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  throw std::runtime_error("failed");
}};
/// Fails twice, then succeeds: waits 5 ms and 10 ms in between.
inline int tries_of_flaky = 0;
inline const ag::tool flaky{"flaky", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  if (++tries_of_flaky % 3 != 0) throw std::runtime_error("not yet");
  co_return ms;
}, {.retry = {.max_attempts = 3, .first_delay = std::chrono::milliseconds{5}}}};

inline const ag::graph_fn fan{"fan", [](int count, int ms) -> ag::task<> {
  auto calls = std::views::iota(0, count) | std::views::transform([ms](int) { return naps(ms); });
  co_await ag::gather(calls);
}};
/// A tool that awaits one call, then two at a time.
inline const ag::tool family{"family", []() -> ag::task<int> {
  co_await naps(10);
  co_await ag::gather(naps(20), naps(30));
  co_await ag::sleep_for(std::chrono::milliseconds{2});
  co_return 0;
}};
inline const ag::graph_fn inner{
    "inner", []() -> ag::task<> { co_await ag::gather(naps(10), naps(10)); }, {.max_concurrency = 1}};
inline const ag::graph_fn outer{"outer", []() -> ag::task<> {
  co_await naps(5);
  co_await inner();
}};
inline const ag::graphify abcd{"abcd", []() {
  const ag::node<int> a = naps(10);
  const ag::node<int> b = naps(20);
  return adds(a, b);
}};
inline const ag::graphify mapped{"mapped", [](ag::node<std::vector<int>> all) { return ag::map(naps, all); }};
inline const ag::graphify failing_graph{"failing_graph", []() {
  const ag::node<int> a = fails(5);
  const ag::node<int> b = naps(a);
  return adds(b, naps(20));
}};

/// What the times of a run are, whatever it ends with.
template <class A>
ag::timed_run timed(A inv, ag::run_options options = {}) {
  options.record = ag::record::times;
  return ag::testing::simulation(1).try_run(std::move(inv), options).graph().times();
}

/// In milliseconds, to the microsecond: a `rate_limit` rounds up to whole nanoseconds.
inline double ms(ag::duration d) { return std::round(static_cast<double>(d.count()) / 1e3) / 1e3; }

}  // namespace test
