#include "aethergraph/graph_fn.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool nap{"nap", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(1ms);
  co_return x;
}};

ag::task<int> plus_one(int x) { co_return x + 1; }

// Namespace-scope objects with bad options: making them throws nothing.
const ag::graph_fn nameless{"", [](int x) -> ag::task<int> { co_return x; }};
const ag::graph_fn capless{"capless", [](int x) -> ag::task<int> { co_return x; }, {.max_concurrency = 0}};
const ag::graph_fn negative{"negative", [](int x) -> ag::task<int> { co_return x; }, {.max_concurrency = -3}};

ag::task<std::vector<int>> naps(int n) {
  std::vector<decltype(nap(0))> calls;
  for (int i = 0; i < n; ++i) calls.push_back(nap(i));
  co_return co_await ag::gather(std::move(calls));
}

}  // namespace

TEST_CASE("an agent is a coroutine lambda") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x + 1; }};
  CHECK(ag::run(agent(1)) == 2);
}

TEST_CASE("an agent may be a function") {
  const ag::graph_fn agent{"agent", plus_one};
  CHECK(ag::run(agent(1)) == 2);
}

TEST_CASE("an agent takes a braced list") {
  const ag::graph_fn agent{"agent", [](std::vector<int> v) -> ag::task<std::size_t> { co_return v.size(); }};
  CHECK(ag::run(agent({1, 2, 3})) == 3);
}

TEST_CASE("an agent without parameters may be run") {
  const ag::graph_fn agent{"agent", []() -> ag::task<int> { co_return 3; }};
  CHECK(ag::run(agent()) == 3);
}

TEST_CASE("an agent may take and give what only moves") {
  const ag::graph_fn agent{"agent", [](std::unique_ptr<int> p) -> ag::task<std::unique_ptr<int>> { co_return p; }};
  CHECK(*ag::run(agent(std::make_unique<int>(3))) == 3);
}

TEST_CASE("an agent may own what it captures") {
  const ag::graph_fn agent{"agent", [p = std::make_unique<int>(5)](int x) -> ag::task<int> { co_return x + *p; }};
  CHECK(ag::run(agent(1)) == 6);
}

TEST_CASE("an agent's const reference parameter is bound to the invocation's own copy") {
  const ag::graph_fn agent{"agent", [](const std::string& s) -> ag::task<std::string> {
    co_await ag::sleep_for(0s);
    co_return s;
  }};
  auto text = std::make_unique<std::string>("a string that is too long for the small buffer");
  auto invocation = agent(*text);
  text.reset();
  CHECK(ag::run(std::move(invocation)) == "a string that is too long for the small buffer");
}

TEST_CASE("an invocation outlives its agent") {
  auto make = [] {
    const ag::graph_fn agent{"agent", [p = std::make_shared<int>(5)](int x) -> ag::task<int> {
      co_await ag::sleep_for(0s);
      co_return x + *p;
    }};
    return agent(1);
  };
  CHECK(ag::run(make()) == 6);
}

TEST_CASE("an agent knows its name") { CHECK(capless.name() == "capless"); }

TEST_CASE("an agent may be invoked many times") {
  const ag::graph_fn agent{"agent", plus_one};
  auto a = agent(1);
  auto b = agent(2);
  CHECK(ag::run(std::move(b)) == 3);
  CHECK(ag::run(std::move(a)) == 2);
}

TEST_CASE("an empty agent name is refused by the first run") {
  CHECK_THROWS_AS(ag::run(nameless(1)), ag::option_error);
}

TEST_CASE("an agent's cap of zero is refused by the first run, naming it and what is valid") {
  CHECK_THROWS_AS(ag::run(capless(1)), ag::option_error);
  CHECK_THROWS_WITH(ag::run(capless(1)), Catch::Matchers::Matches(".*max_concurrency.* 0.*at least 1.*"));
}

TEST_CASE("an agent's negative cap is refused by the first run, naming it") {
  CHECK_THROWS_AS(ag::run(negative(1)), ag::option_error);
  CHECK_THROWS_WITH(ag::run(negative(1)), Catch::Matchers::Matches(".*-3.*"));
}

TEST_CASE("a run's cap stands in for a bad cap of the agent") {
  CHECK(ag::run(capless(1), {.max_concurrency = 1}) == 1);
}

TEST_CASE("a nested run of an agent with a bad cap throws option_error to the agent that awaits it") {
  auto body = []() -> ag::task<bool> {
    try {
      co_await capless(1);
    } catch (const ag::option_error&) {
      co_return true;
    }
    co_return false;
  };
  CHECK(ag::run(body()));
}

TEST_CASE("an invocation that was run before throws error") {
  const ag::graph_fn agent{"agent", plus_one};
  auto invocation = agent(1);
  CHECK(ag::run(std::move(invocation)) == 2);
  CHECK_THROWS_AS(ag::run(std::move(invocation)), ag::error);
}

TEST_CASE("an invocation that was moved from throws error") {
  const ag::graph_fn agent{"agent", plus_one};
  auto invocation = agent(1);
  auto other = std::move(invocation);
  CHECK_THROWS_AS(ag::run(std::move(invocation)), ag::error);
  CHECK(ag::run(std::move(other)) == 2);
}

TEST_CASE("an invocation awaited twice throws error") {
  const ag::graph_fn agent{"agent", plus_one};
  auto body = [&]() -> ag::task<int> {
    auto invocation = agent(1);
    co_await std::move(invocation);
    co_return co_await std::move(invocation);
  };
  CHECK_THROWS_AS(ag::run(body()), ag::error);
}

TEST_CASE("an agent's own cap holds") {
  const ag::graph_fn agent{
      "agent", [](int n) -> ag::task<std::vector<int>> { co_return co_await naps(n); }, {.max_concurrency = 3}};
  CHECK(ag::testing::simulation(1).try_run(agent(20)).peak_concurrency() == 3);
}

TEST_CASE("a run's cap goes before the agent's") {
  const ag::graph_fn agent{
      "agent", [](int n) -> ag::task<std::vector<int>> { co_return co_await naps(n); }, {.max_concurrency = 3}};
  CHECK(ag::testing::simulation(1).try_run(agent(20), {.max_concurrency = 5}).peak_concurrency() == 5);
}

TEST_CASE("the cap is four when nobody says otherwise") {
  const ag::graph_fn agent{"agent", [](int n) -> ag::task<std::vector<int>> { co_return co_await naps(n); }};
  CHECK(ag::testing::simulation(1).try_run(agent(20)).peak_concurrency() == 4);
}

TEST_CASE("an agent awaits another as a nested run") {
  const ag::graph_fn inner{"inner", [](int x) -> ag::task<int> { co_return co_await nap(x) * 10; }};
  const ag::graph_fn outer{"outer", [&](int x) -> ag::task<int> { co_return co_await inner(x) + 1; }};
  CHECK(ag::run(outer(4)) == 41);
}

TEST_CASE("an agent may invoke itself") {
  struct recursive {
    static ag::task<int> body(int depth) {
      static const ag::graph_fn self{"self", &recursive::body};
      if (depth == 0) co_return 0;
      co_return 1 + co_await self(depth - 1);
    }
  };
  CHECK(ag::run(recursive::body(100)) == 100);
}

TEST_CASE("what a nested run throws reaches the agent that awaits it") {
  const ag::graph_fn inner{"inner", [](int x) -> ag::task<int> {
    co_await nap(x);
    throw std::runtime_error("inner failed");
  }};
  const ag::graph_fn outer{"outer", [&](int x) -> ag::task<int> { co_return co_await inner(x); }};
  CHECK_THROWS_WITH(ag::run(outer(1)), "inner failed");
}

TEST_CASE("an agent's function that throws before its first await fails the run") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> {
    if (x > 0) throw std::runtime_error("not a coroutine");
    return plus_one(x);
  }};
  CHECK_THROWS_WITH(ag::run(agent(1)), "not a coroutine");
}
