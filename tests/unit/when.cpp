#include "aethergraph/when.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::tool plus{"plus", [](int a, int b) { return a + b; }};
const ag::tool is_large{"is_large", [](int x) { return x >= 10; }};
const ag::tool is_small{"is_small", [](int x) -> ag::task<bool> { co_return x < 10; }};
const ag::tool unique{"unique", [](int x) { return std::make_unique<int>(x); }};
const ag::tool fails{"fails", [](int x) -> int { throw std::runtime_error(std::to_string(x)); }};
const ag::tool condition_fails{"condition_fails", [](int) -> bool { throw std::runtime_error("no condition"); }};

template <class Body>
auto built(Body body) {
  return ag::graphify{"g", std::move(body)}.build();
}

ag::node_state state_of(const ag::task_graph& g, std::string_view id) { return g.find(id)->state; }

std::string message(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  }
}

}  // namespace

TEST_CASE("a call with a true condition runs") {
  CHECK(ag::run(built([](ag::node<int> x) { return ag::when(is_large(x), work(x)); })(10)) == 20);
}

TEST_CASE("a call with a false condition is skipped, and so is what reads it") {
  const auto graph = built([](ag::node<int> x) {
    auto w = ag::when(is_large(x).id("condition"), work(x).id("branch"));
    return ag::value_or(plus(w, 1).id("reader"), -1);
  });
  auto r = ag::try_run(graph(1));
  CHECK(r.value() == -1);
  CHECK(state_of(r.graph(), "branch") == ag::node_state::skipped);
  CHECK(state_of(r.graph(), "reader") == ag::node_state::skipped);
  CHECK(state_of(r.graph(), "condition") == ag::node_state::done);
  CHECK(message(r.graph().find("branch")->failure) == "its condition, or that of what it reads, was false");
  CHECK(message(r.graph().find("reader")->failure) == "its condition, or that of what it reads, was false");
  CHECK(ag::run(graph(10)) == 21);
}

TEST_CASE("what comes before a branch is not conditional") {
  auto r = ag::try_run(built([](ag::node<int> x) {
    auto before = work(x).id("before");
    return ag::value_or(ag::when(is_large(x), work(before)), -1);
  })(1));
  CHECK(r.value() == -1);
  CHECK(state_of(r.graph(), "before") == ag::node_state::done);
}

TEST_CASE("a skipped result without a way out is a graph_error that says so") {
  const auto graph = built([](ag::node<int> x) { return ag::when(is_large(x), work(x).id("branch")); });
  auto r = ag::try_run(graph(1));
  CHECK_THROWS_AS(r.value(), ag::graph_error);
  CHECK_THROWS_WITH(r.value(),
      "graph 'g' has no result: 'branch' was skipped, since a condition was false; give the "
      "branch a way out with ag::value_or or ag::any_of");
  CHECK(r.failures().empty());
}

TEST_CASE("any_of gives the branch that was not skipped") {
  const auto graph = built(
      [](ag::node<int> x) { return ag::any_of(ag::when(is_large(x), work(x)), ag::when(is_small(x), plus(x, 100))); });
  CHECK(ag::run(graph(10)) == 20);
  CHECK(ag::run(graph(1)) == 101);
}

TEST_CASE("any_of prefers its first argument, whichever comes first in time") {
  const ag::tool later{"later", [](int x) -> ag::task<int> {
    co_await ag::sleep_for(5ms);
    co_return x;
  }};
  const auto graph = built([&](ag::node<int> x) { return ag::any_of(later(x), work(x)); });
  CHECK(ag::testing::simulation(1).run(graph(1)) == 1);
}

TEST_CASE("any_of takes a vector of branches") {
  const auto graph = built([](ag::node<int> x) {
    std::vector<ag::node<int>> all;
    for (int i = 0; i < 3; ++i) {
      const ag::tool is_it{"is_it", [i](int n) { return n == i; }};
      all.push_back(ag::when(is_it(x), plus(x, 10 * i)));
    }
    return ag::any_of(all);
  });
  CHECK(ag::run(graph(0)) == 0);
  CHECK(ag::run(graph(2)) == 22);
  CHECK_THROWS_AS(ag::run(graph(3)), ag::graph_error);
}

TEST_CASE("any_of of branches that were all skipped is skipped") {
  const auto graph = built([](ag::node<int> x) {
    return ag::value_or(ag::any_of(ag::when(is_large(x), work(1)), ag::when(is_large(x), work(2))), -1);
  });
  CHECK(ag::run(graph(1)) == -1);
}

TEST_CASE("all_of gives all of them, or is skipped with one") {
  const auto graph = built([](ag::node<int> x) {
    return ag::value_or(ag::all_of(ag::when(is_large(x), work(x)), plus(x, 1)), std::tuple{-1, -1});
  });
  CHECK(ag::run(graph(10)) == std::tuple{20, 11});
  CHECK(ag::run(graph(1)) == std::tuple{-1, -1});
}

TEST_CASE("all_of takes a vector of branches") {
  const auto graph = built(
      [](ag::node<int> x) { return ag::all_of(std::vector<ag::node<int>>{work(x), ag::when(is_large(x), work(1))}); });
  CHECK(ag::run(graph(10)) == std::vector<int>{20, 2});
  CHECK_THROWS_AS(ag::run(graph(1)), ag::graph_error);
}

TEST_CASE("the fallback of value_or is a literal or a node, converted to the type of the branch") {
  const ag::tool text{"text", [](int x) { return std::to_string(x); }};
  CHECK(ag::run(built([&](ag::node<int> x) { return ag::value_or(ag::when(is_large(x), text(x)), "small"); })(1)) ==
        "small");
  const auto graph =
      built([&](ag::node<int> x) { return ag::value_or(ag::when(is_large(x), text(x)), text(plus(x, 1))); });
  CHECK(ag::run(graph(1)) == "2");
  CHECK(ag::run(graph(10)) == "10");
}

TEST_CASE("a move-only branch is chosen") {
  const auto graph = built([&](ag::node<int> x) { return ag::value_or(ag::when(is_large(x), unique(x)), unique(-1)); });
  CHECK(*ag::run(graph(10)) == 10);
  CHECK(*ag::run(graph(1)) == -1);
}

TEST_CASE("a branch of void is conditional") {
  int runs = 0;
  const ag::tool counts{"counts", [&runs](int x) { runs += x; }};
  const auto graph = built([&](ag::node<int> x) {
    static_cast<void>(ag::when(is_large(x), counts(x)));
    return work(1);
  });
  CHECK(ag::run(graph(1)) == 2);
  CHECK(runs == 0);
  ag::run(graph(10));
  CHECK(runs == 10);
}

TEST_CASE("a condition is an input, a part or a literal's call") {
  const auto graph = built([](ag::node<bool> c, ag::node<std::pair<bool, int>> p) {
    return std::tuple{
        ag::value_or(ag::when(c, work(1)), -1), ag::value_or(ag::when(ag::get<0>(p), work(ag::get<1>(p))), -1)};
  });
  CHECK(ag::run(graph(true, {false, 3})) == std::tuple{2, -1});
  CHECK(ag::run(graph(false, {true, 3})) == std::tuple{-1, 6});
}

TEST_CASE("an input, or a part of a value, is made conditional") {
  const auto graph = built([](ag::node<bool> c, ag::node<int> x) { return ag::value_or(ag::when(c, x), -1); });
  CHECK(ag::run(graph(true, 5)) == 5);
  CHECK(ag::run(graph(false, 5)) == -1);
}

TEST_CASE("a call that is ordered after a skipped one runs") {
  const auto graph = built([](ag::node<int> x) {
    auto w = ag::when(is_large(x), work(x));
    return plus(x, 1).after(w);
  });
  CHECK(ag::run(graph(1)) == 2);
}

TEST_CASE("a sub-graph with a false condition is skipped as a whole") {
  int runs = 0;
  const ag::tool counts{"counts", [&runs](int x) { return ++runs, x; }};
  const ag::graphify sub{"sub", [&](ag::node<int> x) {
    auto a = counts(x);
    auto b = counts(5);  // reads nothing, and yet is a part of it
    return plus(a, b);
  }};
  const auto graph = built([&](ag::node<int> x) { return ag::value_or(ag::when(is_large(x), sub(x)), -1); });
  CHECK(ag::run(graph(1)) == -1);
  CHECK(runs == 0);
  CHECK(ag::run(graph(10)) == 15);
  CHECK(runs == 2);
}

TEST_CASE("a sub-graph that gives several results is conditional") {
  const ag::graphify sub{"sub", [](ag::node<int> x) { return std::pair{work(x), plus(x, 1)}; }};
  const auto graph =
      built([&](ag::node<int> x) { return ag::value_or(ag::when(is_large(x), sub(x)), std::pair{-1, -1}); });
  CHECK(ag::run(graph(10)) == std::pair{20, 11});
  CHECK(ag::run(graph(1)) == std::pair{-1, -1});
}

TEST_CASE("a graph with conditions is a sub-graph, several times") {
  const ag::graphify sub{"sub", [](ag::node<int> x) { return ag::value_or(ag::when(is_large(x), work(x)), -1); }};
  const auto graph = built([&](ag::node<int> x, ag::node<int> y) { return std::pair{sub(x), sub(y)}; });
  CHECK(ag::run(graph(10, 1)) == std::pair{20, -1});
  CHECK(ag::run(graph(1, 10)) == std::pair{-1, 20});
}

TEST_CASE("a map and a nested run are conditional") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return co_await work(x); }};
  const auto graph = built([&](ag::node<bool> c, ag::node<std::vector<int>> v) {
    return std::tuple{
        ag::value_or(ag::when(c, ag::map(work, v)), std::vector<int>{}), ag::value_or(ag::when(c, agent(3)), -1)};
  });
  CHECK(ag::run(graph(true, {1, 2})) == std::tuple{std::vector<int>{2, 4}, 6});
  CHECK(ag::run(graph(false, {1, 2})) == std::tuple{std::vector<int>{}, -1});
}

TEST_CASE("of two conditions of one call both must be true") {
  const ag::graphify g{"g", [](ag::node<bool> first, ag::node<bool> second) {
    return ag::value_or(ag::when(first, ag::when(second, work(1))), -1);
  }};
  const auto built = g.build();
  CHECK(ag::run(built(true, true)) == ag::run(work(1)));
  CHECK(ag::run(built(true, false)) == -1);
  CHECK(ag::run(built(false, true)) == -1);
}

TEST_CASE("a sub-graph with a condition inside may have one itself") {
  const ag::graphify inner{
      "inner", [](ag::node<bool> condition) { return ag::value_or(ag::when(condition, work(1)), 0); }};
  const ag::graphify outer{"outer", [&inner](ag::node<bool> first, ag::node<bool> second) {
    return ag::value_or(ag::when(first, inner(second)), -1);
  }};
  const auto built = outer.build();
  CHECK(ag::run(built(true, true)) == ag::run(work(1)));
  CHECK(ag::run(built(true, false)) == 0);
  CHECK(ag::run(built(false, true)) == -1);
}

TEST_CASE("a condition that depends on its branch is a cycle") {
  const ag::graphify g{"g", [](ag::node<int> x) {
    auto w = work(x);
    return ag::when(is_large(w), w);
  }};
  CHECK_THROWS_AS(g.build(), ag::build_error);
  CHECK_THROWS_WITH(g.build(), Catch::Matchers::StartsWith("graph 'g' has a cycle: ") &&
                                   Catch::Matchers::EndsWith("; no call can wait for itself"));
}

TEST_CASE("a condition that is made after its branch is waited for") {
  const auto graph = built([](ag::node<int> x) {
    auto w = work(x);
    auto c = is_large(plus(x, 5));
    return ag::value_or(ag::when(c, w), -1);
  });
  CHECK(ag::run(graph(5)) == 10);
  CHECK(ag::run(graph(4)) == -1);
}

TEST_CASE("conditions, choices and fallbacks mean something only while a graph is traced") {
  ag::node<bool> c;
  ag::node<int> n;
  static_cast<void>(built([&] {
    c = is_large(1);
    n = work(1);
    return std::tuple{c, n};
  }));
  CHECK_THROWS_WITH(ag::when(c, n), Catch::Matchers::StartsWith("'ag::when' was called with a node while no graph"));
  CHECK_THROWS_WITH(ag::any_of(n, n), Catch::Matchers::StartsWith("'ag::any_of' was called with a node"));
  CHECK_THROWS_WITH(ag::all_of(n, n), Catch::Matchers::StartsWith("'ag::make' was called with a node") ||
                                          Catch::Matchers::StartsWith("'ag::all_of' was called with a node"));
  CHECK_THROWS_WITH(ag::value_or(n, 1), Catch::Matchers::StartsWith("'ag::value_or' was called with a node"));
}

// --- failures

TEST_CASE("a branch that failed is no skipped one: any_of and value_or do not start") {
  for (const ag::on_error policy : {ag::on_error::stop, ag::on_error::skip_dependents}) {
    auto r = ag::try_run(built([](ag::node<int> x) {
      return ag::any_of(ag::value_or(ag::when(is_large(x), fails(x).id("bad")), -1), work(1));
    })(10),
        {.on_error = policy});
    REQUIRE_FALSE(r.ok());
    CHECK_THROWS_WITH(r.value(), "graph 'g' failed: bad: 10");
  }
}

TEST_CASE("a branch that would fail, but is skipped, is no failure") {
  CHECK(ag::run(built([](ag::node<int> x) { return ag::value_or(ag::when(is_large(x), fails(x)), -1); })(1)) == -1);
}

TEST_CASE("a condition that fails skips its branch, and the graph has failed") {
  auto r = ag::try_run(built([](ag::node<int> x) {
    return ag::value_or(ag::when(condition_fails(x).id("condition"), work(x).id("branch")), -1);
  })(1),
      {.on_error = ag::on_error::skip_dependents});
  CHECK_THROWS_WITH(r.value(), "graph 'g' failed: condition: no condition");
  CHECK(state_of(r.graph(), "branch") == ag::node_state::skipped);
  CHECK(message(r.graph().find("branch")->failure) == "it depends on 'condition', which failed");
}

TEST_CASE("what depends on a failure and on a false condition says that of the failure") {
  auto r = ag::try_run(built([](ag::node<int> x) {
    auto skipped = ag::when(is_large(x), work(x));
    auto failed = fails(x).id("failed");
    return plus(skipped, failed).id("both");
  })(1),
      {.on_error = ag::on_error::skip_dependents});
  CHECK_FALSE(r.ok());
  CHECK(message(r.graph().find("both")->failure) == "it depends on 'failed', which failed");
}

TEST_CASE("a run that was stopped after its last node had ended has its result, with a skipped branch, too") {
  // The last body ignores the deadline, and returns: nothing was cancelled.
  const ag::tool stubborn{"stubborn", [](int x) -> ag::task<int> {
    auto sleeps = []() -> ag::task<> { co_await ag::sleep_for(5ms); };
    co_await ag::shielded(sleeps());
    co_return x;
  }};
  const auto without = built([&](ag::node<int> x) { return stubborn(x); });
  auto r = ag::testing::simulation(1).try_run(without(1), {.deadline = 1ms});
  const auto with = built([&](ag::node<int> x) {
    static_cast<void>(ag::when(is_large(x), work(x)));
    return stubborn(x);
  });
  auto s = ag::testing::simulation(1).try_run(with(1), {.deadline = 1ms});
  CHECK(r.ok() == s.ok());
}
