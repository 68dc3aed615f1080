// Graphs as they run: the doors, the cap, failures and states. What can be said of a graph stands in graphify.cpp.
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <variant>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

using ag::node_state;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::tool plus{"plus", [](int a, int b) { return a + b; }};
const ag::tool total{"total", [](std::vector<int> xs) { return std::accumulate(xs.begin(), xs.end(), 0); }};
/// Ends after so many milliseconds, and gives them.
const ag::tool waits{"waits", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  co_return ms;
}};
const ag::tool waits_long{"waits_long", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(24h);
  co_return x;
}};
/// Fails after so many milliseconds.
const ag::tool fails{"fails", [](int ms) -> ag::task<int> {
  if (ms > 0) co_await ag::sleep_for(std::chrono::milliseconds{ms});
  throw std::runtime_error("after " + std::to_string(ms));
}};
const ag::tool fails_at_once{
    "fails_at_once", [](int x) -> int { throw std::runtime_error("at once " + std::to_string(x)); }};

const ag::graphify diamond{"diamond", [](ag::node<int> x) {
  auto a = work(x);
  auto b = work(a);
  return plus(b, plus(a, 1));
}};

template <class Body>
auto built(Body body) {
  return ag::graphify{"g", std::move(body)}.build();
}

std::string message(const std::exception_ptr& e) {
  if (!e) return "no failure";
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  }
}

std::vector<std::string> failed_nodes(const std::exception_ptr& e) {
  std::vector<std::string> all;
  if (!e) return all;
  try {
    std::rethrow_exception(e);
  } catch (const ag::graph_error& g) {
    for (const auto& f : g.failures()) all.push_back(f.node);
  }
  return all;
}

/// "id state; …" of all nodes.
std::string states(const ag::task_graph& g) {
  std::string text;
  for (const auto& n : g.nodes())
    text += fmt::format("{}{} {}", text.empty() ? "" : "; ", n.id, ag::to_string(n.state));
  return text;
}

constexpr ag::on_error policies[] = {ag::on_error::stop, ag::on_error::skip_dependents};

}  // namespace

// --- run again

TEST_CASE("a built graph runs as often as wanted") {
  const auto graph = diamond.build();
  for (int i = 0; i < 100; ++i) REQUIRE(ag::run(graph(i)) == 4 * i + 2 * i + 1);
}

TEST_CASE("a copy of a graph is the same graph, and outlives the original and the graphify") {
  std::optional<ag::graph<int(int)>> copy;
  {
    const ag::graphify local{"local", [own = std::make_shared<int>(1)](ag::node<int> x) { return plus(x, *own); }};
    const auto graph = local.build();
    copy = graph;
    CHECK(&copy->spec() == &graph.spec());
  }
  CHECK(ag::run((*copy)(2)) == 3);
}

TEST_CASE("an invocation of a graph outlives the graph") {
  auto make = [] { return built([](ag::node<int> x) { return work(x); })(3); };
  CHECK(ag::run(make()) == 6);
}

TEST_CASE("a graph runs concurrently with itself, on several threads") {
  const auto graph = built([](ag::node<std::vector<int>> v, ag::node<std::string> s) {
    const ag::tool length{"length", [](const std::string& text) { return static_cast<int>(text.size()); }};
    return plus(total(ag::map(work, v)), plus(length(s), length(s)));
  });
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i)
        if (ag::run(graph({t, i}, std::string(static_cast<std::size_t>(t), 'x'))) != 2 * (t + i) + 2 * t) ++wrong;
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("an invocation of a graph runs once") {
  const auto graph = diamond.build();
  auto body = [&]() -> ag::task<> {
    auto i = graph(1);
    co_await std::move(i);
    co_await std::move(i);
  };
  CHECK_THROWS_AS(ag::run(body()), ag::error);
  auto i = graph(1);
  auto j = std::move(i);
  CHECK(ag::run(std::move(j)) == 7);
  CHECK_THROWS_AS(ag::run(std::move(i)), ag::error);  // NOLINT(bugprone-use-after-move): that is what is tested
}

// --- doors

TEST_CASE("try_run gives the value, the states and the peak of a graph") {
  auto r = ag::try_run(diamond(1));
  CHECK(r.value() == 7);
  CHECK(states(r.graph()) == "work#1 done; work#2 done; plus#3 done; plus#4 done");
  CHECK(r.graph().state() == node_state::done);
  CHECK(r.peak_concurrency() == 1);
  for (const auto& n : r.graph().nodes()) CHECK(n.attempts == 1);
}

TEST_CASE("times of nodes are recorded on request") {
  const auto graph = built([] { return total(std::vector<ag::node<int>>{waits(2), waits(3)}); });
  ag::testing::simulation sim(1);
  auto body = []() -> ag::task<> { co_await ag::sleep_for(1ms); };
  sim.run(body());
  auto r = sim.try_run(graph(), {.record = ag::record::times});
  const auto g = r.graph();
  CHECK(g.nodes().at(0).start == 0ms);
  CHECK(g.nodes().at(0).end == 2ms);
  CHECK(g.nodes().at(1).start == 0ms);
  CHECK(g.nodes().at(2).start == 3ms);
}

TEST_CASE("a graph is run without any record") {
  auto r = ag::try_run(diamond(1), {.record = false});
  CHECK(r.value() == 7);
  CHECK(r.graph().nodes().empty());
}

TEST_CASE("an agent awaits a graph: a nested run with a cap of its own") {
  const auto graph =
      built([](ag::node<int> x) { return total(std::vector<ag::node<int>>{waits(x), waits(x), waits(x)}); });
  const ag::graph_fn agent{"agent", [&](int x) -> ag::task<int> {
    const int a = co_await graph(x);
    const int b = co_await ag::run_async(graph(x), {.max_concurrency = 1});
    co_return a + b;
  }};
  ag::testing::simulation sim(1);
  CHECK(sim.run(agent(2), {.max_concurrency = 1}) == 12);
  CHECK(sim.elapsed() == 2ms + 6ms);
}

TEST_CASE("nodes of a graph that nests in an agent stand below its run") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> {
    static_cast<void>(co_await work(x));
    co_return co_await diamond(x);
  }};
  auto r = ag::try_run(agent(1));
  CHECK(r.value() == 7);
  const auto g = r.graph();
  REQUIRE(g.nodes().size() == 6);
  std::size_t below = 0;
  for (const auto& n : g.nodes()) below += n.parent == "diamond#2";
  CHECK(below == 4);
  CHECK(g.find("diamond#2/plus#4") != nullptr);
}

TEST_CASE("a graph runs on an executor, with any completion token") {
  boost::asio::thread_pool pool(2);
  auto future = ag::run_async(pool, diamond(1), {}, boost::asio::use_future);
  CHECK(future.get() == 7);
  auto failed = ag::run_async(pool.get_executor(), built([] { return fails(0); })(), {}, boost::asio::use_future);
  CHECK_THROWS_AS(failed.get(), ag::graph_error);
  boost::asio::io_context io;
  int got = 0;
  ag::run_async(io, diamond(2), {.max_concurrency = 1}, [&](const std::exception_ptr& e, int v) { got = e ? -1 : v; });
  CHECK(got == 0);
  io.run();
  CHECK(got == 13);
  pool.join();
}

TEST_CASE("a graph is started on a runtime") {
  ag::runtime rt;
  auto handle = ag::start(rt, diamond(1));
  CHECK(handle.get() == 7);
  CHECK(states(handle.graph()) == "work#1 done; work#2 done; plus#3 done; plus#4 done");
  CHECK(ag::run(rt, diamond(2)) == 13);
}

TEST_CASE("a started graph is cancelled through its handle, and seen live before") {
  ag::runtime rt;
  auto handle = ag::start(rt, built([] { return plus(waits_long(1), 1); })());
  while (handle.graph().nodes().empty() || handle.graph().nodes()[0].state == node_state::waiting)
    std::this_thread::sleep_for(1ms);
  CHECK(states(handle.graph()) == "waits_long#1 running; plus#2 waiting");
  handle.cancel();
  CHECK_THROWS_AS(handle.get(), ag::cancelled);
  CHECK(states(handle.graph()) == "waits_long#1 cancelled; plus#2 skipped");
}

TEST_CASE("a graph runs under the cap of a runtime") {
  ag::runtime rt(ag::runtime_options{.max_concurrency = 1});
  std::atomic<int> in_flight = 0;
  std::atomic<int> most = 0;
  const ag::tool busy{"busy", [&](int x) -> ag::task<int> {
    most = std::max(most.load(), ++in_flight);
    co_await ag::sleep_for(1ms);
    --in_flight;
    co_return x;
  }};
  const auto graph =
      built([&](ag::node<int> x) { return total(std::vector<ag::node<int>>{busy(x), busy(x), plus(x, 1)}); });
  auto a = ag::start(rt, graph(1));
  auto b = ag::start(rt, graph(2));
  CHECK(a.get() == 4);
  CHECK(b.get() == 7);
  CHECK(most == 1);
}

TEST_CASE("graphs stand in race, gather, timeout and as_result") {
  const auto slow = built([](ag::node<int> x) { return waits_long(x); });
  auto body = [&]() -> ag::task<int> {
    auto first = co_await ag::race(slow(1), diamond(1));
    CHECK(first.index() == 1);
    auto both = co_await ag::gather(diamond(1), diamond(2));
    CHECK(both == std::tuple{7, 13});
    auto late = co_await ag::as_result(ag::timeout(slow(1), 5ms));
    CHECK_THROWS_AS(late.value(), ag::timed_out);
    std::vector<decltype(diamond(1))> many;
    for (int i = 0; i < 3; ++i) many.push_back(diamond(i));
    auto all = co_await ag::gather(std::move(many));
    co_return all.at(2);
  };
  CHECK(ag::testing::simulation(1).run(body()) == 13);
}

TEST_CASE("graphs are children of a task_group") {
  int sum = 0;
  auto child = [&](int x) -> ag::task<> { sum += co_await diamond(x); };
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      g.spawn(child(1));
      g.spawn(child(2));
      co_return;
    });
  };
  ag::run(body());
  CHECK(sum == 20);
}

// --- the cap

TEST_CASE("the cap of a graph is that of the run, else of the graphify, else four") {
  const ag::graphify wide{"wide", [](int n) {
    std::vector<ag::node<int>> all;
    for (int i = 0; i < n; ++i) all.push_back(waits(1));
    return total(all);
  }};
  const ag::graphify capped{"capped", [](int n) {
    std::vector<ag::node<int>> all;
    for (int i = 0; i < n; ++i) all.push_back(waits(1));
    return total(all);
  }, {.max_concurrency = 7}};
  CHECK(ag::testing::simulation(1).try_run(wide(20)).peak_concurrency() == 4);
  CHECK(ag::testing::simulation(1).try_run(capped(20)).peak_concurrency() == 7);
  CHECK(ag::testing::simulation(1).try_run(capped(20), {.max_concurrency = 3}).peak_concurrency() == 3);
  CHECK(ag::testing::simulation(1).try_run(capped.build(20)(), {.max_concurrency = 30}).peak_concurrency() == 20);
}

TEST_CASE("a cap below one is refused by the run, not by the graphify") {
  const ag::graphify g{"g", [] { return work(1); }, {.max_concurrency = 0}};
  const auto graph = g.build();
  CHECK_THROWS_AS(ag::run(graph()), ag::option_error);
  CHECK(ag::run(graph(), {.max_concurrency = 1}) == 2);
  CHECK_THROWS_AS(ag::run(diamond(1), {.max_concurrency = -1}), ag::option_error);
  const auto refused = ag::try_run(diamond(1), {.max_concurrency = -1});
  CHECK_THROWS_AS(refused.value(), ag::option_error);
  CHECK(refused.graph().nodes().empty());
}

TEST_CASE("more bodies than the cap are never in flight") {
  for (int cap = 1; cap <= 5; ++cap) {
    int in_flight = 0;
    int most = 0;
    const ag::tool busy{"busy", [&](int x) -> ag::task<int> {
      most = std::max(most, ++in_flight);
      co_await ag::sleep_for(std::chrono::milliseconds{x % 4});
      --in_flight;
      co_return x;
    }};
    const auto graph = built([&] {
      std::vector<ag::node<int>> layer;
      for (int i = 0; i < 12; ++i) layer.push_back(busy(i));
      for (int l = 0; l < 3; ++l)
        for (std::size_t i = 0; i < layer.size(); ++i) layer[i] = busy(plus(layer[i], layer[(i + 1) % layer.size()]));
      return total(layer);
    });
    for (unsigned seed = 1; seed <= 5; ++seed) {
      most = 0;
      auto r = ag::testing::simulation(seed).try_run(graph(), {.max_concurrency = cap});
      REQUIRE(r.ok());
      CHECK(most == cap);
      CHECK(r.peak_concurrency() == static_cast<std::size_t>(cap));
    }
  }
}

TEST_CASE("with one slot, ready nodes start in the order in which they were declared") {
  std::vector<int> order;
  const ag::tool notes{"notes", [&](int x) -> ag::task<int> {
    order.push_back(x);
    co_await ag::sleep_for(1ms);
    co_return x;
  }};
  const ag::tool notes_plain{"notes_plain", [&](int x) {
    order.push_back(x);
    return x;
  }};
  const auto graph = built([&] {
    std::vector<ag::node<int>> all;
    for (int i = 0; i < 10; ++i) all.push_back(i % 3 == 0 ? ag::node<int>(notes_plain(i)) : ag::node<int>(notes(i)));
    return total(all);
  });
  for (int i = 0; i < 2; ++i) {
    order.clear();
    CHECK(ag::run(graph(), {.max_concurrency = 1}) == 45);
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  }
}

TEST_CASE("a node that becomes ready goes before those that were declared after it") {
  std::vector<std::string> order;
  const ag::tool notes{"notes", [&](std::string s, int x) {
    order.push_back(s);
    return x;
  }};
  ag::run(built([&] {
    auto a = notes("a", 1);
    auto b = notes("b", a);
    auto c = notes("c", 1);
    return total(std::vector<ag::node<int>>{a, b, c});
  })(),
      {.max_concurrency = 1});
  CHECK(order == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("the calls that a node's body awaits share its slot") {
  const ag::tool outer{"outer", [](int x) -> ag::task<int> { co_return co_await waits(x) + co_await waits(x); }};
  const auto graph = built([&](ag::node<int> x) { return plus(outer(x), outer(x)); });
  auto r = ag::testing::simulation(1).try_run(graph(1), {.max_concurrency = 1});
  CHECK(r.value() == 4);
  CHECK(r.peak_concurrency() == 1);
}

TEST_CASE("a chain of a hundred thousand nodes needs no deep stack") {
  const auto graph = built([](ag::node<int> x) {
    const ag::tool next{"next", [](int v) { return v + 1; }};
    const ag::tool next_task{"next_task", [](int v) -> ag::task<int> { co_return v + 1; }};
    ag::node<int> n = x;
    for (int i = 0; i < 50'000; ++i) n = next_task(next(n));
    return n;
  });
  CHECK(ag::run(graph(0)) == 100'000);
}

// --- coroutines that follow each other without a pause: they have one frame, one after the other

namespace {

/// Neither default-constructible nor assignable.
struct fixed {
  const std::string text;
  const std::shared_ptr<int> shared;
};
const ag::tool make_fixed{"make_fixed",
    [](int x, std::shared_ptr<int> s) -> ag::task<fixed> { co_return fixed{std::to_string(x), std::move(s)}; }};
const ag::tool read_fixed{"read_fixed", [](fixed f) -> ag::task<std::string> { co_return f.text + "!"; }};

}  // namespace

TEST_CASE("coroutines of all kinds of results follow each other, and a value goes after its last reader") {
  const auto shared = std::make_shared<int>(0);
  std::vector<long> owners;
  const ag::tool looks{"looks", [&](std::string text) -> ag::task<int> {
    owners.push_back(shared.use_count());
    co_return static_cast<int>(text.size());
  }};
  const auto graph = built([&](ag::node<int> x, ag::node<std::shared_ptr<int>> s) {
    auto a = read_fixed(make_fixed(work(x), s));
    auto b = looks(a);
    auto c = read_fixed(make_fixed(b, s));
    return std::tuple{looks(c), c};
  });
  const auto [n, text] = ag::run(graph(50, shared));
  CHECK(n == 2);
  CHECK(text == "4!");
  // The first time the parameter is still to be read.
  CHECK(owners == std::vector<long>{owners.at(1) + 1, owners.at(1)});
  CHECK(shared.use_count() == 1);
}

TEST_CASE("coroutines that fail or pause between others leave nothing behind for those") {
  const ag::tool odd{"odd", [](int x) -> ag::task<int> {
    if (x % 3 == 1) co_await ag::sleep_for(1us);
    if (x % 3 == 2) throw std::runtime_error("failed " + std::to_string(x));
    co_return 10 * x;
  }};
  const auto graph = built([&] {
    std::vector<ag::node<int>> all;
    for (int i = 0; i < 12; ++i) all.push_back(odd(i));
    return all;
  });
  for (const int cap : {1, 2, 100}) {
    auto r = ag::try_run(graph(), {.max_concurrency = cap, .on_error = ag::on_error::skip_dependents});
    CHECK(r.failures().size() == 4);
    for (const auto& n : r.graph().nodes()) {
      const int i = std::stoi(n.id.substr(n.id.find('#') + 1)) - 1;
      CHECK(n.state == (i % 3 == 2 ? node_state::failed : node_state::done));
    }
  }
}

TEST_CASE("calls of a body belong to its node, also where nodes have one frame after the other") {
  const ag::tool leaf{"leaf", [](int x) { return x; }};
  const ag::tool outer{"outer", [&](int x) -> ag::task<int> {
    const auto [a, b] = co_await ag::gather(leaf(x), leaf(1));
    co_return a + b;
  }};
  const auto graph = built([&](ag::node<int> x) { return outer(outer(outer(x))); });
  auto r = ag::try_run(graph(0), {.max_concurrency = 1});
  CHECK(r.value() == 3);
  CHECK(r.peak_concurrency() == 1);
  std::vector<std::string> parents;
  for (const auto& n : r.graph().nodes())
    if (n.tool == "leaf") parents.push_back(n.parent);
  CHECK(parents == std::vector<std::string>{"outer#1", "outer#1", "outer#2", "outer#2", "outer#3", "outer#3"});
}

TEST_CASE("a result that cannot be moved to its place is a failure of its node, and the next one starts afresh") {
  struct fragile {
    int x = 0;
    bool throws = false;
    int moves = 0;
    fragile(int v, bool t) : x(v), throws(t) {}
    fragile(const fragile&) = default;
    fragile(fragile&& o) : x(o.x), throws(o.throws), moves(o.moves + 1) {
      if (throws && moves == 2) throw std::runtime_error("broke");
    }
  };
  const ag::tool make{"make", [](int x) -> ag::task<fragile> { co_return fragile(x, x == 1); }};
  const ag::tool read{"read", [](const fragile& f) { return f.x; }};
  const auto graph = built([&] { return std::tuple{read(make(0)), read(make(1)), read(make(2))}; });
  auto r = ag::try_run(graph(), {.on_error = ag::on_error::skip_dependents});
  CHECK(message(r.error()) == "graph 'g' failed: make#3: broke");
  CHECK(r.failures().size() == 1);
}

// --- failures

TEST_CASE("a graph_error names the graph, the node and what it threw") {
  const auto graph = built([] { return work(fails(0).id("bad")); });
  CHECK_THROWS_AS(ag::run(graph()), ag::graph_error);
  CHECK_THROWS_WITH(ag::run(graph()), "graph 'g' failed: bad: after 0");
  try {
    ag::run(graph());
  } catch (const ag::graph_error& e) {
    REQUIRE(e.failures().size() == 1);
    CHECK(e.failures()[0].node == "bad");
    CHECK(e.failures()[0].tool == "fails");
    CHECK_THROWS_AS(std::rethrow_exception(e.failures()[0].cause), std::runtime_error);
  }
}

TEST_CASE("a failure is kept once among the failures of the run") {
  for (const auto policy : policies) {
    auto r = ag::try_run(built([] { return std::tuple{fails(0), fails_at_once(1)}; })(), {.on_error = policy});
    std::vector<std::string> nodes;
    for (const auto& f : r.failures()) nodes.push_back(f.node);
    CHECK(nodes == failed_nodes(r.error()));
  }
}

TEST_CASE("what depends on a failure is skipped under both policies, and says why") {
  for (const auto policy : policies) {
    auto r = ag::try_run(built([] { return work(plus(fails(0), 1)); })(), {.on_error = policy});
    CHECK(states(r.graph()) == "fails#1 failed; plus#2 skipped; work#3 skipped");
    CHECK(message(r.graph().find("fails#1")->failure) == "after 0");
    CHECK(r.graph().find("plus#2")->failure);
    CHECK(r.graph().find("work#3")->failure);
    CHECK(r.graph().find("work#3")->attempts == 0);
    CHECK(r.graph().state() == node_state::failed);
  }
}

TEST_CASE("with skip_dependents a skipped node says on which failure it depends") {
  auto r = ag::try_run(built([] { return work(plus(fails(0), 1)); })(), {.on_error = ag::on_error::skip_dependents});
  CHECK(message(r.graph().find("work#3")->failure) == "it depends on 'fails#1', which failed");
}

TEST_CASE("a failure stops what runs beside it, and starts nothing more") {
  const auto graph = built([] { return std::tuple{fails(5), waits_long(1), work(waits(3)), work(waits(9))}; });
  ag::testing::simulation sim(1);
  auto r = sim.try_run(graph());
  CHECK(sim.elapsed() == 5ms);
  CHECK(states(r.graph()) ==
        "fails#1 failed; waits_long#2 cancelled; waits#3 done; work#4 done; waits#5 cancelled; "
        "work#6 skipped");
  CHECK(failed_nodes(r.error()) == std::vector<std::string>{"fails#1"});
  for (const auto& n : r.graph().nodes()) CHECK(static_cast<bool>(n.failure) == (n.state != node_state::done));
}

TEST_CASE("with skip_dependents everything that depends on no failure is done") {
  const auto graph = built([] {
    auto bad = fails(5);
    auto good = waits(9);
    return std::tuple{work(bad), work(good), plus(bad, good), waits(20)};
  });
  ag::testing::simulation sim(1);
  auto r = sim.try_run(graph(), {.on_error = ag::on_error::skip_dependents});
  CHECK(sim.elapsed() == 20ms);
  CHECK(states(r.graph()) == "fails#1 failed; waits#2 done; work#3 skipped; work#4 done; plus#5 skipped; waits#6 done");
  CHECK_THROWS_WITH(r.value(), "graph 'g' failed: fails#1: after 5");
}

TEST_CASE("a failure that comes before, or after, the others leaves them done") {
  const auto graph = built([] { return std::tuple{waits(1), fails(9)}; });
  auto r = ag::testing::simulation(1).try_run(graph());
  CHECK(states(r.graph()) == "waits#1 done; fails#2 failed");
}

TEST_CASE("a failure of a node that the result does not need is a failure of the graph") {
  for (const auto policy : policies) {
    auto r = ag::testing::simulation(1).try_run(built([] {
      static_cast<void>(fails(1));
      return waits(0);
    })(),
        {.on_error = policy});
    CHECK(failed_nodes(r.error()) == std::vector<std::string>{"fails#1"});
  }
}

TEST_CASE("several failures are all named, in the order in which they came") {
  const auto graph = built([] { return std::tuple{fails(5), fails(2), fails(9), fails_at_once(1)}; });
  auto r = ag::testing::simulation(1).try_run(graph(), {.on_error = ag::on_error::skip_dependents});
  CHECK(failed_nodes(r.error()) == std::vector<std::string>{"fails_at_once#4", "fails#2", "fails#1", "fails#3"});
  CHECK_THROWS_WITH(
      r.value(), "graph 'g' failed: fails_at_once#4: at once 1; fails#2: after 2; fails#1: after 5; fails#3: after 9");
}

TEST_CASE("failures of bodies that end with something else when they are asked to stop are named, too") {
  const ag::tool grumbles{"grumbles", [](int x) -> ag::task<int> {
    auto slept = co_await ag::as_result(ag::sleep_for(24h));
    if (!slept.has_value()) throw std::runtime_error("grumble");
    co_return x;
  }};
  const auto graph = built([&] { return std::tuple{fails(1), grumbles(1)}; });
  auto r = ag::testing::simulation(1).try_run(graph());
  CHECK(failed_nodes(r.error()) == std::vector<std::string>{"fails#1", "grumbles#2"});
  CHECK(states(r.graph()) == "fails#1 failed; grumbles#2 failed");
}

TEST_CASE("a body that returns after it was asked to stop is done") {
  const ag::tool returns{"returns", [](int x) -> ag::task<int> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_return x;
  }};
  const auto graph = built([&] { return std::tuple{fails(1), work(returns(1))}; });
  auto r = ag::testing::simulation(1).try_run(graph());
  CHECK(states(r.graph()) == "fails#1 failed; returns#2 done; work#3 skipped");
}

TEST_CASE("a thousand failures name the first ten and count the rest, and all are kept") {
  const auto graph = built([] {
    std::vector<ag::node<int>> all;
    for (int i = 0; i < 1000; ++i) all.push_back(fails_at_once(i));
    return total(all);
  });
  auto r = ag::try_run(graph(), {.on_error = ag::on_error::skip_dependents});
  CHECK(failed_nodes(r.error()).size() == 1000);
  CHECK(message(r.error()).ends_with("; fails_at_once#10: at once 9; and 990 more"));
}

TEST_CASE("a failure while others wait for a slot skips those") {
  const auto graph = built([] {
    std::vector<ag::node<int>> all{fails(2), waits(9)};
    for (int i = 0; i < 5; ++i) all.push_back(waits(3));
    return total(all);
  });
  auto r = ag::testing::simulation(1).try_run(graph(), {.max_concurrency = 2});
  CHECK(states(r.graph()) ==
        "fails#1 failed; waits#2 cancelled; waits#3 skipped; waits#4 skipped; waits#5 skipped; "
        "waits#6 skipped; waits#7 skipped; total#8 skipped");
  auto s =
      ag::testing::simulation(1).try_run(graph(), {.max_concurrency = 2, .on_error = ag::on_error::skip_dependents});
  CHECK(states(s.graph()) ==
        "fails#1 failed; waits#2 done; waits#3 done; waits#4 done; waits#5 done; "
        "waits#6 done; waits#7 done; total#8 skipped");
}

TEST_CASE("with one slot a failure is the last thing that happens") {
  const auto graph = built([] { return std::tuple{work(1), fails_at_once(1), work(2)}; });
  auto r = ag::try_run(graph(), {.max_concurrency = 1});
  CHECK(states(r.graph()) == "work#1 done; fails_at_once#2 failed; work#3 skipped");
}

TEST_CASE("what is ordered after a failure is skipped") {
  for (const auto policy : policies) {
    auto r = ag::try_run(built([] {
      auto bad = fails(0);
      return work(1).after(bad);
    })(),
        {.on_error = policy});
    CHECK(states(r.graph()) == "fails#1 failed; work#2 skipped");
  }
}

TEST_CASE("a failure in a sub-graph is named with its prefix, and skips what depends on it") {
  const ag::graphify sub{"sub", [](ag::node<int> x) { return std::pair{work(x), work(fails(x))}; }};
  const auto graph = built([&](ag::node<int> x) {
    auto p = sub(x);
    return std::tuple{plus(ag::get<0>(p), 1).id("first"), plus(ag::get<1>(p), 1).id("second")};
  });
  auto r = ag::testing::simulation(1).try_run(graph(1), {.on_error = ag::on_error::skip_dependents});
  CHECK_THROWS_WITH(r.value(), "graph 'g' failed: sub#1/fails#2: after 1");
  CHECK(r.graph().find("sub#1/work#1")->state == node_state::done);
  CHECK(r.graph().find("sub#1/work#3")->state == node_state::skipped);
  CHECK(r.graph().find("second")->state == node_state::skipped);
}

TEST_CASE("a failure in a nested run is one of its node") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return co_await fails(x); }};
  for (const auto policy : policies) {
    auto r = ag::testing::simulation(1).try_run(
        built([&](ag::node<int> x) { return std::tuple{work(agent(x)), waits(0)}; })(1), {.on_error = policy});
    CHECK(failed_nodes(r.error()) == std::vector<std::string>{"agent#1"});
    CHECK_THROWS_WITH(r.value(), "graph 'g' failed: agent#1: after 1");
    CHECK(r.graph().find("agent#1")->state == node_state::failed);
    CHECK(r.graph().find("work#2")->state == node_state::skipped);
    CHECK(r.graph().find("waits#3")->state == node_state::done);
  }
}

TEST_CASE("a graph that fails inside an agent is a failure of that agent's node, with all that it names") {
  const auto inner = built([] { return fails(0); });
  const ag::graph_fn agent{"agent", [&](int) -> ag::task<int> { co_return co_await inner(); }};
  CHECK_THROWS_WITH(ag::run(ag::graphify("outer", [&] { return agent(1); })()),
      "graph 'outer' failed: agent#1: graph 'g' failed: fails#1: after 0");
}

TEST_CASE("a nested run with a cap below one is a failure of its node") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x; }, {.max_concurrency = 0}};
  auto r = ag::try_run(built([&](ag::node<int> x) { return work(agent(x)); })(1));
  CHECK(failed_nodes(r.error()) == std::vector<std::string>{"agent#1"});
  CHECK(states(r.graph()) == "agent#1 failed; work#2 skipped");
}

TEST_CASE("a failed graph stops a nested run beside the failure") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return co_await waits_long(x); }};
  auto r =
      ag::testing::simulation(1).try_run(built([&](ag::node<int> x) { return std::tuple{agent(x), fails(x)}; })(1));
  CHECK(r.graph().find("agent#1")->state == node_state::cancelled);
  CHECK(failed_nodes(r.error()) == std::vector<std::string>{"fails#2"});
}

TEST_CASE("a cancelled that a body throws without being asked is a failure") {
  const ag::tool lies{"lies", [](int) -> ag::task<int> { throw ag::cancelled("not so"); }};
  const ag::tool lies_plainly{"lies_plainly", [](int) -> int { throw ag::cancelled("not so"); }};
  for (const auto policy : policies) {
    auto r = ag::try_run(built([&] { return lies(1); })(), {.on_error = policy});
    CHECK(states(r.graph()) == "lies#1 failed");
    CHECK_THROWS_AS(r.value(), ag::graph_error);
    CHECK(states(ag::try_run(built([&] { return lies_plainly(1); })(), {.on_error = policy}).graph()) ==
          "lies_plainly#1 failed");
  }
}

TEST_CASE("a graph that failed runs again") {
  bool is_bad = true;
  const ag::tool maybe{"maybe", [&](int x) -> int {
    if (is_bad) throw std::runtime_error("bad");
    return x;
  }};
  const auto graph = built([&](ag::node<int> x) { return work(maybe(x)); });
  CHECK_FALSE(ag::try_run(graph(1)).ok());
  is_bad = false;
  CHECK(ag::run(graph(1)) == 2);
}

// --- stops from outside

TEST_CASE("a deadline ends a graph with timed_out, and states say what was cut off") {
  for (const auto policy : policies) {
    const auto graph = built([] { return total(std::vector<ag::node<int>>{waits(1), waits_long(2)}); });
    ag::testing::simulation sim(1);
    auto r = sim.try_run(graph(), {.on_error = policy, .deadline = 5ms});
    CHECK(sim.elapsed() == 5ms);
    CHECK_THROWS_AS(r.value(), ag::timed_out);
    CHECK(states(r.graph()) == "waits#1 done; waits_long#2 cancelled; total#3 skipped");
    CHECK(r.failures().empty());
    for (const auto& n : r.graph().nodes()) CHECK(static_cast<bool>(n.failure) == (n.state != node_state::done));
  }
}

TEST_CASE("a graph that is cancelled with its scope throws cancelled, with nothing left running") {
  int in_flight = 0;
  const ag::tool holds{"holds", [&](int x) -> ag::task<int> {
    struct leave {
      int& n;
      ~leave() { --n; }
    } guard{++in_flight};
    co_await ag::sleep_for(24h);
    co_return x;
  }};
  const auto graph = built([&] { return std::tuple{holds(1), holds(2), holds(3), holds(4), holds(5)}; });
  auto body = [&]() -> ag::task<> {
    auto r = co_await ag::as_result(ag::timeout(graph(), 1ms));
    CHECK_THROWS_AS(r.value(), ag::timed_out);
    CHECK(in_flight == 0);
  };
  ag::testing::simulation(1).run(body());
}

TEST_CASE("a graph that is awaited in a stopped scope does not start") {
  int runs = 0;
  const ag::tool counts{"counts", [&](int) { ++runs; }};
  const auto graph = built([&] { return counts(1); });
  auto body = [&]() -> ag::task<> {
    auto r = co_await ag::as_result(ag::sleep_for(24h));
    CHECK_FALSE(r.has_value());
    co_await graph();
  };
  CHECK_THROWS_AS(ag::testing::simulation(1).run(body(), {.deadline = 1ms}), ag::timed_out);
  CHECK(runs == 0);
}

TEST_CASE("a graph is cancelled through the slot of its completion handler") {
  boost::asio::io_context io;
  boost::asio::cancellation_signal stop;
  std::exception_ptr outcome;
  ag::run_async(io, built([] { return waits_long(1); })(), {},
      boost::asio::bind_cancellation_slot(stop.slot(), [&](const std::exception_ptr& e, int) { outcome = e; }));
  io.poll();
  CHECK_FALSE(outcome);
  stop.emit(boost::asio::cancellation_type::terminal);
  io.run();
  REQUIRE(outcome);
  CHECK_THROWS_AS(std::rethrow_exception(outcome), ag::cancelled);
}

TEST_CASE("each node runs exactly once, whatever the interleaving") {
  std::vector<int> runs(60);
  const ag::tool counts{"counts", [&](int i, std::vector<int>) -> ag::task<int> {
    ++runs[static_cast<std::size_t>(i)];
    if (i % 3 != 0) co_await ag::sleep_for(std::chrono::milliseconds{i % 5});
    co_return i;
  }};
  const auto graph = built([&] {
    std::vector<ag::node<int>> all;
    for (int i = 0; i < 60; ++i) {
      std::vector<ag::node<int>> before;
      for (std::size_t k = 2; k <= 5 && k <= all.size(); ++k) before.push_back(all[all.size() - k]);
      all.push_back(counts(i, before));
    }
    return total(all);
  });
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::fill(runs.begin(), runs.end(), 0);
    CHECK(ag::testing::simulation(seed).run(graph(), {.max_concurrency = static_cast<int>(seed % 7) + 1}) == 1770);
    CHECK(runs == std::vector<int>(60, 1));
  }
}

// --- more of what may go wrong

TEST_CASE("the policy of a nested run of a graph is its own") {
  const auto graph = built([] { return std::tuple{fails(1), waits(5)}; });
  std::string seen;
  const ag::graph_fn agent{"agent", [&](ag::on_error policy) -> ag::task<> {
    auto r = co_await ag::as_result(ag::run_async(graph(), {.on_error = policy}));
    seen = message(r.error());
  }};
  ag::testing::simulation stop(1);
  stop.run(agent(ag::on_error::stop));
  CHECK(stop.elapsed() == 1ms);
  ag::testing::simulation skip(1);
  skip.run(agent(ag::on_error::skip_dependents));
  CHECK(skip.elapsed() == 5ms);
  CHECK(seen == "graph 'g' failed: fails#1: after 1");
}

TEST_CASE("a conversion that throws is a failure that is named") {
  struct picky {
    picky(int x) : value(x) {  // NOLINT(google-explicit-constructor): from the node's value
      if (x > 2) throw std::runtime_error("picky");
    }
    int value;
  };
  const ag::tool take{"take", [](picky p) { return p.value; }};
  const auto by_argument = built([&](ag::node<int> x) { return take(x); });
  CHECK(ag::run(by_argument(2)) == 2);
  CHECK_THROWS_WITH(ag::run(by_argument(3)), "graph 'g' failed: take#1: picky");
  const auto by_node = built([&](ag::node<int> x) {
    const ag::node<picky> p = x;
    return take(p);
  });
  CHECK(ag::run(by_node(2)) == 2);
  auto r = ag::try_run(by_node(3));
  REQUIRE(failed_nodes(r.error()).size() == 1);
  CHECK(states(r.graph()) == "take#1 skipped");
}

TEST_CASE("a tool that returns a reference gives that very object") {
  static int object = 5;
  const ag::tool refers{"refers", [](int) -> int& { return object; }};
  const auto graph = built([&] { return refers(1); });
  CHECK(&ag::run(graph()) == &object);
  CHECK(ag::run(built([&] { return plus(refers(1), refers(2)); })()) == 10);
}

TEST_CASE("a graph of Asio coroutines runs, and is cancelled") {
  const ag::tool asio_waits{"asio_waits", [](int ms) -> boost::asio::awaitable<int> {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, std::chrono::milliseconds{ms});
    co_await timer.async_wait(boost::asio::use_awaitable);
    co_return ms;
  }};
  const auto graph = built([&](ag::node<int> x) { return plus(asio_waits(x), asio_waits(x)); });
  CHECK(ag::run(graph(1)) == 2);
  auto r = ag::try_run(graph(3'600'000), {.deadline = 1ms});
  CHECK_THROWS_AS(r.value(), ag::timed_out);
  CHECK(states(r.graph()) == "asio_waits#1 cancelled; asio_waits#2 cancelled; plus#3 skipped");
}

TEST_CASE("a failure and a deadline: what failed is named") {
  const ag::tool grumbles{"grumbles", [](int x) -> ag::task<int> {
    auto slept = co_await ag::as_result(ag::sleep_for(24h));
    if (!slept.has_value()) throw std::runtime_error("grumble");
    co_return x;
  }};
  auto r = ag::testing::simulation(1).try_run(built([&] { return grumbles(1); })(), {.deadline = 1ms});
  CHECK_FALSE(r.ok());
  CHECK(states(r.graph()) == "grumbles#1 failed");
  REQUIRE(r.failures().size() == 1);
  CHECK(r.failures()[0].node == "grumbles#1");
}

// --- inspection

TEST_CASE("edges say what flows into which parameter, what waits, and on which condition") {
  const auto graph = built([] {
    auto a = work(1);
    auto b = work(2).after(a);
    const ag::tool is_large{"is_large", [](int x) { return x > 3; }};
    auto c = is_large(b);
    return ag::value_or(ag::when(c, plus(a, b)), 0);
  });
  using kinds = ag::task_graph::edge_kind;
  using edge = std::tuple<std::string, std::string, kinds, std::size_t>;
  std::vector<edge> all;
  const auto& g = graph.spec();
  for (const auto& e : g.edges())
    if (e.from < g.nodes().size() && e.to < g.nodes().size())
      all.emplace_back(g.nodes()[e.from].id, g.nodes()[e.to].id, e.kind, e.parameter);
  const std::vector<edge> expected{{"work#1", "work#2", kinds::order, 0}, {"work#1", "plus#4", kinds::data, 0},
      {"work#2", "is_large#3", kinds::data, 0}, {"work#2", "plus#4", kinds::data, 1},
      {"is_large#3", "plus#4", kinds::condition, 0}};
  CHECK((all == expected));
  CHECK(g.dependents("work#2") == std::vector<std::string>{"is_large#3", "plus#4"});
  CHECK(g.upstream("is_large#3") == std::vector<std::string>{"work#1", "work#2"});
  CHECK(g.topological_order() == std::vector<std::string>{"work#1", "work#2", "is_large#3", "plus#4"});
}

TEST_CASE("the topological order follows after, against the order of declaration") {
  const auto graph = built([] {
    auto a = work(1);
    auto b = work(2);
    a.after(b);
    return total(std::vector<ag::node<int>>{a, b});
  });
  CHECK(graph.spec().topological_order() == std::vector<std::string>{"work#2", "work#1", "total#3"});
}
