// What a steady state allocates: nothing.

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <ranges>

#include "support/allocation_count.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;

namespace {

const ag::tool twice{"twice", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::tool plain{"plain", [](int x) { return 2 * x; }};
const ag::tool yielding{"yielding", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::seconds(0));
  co_return x;
}};
const ag::graph_fn nothing{"nothing", [](int x) -> ag::task<int> { co_return x; }};

const ag::graphify line{"line", [](int length, ag::node<int> x) {
  for (int i = 0; i < length; ++i) x = plain(x);
  return x;
}};
const ag::graphify line_of_coroutines{"line_of_coroutines", [](int length, ag::node<int> x) {
  for (int i = 0; i < length; ++i) x = twice(x);
  return x;
}};

/// Allocations of the second half of `rounds`, when everything is warm.
template <class Step>
ag::task<std::size_t> steady(int rounds, Step step) {
  for (int i = 0; i < rounds; ++i) co_await step(i);
  const std::size_t before = test::allocations();
  for (int i = 0; i < rounds; ++i) co_await step(i);
  co_return test::allocations() - before;
}

}  // namespace

TEST_CASE("a call in a steady state allocates nothing") {
  CHECK(ag::run(steady(1000, [](int i) { return twice(i); }), {.record = false}) == 0);
  CHECK(ag::run(steady(1000, [](int i) { return plain(i); }), {.record = false}) == 0);
  CHECK(ag::run(steady(1000, [](int i) { return yielding(i); }), {.record = false}) == 0);
}

TEST_CASE("a race, a pair gathered and a semaphore in a steady state allocate nothing") {
  CHECK(ag::run(steady(1000, [](int i) { return ag::race(twice(i), yielding(i)); }), {.record = false}) == 0);
  CHECK(ag::run(steady(1000, [](int i) { return ag::gather(yielding(i), yielding(i)); }), {.record = false}) == 0);
  ag::semaphore one(1);
  CHECK(ag::run(steady(1000, [&](int) { return one.acquire(); }), {.record = false}) == 0);
}

TEST_CASE("a queue that has been full once allocates nothing more, whether one waits or not") {
  ag::queue<int> q(100);
  while (q.try_push(1)) {
  }
  const auto pass = [](ag::queue<int>& through) -> ag::task<> {
    static_cast<void>(co_await through.pop());
    co_await through.push(1);
  };
  CHECK(ag::run(steady(1000, [&](int) { return pass(q); }), {.record = false}) == 0);
  CHECK(ag::run(steady(1000, [&](int) { return ag::gather(q.push(2), q.pop()); }), {.record = false}) == 0);
  ag::queue<int> empty(1);
  CHECK(ag::run(steady(1000, [&](int) { return ag::gather(empty.pop(), empty.push(2)); }), {.record = false}) == 0);
}

TEST_CASE("a nested run in a steady state allocates nothing") {
  CHECK(ag::run(steady(1000, [](int i) { return nothing(i); }), {.record = false}) == 0);
}

TEST_CASE("a graph that runs again allocates nothing if its values need none") {
  const auto rounds = [](const auto& graph, const ag::run_options& options) {
    std::size_t before = 0;
    for (int i = 0; i < 200; ++i) {
      if (i == 100) before = test::allocations();
      static_cast<void>(ag::run(graph(i), options));
    }
    return test::allocations() - before;
  };
  for (const int length : {1, 20, 1000}) {
    CAPTURE(length);
    const auto plain_nodes = line.build(length);
    CHECK(rounds(plain_nodes, {.record = false}) == 0);
    CHECK(rounds(plain_nodes, {}) == 0);
    const auto coroutines = line_of_coroutines.build(length);
    CHECK(rounds(coroutines, {.record = false}) == 0);
    CHECK(rounds(coroutines, {}) == 0);
  }
  CHECK(rounds(line.build(20'000), {.record = false}) == 0);
}

TEST_CASE("a gather of many allocates for its calls, their operations and their results, each once") {
  const auto gather_twice = [](const auto& tool) -> ag::task<std::size_t> {
    auto calls = std::views::iota(0, 10'000) | std::views::transform(tool);
    static_cast<void>(co_await ag::gather(calls));
    const std::size_t before = test::allocations();
    static_cast<void>(co_await ag::gather(calls));
    co_return test::allocations() - before;
  };
  CHECK(ag::run(gather_twice(yielding), {.record = false}) == 3);
  CHECK(ag::run(gather_twice(twice), {.record = false}) == 3);
}
