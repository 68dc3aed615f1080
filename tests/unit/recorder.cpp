#include "aethergraph/detail/recorder.hpp"

#include <algorithm>
#include <atomic>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using ag::detail::recorder;
using namespace std::chrono_literals;

namespace {

using texts = std::vector<std::string>;

const ag::tool work{"work", [](int x) { return x; }};
const ag::tool fails{"fails", [](int) -> int { throw std::runtime_error("failed"); }};
const ag::tool holds{"holds", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(0s);
  co_return x;
}};

const ag::tool sleeps{"sleeps", [](int) -> ag::task<> { co_await ag::sleep_for(24h); }};
const ag::tool fails_later{"fails_later", [](int) -> ag::task<> {
  co_await ag::sleep_for(0s);
  throw std::runtime_error("failed later");
}};

ag::task<> works(int n) {
  for (int i = 0; i < n; ++i) co_await work(i);
}
ag::task<> breaks(int n) {
  for (int i = 0; i < n; ++i) co_await ag::as_result(fails(i));
}

template <class A>
ag::task_graph graph_of(A inv) {
  return ag::try_run(std::move(inv)).graph();
}

std::size_t count(const ag::task_graph& g, ag::node_state s) {
  return static_cast<std::size_t>(std::ranges::count(g.nodes(), s, &ag::task_graph::node_view::state));
}

}  // namespace

// --- the log

TEST_CASE("records are numbered from 1 and found by their numbers") {
  ag::detail::record_log<int> log;
  CHECK(log.at(0) == nullptr);
  CHECK(log.at(1) == nullptr);
  for (int i = 1; i <= 40; ++i) {
    const auto n = log.add();
    CHECK(n == static_cast<ag::detail::node_number>(i));
    *log.at(n) = i;
  }
  CHECK(*log.at(1) == 1);
  CHECK(*log.at(17) == 17);
  CHECK(*log.at(40) == 40);
  CHECK(log.first() == 1);
  CHECK(log.last() == 41);
}

TEST_CASE("of dropped blocks the records are gone, and the others keep their numbers") {
  ag::detail::record_log<int> log;
  for (int i = 1; i <= 40; ++i) *log.at(log.add()) = i;
  log.drop_blocks(2);
  CHECK(log.first() == 33);
  const auto is_gone = [&](const volatile ag::detail::node_number& n) { return log.at(n) == nullptr; };
  for (ag::detail::node_number n = 1; n <= 32; ++n) CHECK(is_gone(n));
  CHECK(*log.at(33) == 33);
  CHECK(log.add() == 41);
}

// --- the bounds

TEST_CASE("a run of up to the limit lists all of its nodes") {
  const auto g = graph_of(works(recorder::kept_nodes));
  CHECK(g.nodes().size() == recorder::kept_nodes);
  CHECK(g.folded().total() == 0);
}

TEST_CASE("an agent with 250,000 calls lists at most 100,000 and counts the rest") {
  const auto g = graph_of(works(250'000));
  CHECK(g.nodes().size() <= 100'000);
  CHECK(g.nodes().size() > 90'000);
  CHECK(g.folded().done == 250'000 - g.nodes().size());
  CHECK(g.folded().total() == g.folded().done);
}

TEST_CASE("the newest nodes are listed, the oldest are folded") {
  const auto g = graph_of(works(150'000));
  CHECK(g.nodes().back().id == "work#150000");
  CHECK(g.nodes().back().path == "149999");
  CHECK(g.nodes().front().id == fmt::format("work#{}", 150'001 - g.nodes().size()));
  CHECK(g.find("work#1") == nullptr);
}

TEST_CASE("a gather of more than the limit lists at most 100,000 of those that ended") {
  auto body = []() -> ag::task<> { co_await ag::gather(std::views::iota(0, 150'000) | std::views::transform(holds)); };
  const auto g = graph_of(body());
  CHECK(g.nodes().size() <= 100'000);
  CHECK(g.nodes().size() + g.folded().done == 150'000);
}

TEST_CASE("a failure is kept when its neighbours are folded") {
  auto body = []() -> ag::task<> {
    co_await works(10);
    co_await breaks(1);
    co_await works(250'000);
  };
  const auto g = graph_of(body());
  REQUIRE(g.find("fails#11"));
  CHECK(g.find("fails#11")->state == ag::node_state::failed);
  CHECK(g.find("fails#11")->path == "10");
  CHECK(g.nodes().front().id == "fails#11");
  CHECK_THROWS_WITH(std::rethrow_exception(g.nodes().front().failure), "failed");
  CHECK(g.folded().failed == 0);
}

TEST_CASE("of old failures the last 10,000 are kept, and the others counted") {
  auto body = []() -> ag::task<> {
    co_await breaks(15'000);
    co_await works(250'000);
  };
  const auto g = graph_of(body());
  CHECK(count(g, ag::node_state::failed) == 10'000);
  CHECK(g.folded().failed == 5'000);
  CHECK(g.nodes().front().id == "fails#5001");
  CHECK(count(g, ag::node_state::done) <= 100'000);
}

TEST_CASE("cancelled and skipped nodes are folded into counts of their own") {
  auto body = []() -> ag::task<> {
    auto stopped = ag::gather(std::views::iota(0, 20) | std::views::transform(sleeps));
    auto both = ag::as_result(ag::gather(fails_later(0), std::move(stopped)));
    co_await std::move(both);
    co_await works(150'000);
  };
  const auto g = graph_of(body());
  CHECK(g.folded().cancelled + g.folded().skipped == 20);
  CHECK(g.folded().cancelled >= 3);
  CHECK(g.folded().skipped >= 1);
  CHECK(count(g, ag::node_state::failed) == 1);
}

TEST_CASE("a node that has not ended is listed however old it is, with its path and its state") {
  ag::runtime rt;
  std::atomic<bool> is_there = false;
  const ag::tool lives{"lives", [](int) -> ag::task<> { co_await ag::sleep_for(24h); }};
  const ag::tool parent{"parent", [&](int x) -> ag::task<> { co_await ag::gather(lives(x), lives(x)); }};
  auto churn = [&]() -> ag::task<> {
    co_await works(250'000);
    is_there = true;
  };
  auto body = [&]() -> ag::task<> { co_await ag::gather(parent(1), churn()); };
  const auto handle = ag::start(rt, body());
  while (!is_there) std::this_thread::sleep_for(1ms);
  const auto g = handle.graph();
  handle.cancel();
  handle.wait();
  REQUIRE(g.find("parent#1"));
  CHECK(g.find("parent#1")->path == "0.0");
  CHECK(g.find("parent#1")->state == ag::node_state::running);
  REQUIRE(g.find("lives#3"));
  CHECK(g.find("lives#3")->path == "0.0/0.1");
  CHECK(g.find("lives#3")->parent == "parent#1");
  CHECK(g.nodes().size() <= 100'003);
  CHECK(g.nodes().size() + g.folded().total() == 250'003);
}

TEST_CASE("an old node that ends at last is folded, unless it failed") {
  const ag::tool ends{"ends", [](int) -> ag::task<> {
    for (int i = 0; i < 2000; ++i) co_await ag::sleep_for(0s);
  }};
  const ag::tool fails_late{"fails_late", [](int) -> ag::task<> {
    for (int i = 0; i < 2000; ++i) co_await ag::sleep_for(0s);
    throw std::runtime_error("late");
  }};
  auto churn = []() -> ag::task<> { co_await works(150'000); };
  auto body = [&]() -> ag::task<> { co_await ag::gather_results(ends(1), fails_late(1), churn()); };
  const auto g = graph_of(body());
  CHECK(g.find("ends#1") == nullptr);
  REQUIRE(g.find("fails_late#2"));
  CHECK(g.find("fails_late#2")->state == ag::node_state::failed);
  CHECK(g.nodes().size() + g.folded().total() == 150'002);
}

TEST_CASE("what stood in a folded node has a path that begins with dots") {
  const ag::tool outer{"outer", [](int x) -> ag::task<> { co_await ag::as_result(fails(x)); }};
  auto body = [&]() -> ag::task<> {
    co_await outer(1);
    co_await works(150'000);
  };
  const auto g = graph_of(body());
  REQUIRE(g.find("fails#2"));
  CHECK(g.find("fails#2")->path == "…/0");
  CHECK(g.find("fails#2")->parent == "…");
}

TEST_CASE("pretty counts what is folded in its last line, and shows what has lost its parent") {
  const ag::tool outer{"outer", [](int x) -> ag::task<> { co_await ag::as_result(fails(x)); }};
  auto body = [&]() -> ag::task<> {
    co_await outer(1);
    co_await works(150'000);
  };
  const auto g = graph_of(body());
  const std::string text = g.pretty();
  CHECK_THAT(text, Catch::Matchers::StartsWith(g.id() + ": done\n  fails#2 (…/0): failed: failed\n  work#"));
  const auto f = g.folded().total();
  CHECK_THAT(text,
      Catch::Matchers::EndsWith(fmt::format("\n  and {} older: {} done, 0 failed, 0 cancelled, 0 skipped\n", f, f)));
}

TEST_CASE("joins are bounded as nodes are") {
  auto body = []() -> ag::task<> {
    for (int i = 0; i < 250'000; ++i) co_await ag::gather(work(i), work(i));
  };
  const auto g = graph_of(body());
  CHECK(g.joins().size() <= recorder::kept_joins);
  CHECK(g.nodes().size() <= recorder::kept_nodes);
  CHECK(g.nodes().back().path == "249999.1");
  CHECK(g.upstream(g.nodes().back().id).size() > 90'000);
}

TEST_CASE("a gather that has not ended keeps its place, however many have come after it") {
  ag::runtime rt;
  std::atomic<bool> is_there = false;
  auto gathers = [&]() -> ag::task<> {
    for (int i = 0; i < 150'000; ++i) co_await ag::gather(work(i));
    is_there = true;
    co_await sleeps(1);
  };
  auto body = [&]() -> ag::task<> { co_await ag::gather(gathers(), work(1)); };
  const auto handle = ag::start(rt, body());
  while (!is_there) std::this_thread::sleep_for(1ms);
  const auto g = handle.graph();
  handle.cancel();
  handle.wait();
  REQUIRE(g.find("0.0.150000"));
  CHECK(g.find("0.0.150000")->tool == "sleeps");
  CHECK(g.find("0.0.150000")->parent.empty());
}

TEST_CASE("times of nodes that are old, and still listed, are kept") {
  auto body = []() -> ag::task<> {
    const ag::tool lives{"lives", []() -> ag::task<> { co_await works(250'000); }};
    co_await ag::as_result(fails_later(0));
    co_await lives();
  };
  const auto result = ag::try_run(body(), {.record = ag::record::times});
  const ag::task_graph g = result.graph();
  const auto* const failed = g.find("fails_later#1");
  REQUIRE(failed);
  CHECK(failed->start);
  CHECK(failed->end);
  CHECK(g.folded().total() > 100'000);
}
