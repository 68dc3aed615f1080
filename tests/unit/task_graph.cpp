#include "aethergraph/task_graph.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;
using Catch::Matchers::Equals;

namespace {

using texts = std::vector<std::string>;

const ag::tool work{"work", [](int x) { return x; }};
const ag::tool naps{"naps", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  co_return ms;
}};
const ag::tool fails{"fails", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  throw std::runtime_error(fmt::format("failed after {}", ms));
}};
const ag::tool family{"family", [](int x) -> ag::task<int> {
  const int first = co_await work(x);
  auto [a, b] = co_await ag::gather(naps(x), naps(x + 1));
  co_return first + a + b;
}};
const ag::graph_fn inner{"inner", [](int x) -> ag::task<int> {
  const int slept = co_await naps(x);
  co_return slept + co_await work(x);
}};

ag::task<int> two_naps(int x) {
  const int first = co_await naps(x);
  co_return first + co_await naps(x + 1);
}

template <class A>
ag::task_graph graph_of(A inv, const ag::run_options& options = {}) {
  return ag::testing::simulation(1).try_run(std::move(inv), options).graph();
}

std::string why(const ag::task_graph::node_view& n) {
  if (!n.failure) return "";
  try {
    std::rethrow_exception(n.failure);
  } catch (const std::exception& e) {
    return e.what();
  }
}

std::string path_of(const ag::task_graph& g, std::string_view id) {
  const auto* n = g.find(id);
  return n ? n->path : std::string();
}

/// A line a node, in the order of the paths: nothing that an interleaving may change.
texts lines(const ag::task_graph& g) {
  texts all;
  for (const auto& n : g.nodes())
    all.push_back(fmt::format("{} {} in '{}': {}", n.path, n.tool, path_of(g, n.parent), ag::to_string(n.state)));
  std::ranges::sort(all);
  return all;
}

/// The edges by paths; that of a join stands in brackets.
texts links(const ag::task_graph& g) {
  auto name = [&](std::size_t i) {
    const std::size_t nodes = g.nodes().size();
    return i < nodes ? g.nodes()[i].path : fmt::format("[{}]", g.joins().at(i - nodes).path);
  };
  texts all;
  for (const auto& e : g.edges()) all.push_back(fmt::format("{} > {}", name(e.from), name(e.to)));
  std::ranges::sort(all);
  return all;
}

texts paths(const ag::task_graph& g) {
  texts all;
  for (const auto& n : g.nodes()) all.push_back(n.path);
  return all;
}

texts states(const ag::task_graph& g) {
  texts all;
  for (const auto& n : g.nodes()) all.push_back(fmt::format("{}: {}", n.tool, ag::to_string(n.state)));
  return all;
}

}  // namespace

// --- a graph of nothing

TEST_CASE("a graph that was made without a run is empty") {
  const ag::task_graph g;
  CHECK(g.id().empty());
  CHECK(g.nodes().empty());
  CHECK(g.joins().empty());
  CHECK(g.edges().empty());
  CHECK(g.folded().total() == 0);
  CHECK(g.find("work#1") == nullptr);
  CHECK(g.find("") == nullptr);
  CHECK(g.select("tool:").empty());
  CHECK(g.topological_order().empty());
  CHECK_THROWS_WITH(g.upstream("work#1"), "there is no node 'work#1' in the graph of '', which has 0");
}

TEST_CASE("a run without calls has a graph without nodes") {
  auto body = []() -> ag::task<> { co_await ag::sleep_for(1ms); };
  const auto g = graph_of(body());
  CHECK(g.nodes().empty());
  CHECK(g.state() == ag::node_state::done);
}

TEST_CASE("the result of no run has a graph of nothing") {
  const ag::run_result<int> nothing;
  CHECK(nothing.graph().nodes().empty());
}

// --- nodes

TEST_CASE("a call in the body of a run is a node of its graph") {
  auto body = []() -> ag::task<> { co_await work(1); };
  const auto g = graph_of(body());
  REQUIRE(g.nodes().size() == 1);
  const auto& n = g.nodes()[0];
  CHECK(n.id == "work#1");
  CHECK(n.tool == "work");
  CHECK(n.label.empty());
  CHECK(n.path == "0");
  CHECK(n.parent.empty());
  CHECK(n.kind == ag::node_kind::call);
  CHECK(n.state == ag::node_state::done);
  CHECK(n.attempts == 1);
  CHECK_FALSE(n.failure);
}

TEST_CASE("calls of every kind of callable are nodes") {
  const ag::tool spawns{"spawns", [](int x) -> boost::asio::awaitable<int> { co_return x; }};
  const ag::tool<int(int)> erased{"erased", [](auto x) { return x; }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(work(1), naps(1), spawns(1), erased(1)); };
  CHECK(states(ag::try_run(body()).graph()) == texts{"work: done", "naps: done", "spawns: done", "erased: done"});
}

TEST_CASE("a call that is run by itself is a node of its run") {
  const auto g = graph_of(work(1));
  CHECK(lines(g) == texts{"0 work in '': done"});
}

TEST_CASE("a node has the label of its tool") {
  const ag::tool labelled{"labelled", [](int x) { return x; }, {.label = "cheap"}};
  auto body = [&]() -> ag::task<> { co_await labelled(1); };
  CHECK(graph_of(body()).nodes().at(0).label == "cheap");
}

TEST_CASE("a graph has the identity of its run") {
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<std::string> { co_return ctx.run_id(); }};
  const auto r = ag::try_run(agent());
  CHECK(r.graph().id() == r.value());
  CHECK_THAT(r.graph().id(), Catch::Matchers::StartsWith("agent#"));
}

TEST_CASE("nodes are listed in the order in which they were made") {
  auto body = []() -> ag::task<> { co_await ag::gather(naps(3), work(1), family(1)); };
  const auto g = graph_of(body());
  texts ids;
  for (const auto& n : g.nodes()) ids.push_back(n.id);
  CHECK(ids == texts{"naps#1", "work#2", "family#3", "work#4", "naps#5", "naps#6"});
}

TEST_CASE("a graph outlives the result that it came from") {
  ag::task_graph g;
  {
    auto body = []() -> ag::task<> { co_await work(1); };
    g = ag::try_run(body()).graph();
  }
  CHECK(g.nodes().size() == 1);
}

TEST_CASE("a copy of a graph shares what it shows") {
  auto body = []() -> ag::task<> { co_await work(1); };
  const auto g = graph_of(body());
  const auto copy = g;
  CHECK(&copy.nodes() == &g.nodes());
}

TEST_CASE("several threads may look at one graph for the first time") {
  auto body = []() -> ag::task<> { co_await ag::gather(std::views::iota(0, 1000) | std::views::transform(work)); };
  const auto g = graph_of(body());
  std::atomic<std::size_t> seen = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { seen += g.nodes().size() + g.edges().size(); });
  }
  CHECK(seen == 4000);
}

// --- paths and parents

TEST_CASE("calls that follow one another are numbered from 0 in their paths") {
  auto body = []() -> ag::task<> {
    for (int i = 0; i < 3; ++i) co_await work(i);
  };
  CHECK(paths(graph_of(body())) == texts{"0", "1", "2"});
}

TEST_CASE("children of a combinator stand behind a dot in its place") {
  auto body = []() -> ag::task<> {
    co_await work(0);
    co_await ag::gather(work(1), work(2));
  };
  CHECK(paths(graph_of(body())) == texts{"0", "1.0", "1.1"});
}

TEST_CASE("the calls of a tool's body stand behind a slash below it, and name it as their parent") {
  auto body = []() -> ag::task<> {
    co_await work(0);
    co_await ag::gather(work(1), work(2), family(3));
  };
  CHECK(lines(graph_of(body())) == texts{"0 work in '': done", "1.0 work in '': done", "1.1 work in '': done",
                                       "1.2 family in '': done", "1.2/0 work in '1.2': done",
                                       "1.2/1.0 naps in '1.2': done", "1.2/1.1 naps in '1.2': done"});
}

TEST_CASE("a parent is named by its id") {
  auto body = []() -> ag::task<> { co_await family(1); };
  CHECK(graph_of(body()).nodes().at(1).parent == "family#1");
}

TEST_CASE("the calls of a task count as those of the body that awaits it") {
  auto body = []() -> ag::task<> {
    co_await work(0);
    co_await two_naps(1);
    co_await work(1);
  };
  CHECK(paths(graph_of(body())) == texts{"0", "1", "2", "3"});
}

TEST_CASE("the calls of a task among the children of a combinator are numbered within the child") {
  auto body = []() -> ag::task<> { co_await ag::gather(work(1), two_naps(1)); };
  CHECK(lines(graph_of(body())) == texts{"0.0 work in '': done", "0.1.0 naps in '': done", "0.1.1 naps in '': done"});
}

TEST_CASE("a combinator in a combinator has a place of its own") {
  auto body = []() -> ag::task<> {
    auto pair = ag::gather(work(1), work(2));
    co_await ag::gather(work(0), std::move(pair));
  };
  CHECK(paths(graph_of(body())) == texts{"0.0", "0.1.0.0", "0.1.0.1"});
}

TEST_CASE("as_result, shielded and timeout leave no trace in a path") {
  auto body = []() -> ag::task<> {
    co_await ag::as_result(work(1));
    co_await ag::shielded(work(2));
    co_await ag::timeout(work(3), 1s);
    co_await ag::gather(ag::timeout(work(4), 1s), work(5));
  };
  CHECK(paths(graph_of(body())) == texts{"0", "1", "2", "3.0.0", "3.1"});
}

TEST_CASE("children of a group are numbered as they are spawned, after the body of the group") {
  auto body = []() -> ag::task<> {
    co_await ag::with_group([](ag::task_group& g) -> ag::task<> {
      g.spawn(naps(1));
      g.spawn(two_naps(2));
      co_await work(1);
    });
  };
  CHECK(lines(graph_of(body())) ==
        texts{"0.0.0 work in '': done", "0.1 naps in '': done", "0.2.0 naps in '': done", "0.2.1 naps in '': done"});
}

TEST_CASE("elements of as_completed are numbered in the order of the range") {
  auto body = []() -> ag::task<> {
    co_await ag::as_completed(
        std::views::iota(1, 4) | std::views::transform([](int x) { return naps(10 - x); }), [](int) {});
  };
  CHECK(lines(graph_of(body())) == texts{"0.0 naps in '': done", "0.1 naps in '': done", "0.2 naps in '': done"});
}

TEST_CASE("two calls of one parent never share a path") {
  auto body = []() -> ag::task<> {
    co_await ag::gather(family(1), family(1), two_naps(1));
    co_await ag::gather(family(1), family(1));
  };
  const texts all = paths(graph_of(body()));
  CHECK(std::set<std::string>(all.begin(), all.end()).size() == all.size());
}

TEST_CASE("paths, parents, states and edges are the same in every interleaving") {
  auto body = []() -> ag::task<> {
    co_await ag::gather(family(0), inner(0), two_naps(0), family(0));
    co_await ag::with_group([](ag::task_group& g) -> ag::task<> {
      for (int i = 0; i < 3; ++i) g.spawn(family(0));
      co_await naps(0);
    });
    co_await ag::as_completed(std::views::iota(0, 5) | std::views::transform([](int) { return naps(0); }), [](int) {});
    co_await ag::race(naps(1), naps(2), naps(3));
    co_await ag::as_result(ag::timeout(naps(5), 1ms));
    co_await ag::gather_results(fails(0), naps(0), two_naps(0));
    co_await work(1);
  };
  const ag::run_options options{.max_concurrency = 3};
  const auto first = ag::testing::simulation(0).try_run(body(), options).graph();
  std::set<texts> orders;
  for (std::uint64_t seed = 1; seed < 50; ++seed) {
    const auto g = ag::testing::simulation(seed).try_run(body(), options).graph();
    CHECK(lines(g) == lines(first));
    CHECK(links(g) == links(first));
    orders.insert(paths(g));
  }
  CHECK(orders.size() > 10);  // the interleavings did differ
}

// --- how nodes end

TEST_CASE("a node whose body threw has failed, and keeps what it threw") {
  auto body = []() -> ag::task<> { co_await fails(1); };
  const auto g = graph_of(body());
  CHECK(states(g) == texts{"fails: failed"});
  CHECK(why(g.nodes()[0]) == "failed after 1");
  CHECK(g.state() == ag::node_state::failed);
}

TEST_CASE("a node whose failure was caught has failed, in a run that is done") {
  auto body = []() -> ag::task<> { co_await ag::as_result(fails(1)); };
  const auto g = graph_of(body());
  CHECK(states(g) == texts{"fails: failed"});
  CHECK(g.state() == ag::node_state::done);
}

TEST_CASE("a node that lets the failure of a child through has failed by the same exception") {
  const ag::tool outer{"outer", [](int x) -> ag::task<int> { co_return co_await fails(x); }};
  auto body = [&]() -> ag::task<> { co_await outer(2); };
  const auto g = graph_of(body());
  CHECK(states(g) == texts{"outer: failed", "fails: failed"});
  CHECK(g.nodes()[0].failure == g.nodes()[1].failure);
}

TEST_CASE("a running sibling of a failure is cancelled, and says why") {
  auto body = []() -> ag::task<> { co_await ag::gather(fails(1), naps(50)); };
  const auto g = graph_of(body());
  CHECK(states(g) == texts{"fails: failed", "naps: cancelled"});
  CHECK(why(g.nodes()[1]) == "cancelled: something that was awaited with it failed");
  CHECK(g.nodes()[1].attempts == 1);
}

TEST_CASE("a sibling of a failure that still waits for a slot is skipped, and says why") {
  // The slot of what failed is granted before its failure is known.
  auto body = []() -> ag::task<> { co_await ag::gather(fails(1), naps(50), naps(60)); };
  const auto g = graph_of(body(), {.max_concurrency = 1});
  CHECK(g.nodes().at(2).state == ag::node_state::skipped);
  CHECK(why(g.nodes()[2]) == "cancelled: something that was awaited with it failed");
  CHECK(g.nodes()[2].attempts == 0);
}

TEST_CASE("a sibling that comes after a failure is skipped") {
  const ag::tool fails_now{"fails_now", [](int) -> int { throw std::runtime_error("now"); }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(fails_now(1), work(2), inner(3)); };
  const auto g = graph_of(body());
  CHECK(states(g) == texts{"fails_now: failed", "work: skipped", "inner: skipped"});
  CHECK(g.nodes()[1].attempts == 0);
}

TEST_CASE("a node that returns after it was asked to stop is done") {
  const ag::tool stubborn{"stubborn", [](int ms) -> ag::task<int> {
    co_await ag::shielded(ag::sleep_for(std::chrono::milliseconds{ms}));
    co_return ms;
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(fails(1), stubborn(50)); };
  const auto g = graph_of(body());
  CHECK(states(g) == texts{"fails: failed", "stubborn: done"});
  CHECK_FALSE(g.nodes()[1].failure);
}

TEST_CASE("a node that throws something else after it was asked to stop has failed") {
  const ag::tool clumsy{"clumsy", [](int) -> ag::task<int> {
    const auto slept = co_await ag::as_result(ag::sleep_for(1h));
    if (!slept.has_value()) throw std::runtime_error("stumbled");
    co_return 0;
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(fails(1), clumsy(1)); };
  const auto g = graph_of(body());
  CHECK(states(g) == texts{"fails: failed", "clumsy: failed"});
  CHECK(why(g.nodes()[1]) == "stumbled");
}

TEST_CASE("a node that throws cancelled unasked has failed") {
  const ag::tool gives_up{"gives_up", [](int) -> int { throw ag::cancelled("gave up"); }};
  auto body = [&]() -> ag::task<> { co_await ag::as_result(gives_up(1)); };
  CHECK(states(graph_of(body())) == texts{"gives_up: failed"});
}

TEST_CASE("the losers of a race are cancelled, and say so") {
  auto body = []() -> ag::task<> { co_await ag::race(naps(1), naps(2), inner(3)); };
  const auto g = graph_of(body());
  CHECK(states(g) == texts{"naps: done", "naps: cancelled", "inner: cancelled", "naps: cancelled"});
  CHECK(why(g.nodes()[1]) == "cancelled: it lost a race");
}

TEST_CASE("a call whose timeout passed is cancelled, and says so") {
  auto body = []() -> ag::task<> { co_await ag::as_result(ag::timeout(naps(5), 1ms)); };
  const auto g = graph_of(body());
  CHECK(states(g) == texts{"naps: cancelled"});
  CHECK(why(g.nodes()[0]) == "cancelled: it took longer than its timeout");
}

TEST_CASE("a call whose timeout passed while it waited for a slot is skipped") {
  auto body = []() -> ag::task<> {
    auto hasty = ag::as_result(ag::timeout(naps(1), 1ms));
    co_await ag::gather(naps(5), std::move(hasty));
  };
  CHECK(states(graph_of(body(), {.max_concurrency = 1})) == texts{"naps: done", "naps: skipped"});
}

TEST_CASE("what the deadline of a run ends is cancelled, and the run has failed") {
  auto body = []() -> ag::task<> { co_await naps(50); };
  const auto g = graph_of(body(), {.deadline = 1ms});
  CHECK(states(g) == texts{"naps: cancelled"});
  CHECK(why(g.nodes()[0]) == "cancelled: the deadline of the run has passed");
  CHECK(g.state() == ag::node_state::failed);
}

TEST_CASE("a failure of a group cancels what was spawned, and skips what is spawned later") {
  auto body = []() -> ag::task<> {
    co_await ag::with_group([](ag::task_group& g) -> ag::task<> {
      g.spawn(fails(1));
      g.spawn(naps(50));
      co_await ag::shielded(ag::sleep_for(5ms));
      g.spawn(work(1));
    });
  };
  CHECK(lines(graph_of(body())) ==
        texts{"0.1 fails in '': failed", "0.2 naps in '': cancelled", "0.3 work in '': skipped"});
}

TEST_CASE("a call of a tool with bad options has failed without an attempt") {
  const ag::tool bad{"", [](int x) { return x; }};
  auto body = [&]() -> ag::task<> { co_await bad(1); };
  const auto g = graph_of(body());
  CHECK(g.nodes().at(0).state == ag::node_state::failed);
  CHECK(g.nodes().at(0).attempts == 0);
  CHECK(why(g.nodes()[0]) == "a tool has an empty name; give it a name such as \"fetch\"");
}

TEST_CASE("a call that is awaited again is another node, which has failed") {
  auto body = []() -> ag::task<> {
    auto once = work(1);
    co_await std::move(once);
    co_await ag::as_result(std::move(once));
  };
  CHECK(states(graph_of(body())) == texts{"work: done", "work: failed"});
}

TEST_CASE("of a run that was cancelled the graph says so") {
  ag::runtime rt;
  auto body = []() -> ag::task<> { co_await naps(3'600'000); };
  const auto handle = ag::start(rt, body());
  handle.cancel();
  handle.wait();
  CHECK(handle.graph().state() == ag::node_state::cancelled);
}

// --- nested runs

TEST_CASE("a nested run is a node, and its calls stand below it") {
  auto body = []() -> ag::task<> { co_await inner(1); };
  const auto g = graph_of(body());
  CHECK(lines(g) == texts{"0 inner in '': done", "0/0 naps in '0': done", "0/1 work in '0': done"});
  CHECK(g.nodes()[0].kind == ag::node_kind::run);
  CHECK(g.nodes()[0].attempts == 1);
  CHECK(g.nodes()[1].kind == ag::node_kind::call);
}

TEST_CASE("a nested run that threw has failed, as the call in it") {
  const ag::graph_fn breaks{"breaks", []() -> ag::task<int> { co_return co_await fails(1); }};
  auto body = [&]() -> ag::task<> { co_await ag::as_result(breaks()); };
  CHECK(states(graph_of(body())) == texts{"breaks: failed", "fails: failed"});
}

TEST_CASE("a nested run that its own deadline ended has failed by timed_out, and its calls are cancelled") {
  auto body = []() -> ag::task<> {
    auto hasty = ag::run_async(inner(50), {.deadline = 1ms});
    co_await ag::as_result(std::move(hasty));
  };
  const auto g = graph_of(body());
  CHECK(states(g) == texts{"inner: failed", "naps: cancelled"});
  CHECK(why(g.nodes()[0]) == "run of 'inner' timed out: its deadline of 1ms has passed");
}

TEST_CASE("a nested run with bad options has failed without an attempt") {
  auto body = []() -> ag::task<> {
    auto bad = ag::run_async(inner(1), {.max_concurrency = 0});
    co_await ag::as_result(std::move(bad));
  };
  const auto g = graph_of(body());
  CHECK(states(g) == texts{"inner: failed"});
  CHECK(g.nodes()[0].attempts == 0);
}

TEST_CASE("the nodes of a nested run can be left out, but not the run itself") {
  auto body = []() -> ag::task<> {
    auto quiet = ag::run_async(inner(1), {.record = ag::record::off});
    co_await std::move(quiet);
    co_await work(1);
  };
  CHECK(lines(graph_of(body())) == texts{"0 inner in '': done", "1 work in '': done"});
}

TEST_CASE("a nested run in a run that records nothing is not recorded") {
  auto body = []() -> ag::task<> {
    auto nested = ag::run_async(inner(1), {.record = ag::record::times});
    co_await std::move(nested);
  };
  CHECK(graph_of(body(), {.record = false}).nodes().empty());
}

// --- how much is recorded

TEST_CASE("a run that records nothing has no nodes, but an identity and a state") {
  auto body = []() -> ag::task<> { co_await ag::gather(family(1), fails(1)); };
  const auto g = graph_of(body(), {.record = ag::record::off});
  CHECK(g.nodes().empty());
  CHECK(g.joins().empty());
  CHECK(g.edges().empty());
  CHECK_THAT(g.id(), Catch::Matchers::StartsWith("task#"));
  CHECK(g.state() == ag::node_state::failed);
}

TEST_CASE("record can be switched off and on by a bool") {
  auto body = []() -> ag::task<> { co_await work(1); };
  CHECK(graph_of(body(), {.record = false}).nodes().empty());
  CHECK(graph_of(body(), {.record = true}).nodes().size() == 1);
  CHECK(graph_of(body(), {.record = ag::record::nodes}).nodes().size() == 1);
  CHECK(graph_of(body(), {.record = ag::record::times}).nodes().size() == 1);
}

TEST_CASE("calls have the same numbers whether or not they are recorded") {
  const ag::tool whoami{"whoami", [](ag::context& ctx) { return ctx.id(); }};
  auto body = [&]() -> ag::task<std::string> {
    co_await work(1);
    co_return co_await whoami();
  };
  CHECK(ag::run(body(), {.record = false}) == "whoami#2");
  CHECK(ag::run(body(), {.record = true}) == "whoami#2");
}

TEST_CASE("without times a node has neither start nor end") {
  auto body = []() -> ag::task<> { co_await naps(1); };
  const auto g = graph_of(body());
  CHECK_FALSE(g.nodes().at(0).start.has_value());
  CHECK_FALSE(g.nodes().at(0).end.has_value());
}

TEST_CASE("with times a node has start and end from the start of its run") {
  ag::testing::simulation sim{1};
  auto nap = []() -> ag::task<> { co_await ag::sleep_for(1h); };
  sim.run(nap());
  auto body = []() -> ag::task<> {
    co_await ag::sleep_for(2ms);
    co_await naps(3);
  };
  const auto g = sim.try_run(body(), {.record = ag::record::times}).graph();
  CHECK(g.nodes().at(0).start == ag::duration(2ms));
  CHECK(g.nodes().at(0).end == ag::duration(5ms));
}

TEST_CASE("a node that starts when the clock begins has a start") {
  auto body = []() -> ag::task<> { co_await naps(3); };
  const auto g = graph_of(body(), {.record = ag::record::times});
  CHECK(g.nodes().at(0).start == ag::duration(0ms));
  CHECK(g.nodes().at(0).end == ag::duration(3ms));
}

TEST_CASE("the start of a node is when it got its slot") {
  auto body = []() -> ag::task<> { co_await ag::gather(naps(3), naps(4)); };
  const auto g = graph_of(body(), {.max_concurrency = 1, .record = ag::record::times});
  CHECK(g.nodes().at(1).start == ag::duration(3ms));
}

TEST_CASE("a skipped node has an end and no start") {
  auto body = []() -> ag::task<> { co_await ag::gather(fails(2), naps(4), naps(4)); };
  const auto g = graph_of(body(), {.max_concurrency = 1, .record = ag::record::times});
  CHECK_FALSE(g.nodes().at(2).start.has_value());
  CHECK(g.nodes().at(2).end == ag::duration(2ms));
}

TEST_CASE("the nodes of a nested run have the times of the outer run") {
  auto body = []() -> ag::task<> {
    co_await ag::sleep_for(10ms);
    co_await inner(1);
  };
  const auto g = graph_of(body(), {.record = ag::record::times});
  CHECK(g.nodes().at(1).start == ag::duration(10ms));
  CHECK(g.nodes().at(0).end == ag::duration(11ms));
}

// --- what happened after what

TEST_CASE("a call happened after the call that was awaited before it") {
  auto body = []() -> ag::task<> {
    for (int i = 0; i < 3; ++i) co_await work(i);
  };
  const auto g = graph_of(body());
  CHECK(links(g) == texts{"0 > 1", "1 > 2"});
  CHECK(g.joins().empty());
}

TEST_CASE("gathered calls happened after what came before the gather, not after one another") {
  auto body = []() -> ag::task<> {
    co_await work(0);
    co_await ag::gather(work(1), work(2));
  };
  CHECK(links(graph_of(body())) == texts{"0 > 1.0", "0 > 1.1"});
}

TEST_CASE("what follows a gather happened after its join") {
  auto body = []() -> ag::task<> {
    co_await ag::gather(work(1), work(2));
    co_await work(3);
  };
  const auto g = graph_of(body());
  CHECK(links(g) == texts{"0.0 > [0]", "0.1 > [0]", "[0] > 1"});
  REQUIRE(g.joins().size() == 1);
  CHECK(g.joins()[0].path == "0");
  CHECK(g.joins()[0].parent.empty());
}

TEST_CASE("a join names the node whose body made it") {
  const ag::tool joins{"joins", [](int x) -> ag::task<> {
    co_await ag::gather(work(x), work(x));
    co_await work(x);
  }};
  auto body = [&]() -> ag::task<> { co_await joins(1); };
  const auto g = graph_of(body());
  REQUIRE(g.joins().size() == 1);
  CHECK(g.joins()[0].path == "0/0");
  CHECK(g.joins()[0].parent == "joins#1");
}

TEST_CASE("a gather of n after a gather of n makes a number of edges that is linear in n") {
  auto body = []() -> ag::task<> {
    co_await ag::gather(std::views::iota(0, 2000) | std::views::transform(work));
    co_await ag::gather(std::views::iota(0, 2000) | std::views::transform(work));
  };
  const auto g = graph_of(body());
  CHECK(g.nodes().size() == 4000);
  CHECK(g.joins().size() == 1);
  CHECK(g.edges().size() == 4000);
  CHECK(g.dependents(g.nodes()[0].id).size() == 2000);
  CHECK(g.upstream(g.nodes()[3999].id).size() == 2000);
}

TEST_CASE("of a task that is gathered the last call leads into the join") {
  auto body = []() -> ag::task<> {
    co_await ag::gather(two_naps(1), work(2));
    co_await work(3);
  };
  CHECK(links(graph_of(body())) == texts{"0.0.0 > 0.0.1", "0.0.1 > [0]", "0.1 > [0]", "[0] > 1"});
}

TEST_CASE("the join of a gather in a gather leads into the outer join") {
  auto body = []() -> ag::task<> {
    auto pair = ag::gather(work(1), work(2));
    co_await ag::gather(work(0), std::move(pair));
    co_await work(3);
  };
  CHECK(links(graph_of(body())) ==
        texts{"0.0 > [0]", "0.1.0.0 > [0.1.0]", "0.1.0.1 > [0.1.0]", "[0.1.0] > [0]", "[0] > 1"});
}

TEST_CASE("a gather of nothing does not hide what came before it") {
  auto body = []() -> ag::task<> {
    std::vector<decltype(work(1))> none;
    co_await work(1);
    co_await ag::gather(std::move(none));
    co_await work(2);
  };
  const auto g = graph_of(body());
  CHECK(g.upstream("work#2") == texts{"work#1"});
}

TEST_CASE("a gather without calls does not hide what came before it") {
  auto body = []() -> ag::task<> {
    co_await work(1);
    co_await ag::gather(ag::sleep_for(1ms), ag::sleep_for(2ms));
    co_await work(2);
  };
  CHECK(graph_of(body()).upstream("work#2") == texts{"work#1"});
}

TEST_CASE("the first call of a tool's body does not depend on the call of the tool") {
  auto body = []() -> ag::task<> {
    co_await work(1);
    co_await family(1);
  };
  const auto g = graph_of(body());
  CHECK(links(g) == texts{"0 > 1", "1/0 > 1/1.0", "1/0 > 1/1.1"});
}

TEST_CASE("what follows a race happened after the winner and the losers") {
  auto body = []() -> ag::task<> {
    co_await ag::race(naps(1), naps(2));
    co_await work(3);
  };
  CHECK(graph_of(body()).upstream("work#3") == texts{"naps#1", "naps#2"});
}

TEST_CASE("what follows a group happened after its body and all that was spawned") {
  auto body = []() -> ag::task<> {
    co_await work(0);
    co_await ag::with_group([](ag::task_group& g) -> ag::task<> {
      g.spawn(naps(1));
      co_await naps(2);
    });
    co_await work(3);
  };
  const auto g = graph_of(body());
  CHECK(g.upstream("work#4") == texts{"work#1", "naps#2", "naps#3"});
  CHECK(g.dependents("work#1") == texts{"naps#2", "naps#3", "work#4"});
}

TEST_CASE("what follows as_completed happened after its elements") {
  auto body = []() -> ag::task<> {
    co_await ag::as_completed(std::views::iota(1, 3) | std::views::transform(naps), [](int) {});
    co_await work(3);
  };
  CHECK(graph_of(body()).upstream("work#3") == texts{"naps#1", "naps#2"});
}

TEST_CASE("what follows as_completed happened after the calls that its function made") {
  auto body = []() -> ag::task<> {
    co_await ag::as_completed(
        std::views::iota(1, 3) | std::views::transform(naps), [](int x) -> ag::task<> { co_await work(x); });
    co_await work(3);
  };
  CHECK(graph_of(body()).upstream("work#5") == texts{"naps#1", "naps#2", "work#3", "work#4"});
}

TEST_CASE("what follows as_completed happened after what its function gathered") {
  auto body = []() -> ag::task<> {
    co_await work(0);
    co_await ag::as_completed(std::views::iota(1, 2) | std::views::transform(naps),
        [](int x) -> ag::task<> { co_await ag::gather(work(x), work(x)); });
    co_await work(3);
  };
  CHECK(graph_of(body()).upstream("work#5") == texts{"work#1", "naps#2", "work#3", "work#4"});
}

TEST_CASE("what follows a failure that was caught happened after it") {
  auto body = []() -> ag::task<> {
    co_await ag::as_result(fails(1));
    co_await work(3);
  };
  CHECK(graph_of(body()).upstream("work#2") == texts{"fails#1"});
}

TEST_CASE("what follows a nested run happened after it") {
  auto body = []() -> ag::task<> {
    co_await inner(1);
    co_await work(3);
  };
  CHECK(links(graph_of(body())) == texts{"0 > 1", "0/0 > 0/1"});
}

// --- finding nodes

TEST_CASE("a node is found by its id and by its path") {
  auto body = []() -> ag::task<> { co_await ag::gather(work(1), family(2)); };
  const auto g = graph_of(body());
  REQUIRE(g.find("work#3"));
  CHECK(g.find("work#3")->path == "0.1/0");
  CHECK(g.find("0.1/0") == g.find("work#3"));
  CHECK(g.find("work#2") == nullptr);
  CHECK(g.find("0.1/7") == nullptr);
  CHECK(g.find("") == nullptr);
}

TEST_CASE("nodes are selected by the beginning of their tool's name") {
  const ag::tool worker{"worker", [](int x) { return x; }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(work(1), naps(1), worker(1), work(2)); };
  const auto g = graph_of(body());
  CHECK(g.select("tool:work") == texts{"work#1", "worker#3", "work#4"});
  CHECK(g.select("tool:worker") == texts{"worker#3"});
  CHECK(g.select("tool:") == texts{"work#1", "naps#2", "worker#3", "work#4"});
  CHECK(g.select("tool:none").empty());
}

TEST_CASE("nodes are selected by their whole label") {
  const ag::tool cheap{"cheap", [](int x) { return x; }, {.label = "low"}};
  const ag::tool cheaper{"cheaper", [](int x) { return x; }, {.label = "lower"}};
  auto body = [&]() -> ag::task<> { co_await ag::gather(cheap(1), work(1), cheaper(1), cheap(2)); };
  const auto g = graph_of(body());
  CHECK(g.select("#low") == texts{"cheap#1", "cheap#4"});
  CHECK(g.select("#lower") == texts{"cheaper#3"});
  CHECK(g.select("#lo").empty());
  CHECK(g.select("#").empty());
}

TEST_CASE("a node is selected by its id or path") {
  auto body = []() -> ag::task<> { co_await ag::gather(work(1), naps(1)); };
  const auto g = graph_of(body());
  CHECK(g.select("naps#2") == texts{"naps#2"});
  CHECK(g.select("0.1") == texts{"naps#2"});
  CHECK(g.select("naps").empty());
}

TEST_CASE("in the topological order each node stands behind what it happened after") {
  auto body = []() -> ag::task<> {
    co_await ag::gather(family(3), inner(1), two_naps(2));
    co_await family(1);
  };
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto g = ag::testing::simulation(seed).try_run(body()).graph();
    const texts order = g.topological_order();
    REQUIRE(order.size() == g.nodes().size());
    for (const std::string& id : order) {
      const auto here = std::ranges::find(order, id);
      for (const std::string& before : g.upstream(id)) CHECK(std::ranges::find(order, before) < here);
    }
  }
}

TEST_CASE("dependents and upstream follow edges through joins, and leave out the node itself") {
  auto body = []() -> ag::task<> {
    co_await work(1);
    co_await ag::gather(naps(1), naps(2));
    co_await work(2);
  };
  const auto g = graph_of(body());
  CHECK(g.dependents("work#1") == texts{"naps#2", "naps#3", "work#4"});
  CHECK(g.dependents("naps#2") == texts{"work#4"});
  CHECK(g.dependents("work#4").empty());
  CHECK(g.upstream("work#4") == texts{"work#1", "naps#2", "naps#3"});
  CHECK(g.upstream("naps#3") == texts{"work#1"});
}

TEST_CASE("dependents of an unknown id is an error that names it and the graph") {
  auto body = []() -> ag::task<> { co_await work(1); };
  const auto g = graph_of(body());
  CHECK_THROWS_AS(g.dependents("work#9"), ag::error);
  CHECK_THROWS_WITH(
      g.dependents("work#9"), fmt::format("there is no node 'work#9' in the graph of '{}', which has 1", g.id()));
  CHECK_THROWS_WITH(
      g.upstream("work"), fmt::format("there is no node 'work' in the graph of '{}', which has 1", g.id()));
}

// --- for people

TEST_CASE("pretty shows a line a node, indented below the node that made it") {
  const ag::graph_fn agent{"agent", []() -> ag::task<> {
    co_await work(0);
    co_await ag::gather(family(1), inner(2));
    co_await ag::as_result(fails(1));
  }};
  const auto g = graph_of(agent());
  CHECK_THAT(g.pretty(), Equals(g.id() + ": done\n"
                                         "  work#1 (0): done\n"
                                         "  family#2 (1.0): done\n"
                                         "    work#3 (1.0/0): done\n"
                                         "    naps#4 (1.0/1.0): done\n"
                                         "    naps#5 (1.0/1.1): done\n"
                                         "  inner#6 (1.1): done\n"
                                         "    naps#7 (1.1/0): done\n"
                                         "    work#8 (1.1/1): done\n"
                                         "  fails#9 (2): failed: failed after 1\n"));
}

TEST_CASE("pretty shows how long a node took, where times are recorded") {
  auto body = []() -> ag::task<> { co_await naps(5); };
  const auto g = graph_of(body(), {.record = ag::record::times});
  CHECK_THAT(g.pretty(), Equals(g.id() + ": done\n  naps#1 (0): done in 5ms\n"));
}

TEST_CASE("pretty shows why nodes were skipped or cancelled") {
  const ag::tool fails_now{"fails_now", [](int) -> int { throw std::runtime_error("now"); }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(naps(2), fails_now(1), naps(3)); };
  const auto g = graph_of(body());
  CHECK_THAT(
      g.pretty(), Equals(g.id() + ": failed\n"
                                  "  naps#1 (0.0): cancelled: cancelled: something that was awaited with it failed\n"
                                  "  fails_now#2 (0.1): failed: now\n"
                                  "  naps#3 (0.2): skipped: cancelled: something that was awaited with it failed\n"));
}

TEST_CASE("the enumerators of node_state have names") {
  texts names;
  for (int i = 0; i < 7; ++i) names.emplace_back(ag::to_string(static_cast<ag::node_state>(i)));
  CHECK(names == texts{"waiting", "running", "stopping", "done", "failed", "cancelled", "skipped"});
}

TEST_CASE("the last four states are ends") {
  CHECK_FALSE(ag::has_ended(ag::node_state::waiting));
  CHECK_FALSE(ag::has_ended(ag::node_state::running));
  CHECK_FALSE(ag::has_ended(ag::node_state::stopping));
  CHECK(ag::has_ended(ag::node_state::done));
  CHECK(ag::has_ended(ag::node_state::failed));
  CHECK(ag::has_ended(ag::node_state::cancelled));
  CHECK(ag::has_ended(ag::node_state::skipped));
}

// --- of a run that goes on

TEST_CASE("the graph of a run that goes on shows what is done, running and waiting") {
  ag::runtime rt;
  std::atomic<bool> is_there = false;
  const ag::tool arrives{"arrives", [&](int) -> ag::task<> {
    is_there = true;
    co_await ag::sleep_for(24h);
  }};
  auto body = [&]() -> ag::task<> {
    co_await work(1);
    co_await ag::gather(arrives(1), naps(1));
    co_await work(2);
  };
  const auto handle = ag::start(rt, body(), {.max_concurrency = 1});
  while (!is_there) std::this_thread::sleep_for(1ms);
  const auto g = handle.graph();
  CHECK(g.state() == ag::node_state::running);
  CHECK(states(g) == texts{"work: done", "arrives: running", "naps: waiting"});
  CHECK(g.joins().size() == 1);
  CHECK_FALSE(g.nodes()[1].failure);
  handle.cancel();
  handle.wait();
  CHECK(states(g) == texts{"work: done", "arrives: running", "naps: waiting"});  // it was a snapshot
  CHECK(states(handle.graph()) == texts{"work: done", "arrives: cancelled", "naps: skipped"});
}

TEST_CASE("the graph of a run that was asked to stop shows what has not ended as stopping") {
  ag::runtime rt;
  std::atomic<bool> is_there = false;
  std::atomic<bool> may_end = false;
  const ag::tool stubborn{"stubborn", [&](int) -> ag::task<> {
    is_there = true;
    while (!may_end) co_await ag::shielded(ag::sleep_for(1ms));
  }};
  auto body = [&]() -> ag::task<> { co_await stubborn(1); };
  const auto handle = ag::start(rt, body());
  while (!is_there) std::this_thread::sleep_for(1ms);
  handle.cancel();
  ag::task_graph g = handle.graph();
  for (; g.state() != ag::node_state::stopping; g = handle.graph()) std::this_thread::sleep_for(1ms);
  CHECK(states(g) == texts{"stubborn: stopping"});
  may_end = true;
  handle.wait();
  CHECK(states(handle.graph()) == texts{"stubborn: done"});
}
