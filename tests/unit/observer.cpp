#include "aethergraph/observer.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/detached.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <map>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

using texts = std::vector<std::string>;
using kind = ag::event_kind;

const ag::tool work{"work", [](int x) { return x; }};
const ag::tool naps{"naps", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  co_return ms;
}};
const ag::tool fails{"fails", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  throw std::runtime_error(fmt::format("failed after {}", ms));
}};
const ag::tool stubborn{"stubborn", [](int ms) -> ag::task<int> {
  co_await ag::shielded(ag::sleep_for(std::chrono::milliseconds{ms}));
  co_return ms;
}};
const ag::graph_fn inner{"inner", [](int x) -> ag::task<int> { co_return co_await naps(x); }};

std::string why(const std::exception_ptr& e) {
  if (!e) return "";
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  }
}

/// What is kept of an event.
struct fact {
  kind what;
  std::string id;
  std::string run;
  std::string path;
  ag::node_state state;
  std::string failure;
  ag::duration at;
  std::uint64_t root;
  std::uint64_t number;
};

/// Keeps all events.
class watcher : public ag::observer {
 public:
  void on_event(const ag::event& e) override {
    facts.push_back({e.kind(), e.id(), e.run_id(), e.path(), e.state(), why(e.failure()), e.time().time_since_epoch(),
        e.root_number(), e.number()});
  }
  [[nodiscard]] texts lines() const {
    texts all;
    for (const fact& f : facts)
      all.push_back(
          fmt::format("{} {}", ag::to_string(f.what), f.id.substr(0, f.number == 0 ? f.id.find('#') : f.id.npos)));
    return all;
  }
  [[nodiscard]] std::vector<fact> of(kind k) const {
    std::vector<fact> some;
    std::ranges::copy_if(facts, std::back_inserter(some), [&](const fact& f) { return f.what == k; });
    return some;
  }
  std::vector<fact> facts;
};

/// Throws at every event from the n-th on.
class thrower : public ag::observer {
 public:
  explicit thrower(int n) : left_(n) {}
  void on_event(const ag::event&) override {
    ++seen;
    if (--left_ <= 0) throw std::runtime_error("no more");
  }
  int seen = 0;

 private:
  int left_;
};

/// The body of an agent that is asked to stop after 1 s, by the failure of a sibling of this call.
template <class Call>
ag::task<> beside_a_failure(Call c) {
  co_await ag::gather(fails(1000), std::move(c));
}

}  // namespace

// --- order

TEST_CASE("a run is told from its start to its end, and each node in it") {
  watcher w;
  auto body = []() -> ag::task<> {
    co_await work(1);
    co_await naps(1);
  };
  ag::testing::simulation(1).run(body(), {.observer = &w});
  CHECK(w.lines() == texts{"run_started task", "node_made work#1", "node_started work#1", "node_ended work#1",
                         "node_made naps#2", "node_started naps#2", "node_ended naps#2", "run_ended task"});
}

TEST_CASE("a node that waits for its slot is made at once and started later") {
  watcher w;
  auto body = []() -> ag::task<> { co_await ag::gather(naps(1), naps(2)); };
  ag::testing::simulation(1).run(body(), {.max_concurrency = 1, .observer = &w});
  CHECK(w.lines() == texts{"run_started task", "node_made naps#1", "node_started naps#1", "node_made naps#2",
                         "node_ended naps#1", "node_started naps#2", "node_ended naps#2", "run_ended task"});
}

TEST_CASE("a skipped node is made and ended, never started") {
  watcher w;
  const ag::tool fails_now{"fails_now", [](int) -> int { throw std::runtime_error("now"); }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(fails_now(1), work(1)); };
  ag::try_run(body(), {.observer = &w});
  CHECK(w.lines() == texts{"run_started task", "node_made fails_now#1", "node_started fails_now#1",
                         "node_ended fails_now#1", "node_made work#2", "node_ended work#2", "run_ended task"});
  CHECK(w.facts.at(5).state == ag::node_state::skipped);
}

TEST_CASE("a call that is refused for its options is made and ended, never started") {
  watcher w;
  const ag::tool bad{"bad", [](int x) { return x; }, ag::inputs{"x", "x"}};
  auto body = [&]() -> ag::task<> { co_await ag::as_result(bad(1)); };
  ag::run(body(), {.observer = &w});
  CHECK(w.lines() == texts{"run_started task", "node_made bad#1", "node_ended bad#1", "run_ended task"});
  CHECK(w.facts.at(2).state == ag::node_state::failed);
}

TEST_CASE("in every interleaving each node is made, started, asked to stop and ended in this order") {
  auto body = []() -> ag::task<> {
    co_await ag::as_result(ag::gather(naps(1), inner(2), fails(1), stubborn(5), naps(3), work(1)));
    co_await ag::race(naps(1), stubborn(2), inner(3));
    co_await ag::as_result(ag::timeout(stubborn(5000), 1ms));
  };
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    watcher w;
    ag::testing::simulation(seed).run(body(), {.max_concurrency = 2, .observer = &w});
    std::map<std::string, texts> by_node;
    for (const fact& f : w.facts) by_node[f.id].emplace_back(ag::to_string(f.what));
    CHECK(w.facts.front().what == kind::run_started);
    CHECK(w.facts.back().what == kind::run_ended);
    CHECK(by_node.size() == 13);
    for (auto& [id, seen] : by_node) {
      if (id == w.facts.front().id) continue;
      CAPTURE(id, seed, seen);
      std::erase(seen, "node_stopping");
      if (seen.size() == 2) CHECK(seen == texts{"node_made", "node_ended"});
      else CHECK(seen == texts{"node_made", "node_started", "node_ended"});
    }
    std::set<std::string> ended;
    for (const fact& f : w.facts) {
      if (f.what == kind::node_stopping) CHECK(!ended.contains(f.id));
      if (f.what == kind::node_ended) ended.insert(f.id);
    }
  }
}

TEST_CASE("an event comes before the step that it announces, and an end before whoever awaits it goes on") {
  texts steps;
  class noting : public ag::observer {
   public:
    explicit noting(texts& t) : steps_(t) {}
    void on_event(const ag::event& e) override { steps_.emplace_back(ag::to_string(e.kind())); }

   private:
    texts& steps_;
  };
  noting n(steps);
  const ag::tool says{"says", [&](int) { steps.emplace_back("body of the tool"); }};
  auto body = [&]() -> ag::task<> {
    steps.emplace_back("body of the run");
    co_await says(1);
    steps.emplace_back("after the call");
  };
  ag::run(body(), {.observer = &n});
  CHECK(steps == texts{"run_started", "body of the run", "node_made", "node_started", "body of the tool", "node_ended",
                     "after the call", "run_ended"});
}

// --- what an event says

TEST_CASE("events say where the node and the run stand, and why they ended") {
  watcher w;
  auto body = []() -> ag::task<> { co_await fails(1); };
  ag::testing::simulation(1).try_run(body(), {.observer = &w});
  REQUIRE(w.facts.size() == 5);
  CHECK(w.facts[0].state == ag::node_state::running);
  CHECK(w.facts[1].state == ag::node_state::waiting);
  CHECK(w.facts[2].state == ag::node_state::running);
  CHECK(w.facts[3].state == ag::node_state::failed);
  CHECK(w.facts[3].failure == "failed after 1");
  CHECK(w.facts[4].state == ag::node_state::failed);
  CHECK(w.facts[4].failure == "failed after 1");
  CHECK(w.facts[1].failure.empty());
}

TEST_CASE("the end of a run that its deadline ended says timed_out") {
  watcher w;
  auto body = []() -> ag::task<> { co_await naps(50); };
  ag::testing::simulation(1).try_run(body(), {.deadline = 1ms, .observer = &w});
  CHECK(w.facts.back().state == ag::node_state::failed);
  CHECK(w.facts.back().failure == "run of 'task' timed out: its deadline of 1ms has passed");
  CHECK(w.of(kind::node_ended).at(0).state == ag::node_state::cancelled);
}

TEST_CASE("events tell names, numbers and paths as the graph does") {
  watcher w;
  auto body = []() -> ag::task<> { co_await ag::gather(naps(2), inner(1), work(1)); };
  const auto g = ag::testing::simulation(1).try_run(body(), {.observer = &w}).graph();
  std::uint64_t number = 0;
  for (const fact& f : w.of(kind::node_made)) {
    CHECK(f.number == ++number);
    REQUIRE(g.find(f.id));
    CHECK(f.path == g.find(f.id)->path);
  }
  CHECK(number == 4);
}

TEST_CASE("the events of a run itself have its identity, and no path and number") {
  watcher w;
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<std::string> { co_return ctx.run_id(); }};
  const std::string id = ag::run(agent(), {.observer = &w});
  REQUIRE(w.facts.size() == 2);
  for (const fact& f : w.facts) {
    CHECK(f.id == id);
    CHECK(f.run == id);
    CHECK(f.path.empty());
    CHECK(f.number == 0);
    CHECK(id == fmt::format("agent#{}", f.root));
  }
}

TEST_CASE("an event knows whether it is about a node, and of which kind, tool and run") {
  struct asking : ag::observer {
    void on_event(const ag::event& e) override {
      seen.push_back(fmt::format(
          "{} {} {} {}", e.is_node_event(), e.node() == ag::node_kind::run ? "run" : "call", e.tool(), e.run_name()));
    }
    texts seen;
  } a;
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<> { co_await inner(x); }};
  ag::run(agent(0), {.observer = &a});
  std::ranges::sort(a.seen);
  CHECK(
      a.seen == texts{"false run agent agent", "false run agent agent", "true call naps inner", "true call naps inner",
                    "true call naps inner", "true run inner agent", "true run inner agent", "true run inner agent"});
}

TEST_CASE("the time of an event is that of the run's clock") {
  watcher w;
  auto body = []() -> ag::task<> {
    co_await ag::sleep_for(2s);
    co_await naps(500);
  };
  ag::testing::simulation(1).run(body(), {.observer = &w});
  std::vector<ag::duration> times;
  for (const fact& f : w.facts) times.push_back(f.at);
  CHECK(times == std::vector<ag::duration>{0s, 2s, 2s, 2500ms, 2500ms});
}

TEST_CASE("the enumerators of event_kind have names") {
  texts names;
  for (int i = 0; i < 6; ++i) names.emplace_back(ag::to_string(static_cast<kind>(i)));
  CHECK(names == texts{"run_started", "node_made", "node_started", "node_stopping", "node_ended", "run_ended"});
}

// --- nested runs, and many observers

TEST_CASE("an observer of a run is told of the nodes of all that nests in it") {
  watcher w;
  auto body = []() -> ag::task<> { co_await inner(1); };
  ag::testing::simulation(1).run(body(), {.observer = &w});
  CHECK(w.lines() == texts{"run_started task", "node_made inner#1", "node_started inner#1", "node_made naps#2",
                         "node_started naps#2", "node_ended naps#2", "node_ended inner#1", "run_ended task"});
  CHECK_THAT(w.facts.at(3).run, Catch::Matchers::StartsWith("inner#"));
  CHECK(w.facts.at(1).run == w.facts.at(0).run);
  CHECK(w.facts.at(3).root == w.facts.at(0).root);
}

TEST_CASE("an observer of a nested run is told of that run and its nodes, not of what is around it") {
  watcher w;
  auto body = [&]() -> ag::task<> {
    co_await work(1);
    auto nested = ag::run_async(inner(1), {.observer = &w});
    co_await std::move(nested);
    co_await work(1);
  };
  ag::testing::simulation(1).run(body());
  CHECK(w.lines() ==
        texts{"run_started inner", "node_made naps#3", "node_started naps#3", "node_ended naps#3", "run_ended inner"});
}

TEST_CASE("of several observers each is told, those of the nested run first") {
  texts order;
  struct noting : ag::observer {
    noting(texts& t, std::string n) : order(t), name(std::move(n)) {}
    void on_event(const ag::event& e) override { order.push_back(fmt::format("{}: {}", name, e.id().substr(0, 5))); }
    texts& order;
    std::string name;
  } outermost(order, "outermost"), own(order, "own");
  auto body = [&]() -> ag::task<> {
    auto nested = ag::run_async(inner(1), {.observer = &own});
    co_await std::move(nested);
  };
  ag::testing::simulation(1).run(body(), {.observer = &outermost});
  CHECK(order == texts{"outermost: task#", "outermost: inner", "own: inner", "outermost: inner", "own: naps#",
                     "outermost: naps#", "own: naps#", "outermost: naps#", "own: naps#", "outermost: naps#",
                     "own: inner", "outermost: inner", "outermost: task#"});
}

TEST_CASE("an observer is told of nodes, whatever the run records") {
  watcher w;
  auto body = []() -> ag::task<> { co_await work(1); };
  ag::run(body(), {.record = ag::record::off, .observer = &w});
  CHECK(w.lines() ==
        texts{"run_started task", "node_made work#1", "node_started work#1", "node_ended work#1", "run_ended task"});
}

TEST_CASE("an observer of a run is told of a nested run that records nothing") {
  watcher w;
  auto body = []() -> ag::task<> {
    auto nested = ag::run_async(inner(1), {.record = false});
    co_await std::move(nested);
  };
  ag::testing::simulation(1).run(body(), {.observer = &w});
  CHECK(w.of(kind::node_ended).size() == 2);
}

TEST_CASE("an observer of a nested run is told of its nodes where the outer run records nothing") {
  watcher w;
  auto body = [&]() -> ag::task<> {
    auto nested = ag::run_async(inner(1), {.observer = &w});
    co_await std::move(nested);
  };
  ag::testing::simulation(1).run(body(), {.record = false});
  CHECK(w.lines() ==
        texts{"run_started inner", "node_made naps#1", "node_started naps#1", "node_ended naps#1", "run_ended inner"});
  CHECK(w.facts.at(1).path == "0");
}

TEST_CASE("root number and number identify a node, also of nested runs in a run that records nothing") {
  watcher w;
  auto body = [&]() -> ag::task<> {
    auto a = ag::run_async(inner(1), {.observer = &w});
    auto b = ag::run_async(inner(2), {.observer = &w});
    co_await ag::gather(std::move(a), std::move(b));
  };
  ag::testing::simulation(1).run(body(), {.record = false});
  std::set<std::pair<std::uint64_t, std::uint64_t>> nodes;
  for (const fact& f : w.of(kind::node_made)) nodes.emplace(f.root, f.number);
  CHECK(nodes.size() == 2);
}

// --- observers that throw

TEST_CASE("an observer that throws is detached, which is logged, and the run goes on") {
  thrower t(2);
  ag::memory_logger log;
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<std::string> {
    co_await work(1);
    co_await work(2);
    co_return ctx.run_id();
  }};
  const std::string id = ag::run(agent(), {.observer = &t, .logger = &log});
  CHECK(t.seen == 2);
  CHECK(log.lines() == texts{fmt::format("error {}: an observer threw and is detached: no more", id)});
}

TEST_CASE("an observer that throws at the first event is detached") {
  thrower t(1);
  ag::memory_logger log;
  auto body = []() -> ag::task<> { co_await work(1); };
  CHECK_NOTHROW(ag::run(body(), {.observer = &t, .logger = &log}));
  CHECK(t.seen == 1);
  CHECK(log.lines().size() == 1);
}

TEST_CASE("an observer that throws at the last event is reported") {
  thrower t(5);
  ag::memory_logger log;
  auto body = []() -> ag::task<> { co_await work(1); };
  CHECK_NOTHROW(ag::run(body(), {.observer = &t, .logger = &log}));
  CHECK(t.seen == 5);
  CHECK(log.lines().size() == 1);
}

TEST_CASE("an observer that throws what is no std::exception is reported too") {
  struct : ag::observer {
    void on_event(const ag::event&) override { throw 7; }
  } t;
  ag::memory_logger log;
  auto body = []() -> ag::task<> { co_return; };
  ag::run(body(), {.observer = &t, .logger = &log});
  REQUIRE(log.lines().size() == 1);
  CHECK_THAT(log.lines()[0],
      Catch::Matchers::EndsWith("an observer threw and is detached: an exception that is no std::exception"));
}

TEST_CASE("an observer that throws does not detach another") {
  thrower t(3);
  watcher w;
  ag::memory_logger log;
  auto body = [&]() -> ag::task<> {
    auto nested = ag::run_async(inner(1), {.observer = &t});
    co_await std::move(nested);
    co_await work(1);
  };
  ag::testing::simulation(1).run(body(), {.observer = &w, .logger = &log});
  CHECK(t.seen == 3);
  CHECK(w.facts.size() == 11);
  CHECK(log.lines().size() == 1);
}

TEST_CASE("an observer that throws at a node of a nested run is detached from the whole run") {
  thrower t(4);  // the nested call is made
  ag::memory_logger log;
  auto body = []() -> ag::task<> {
    co_await inner(1);
    co_await inner(1);
  };
  ag::testing::simulation(1).run(body(), {.observer = &t, .logger = &log});
  CHECK(t.seen == 4);
  CHECK(log.lines().size() == 1);
}

TEST_CASE("an observer that a run has detached is told of the next run") {
  thrower t(1);
  ag::memory_logger log;
  auto body = []() -> ag::task<> { co_return; };
  ag::run(body(), {.observer = &t, .logger = &log});
  ag::run(body(), {.observer = &t, .logger = &log});
  CHECK(t.seen == 2);
}

// --- what was asked to stop

TEST_CASE("a node that does not stop when asked is told at once, and after 1, 2 and 4 seconds more") {
  watcher w;
  ag::testing::simulation(1).try_run(beside_a_failure(stubborn(11'500)), {.observer = &w});
  std::vector<ag::duration> times;
  for (const fact& f : w.of(kind::node_stopping)) {
    CHECK(f.id == "stubborn#2");
    CHECK(f.state == ag::node_state::stopping);
    CHECK(f.failure == "cancelled: something that was awaited with it failed");
    times.push_back(f.at);
  }
  CHECK(times == std::vector<ag::duration>{1s, 2s, 4s, 8s});
  CHECK(w.of(kind::node_ended).back().state == ag::node_state::done);
}

TEST_CASE("a node that stops when asked is not told as stopping") {
  watcher w;
  ag::testing::simulation(1).try_run(beside_a_failure(naps(11'500)), {.observer = &w});
  CHECK(w.of(kind::node_stopping).empty());
  CHECK(w.of(kind::node_ended).back().state == ag::node_state::cancelled);
}

TEST_CASE("a nested run that does not stop is told, and the call that holds it up") {
  watcher w;
  const ag::graph_fn holds{"holds", []() -> ag::task<int> { co_return co_await stubborn(1500); }};
  ag::testing::simulation(1).try_run(beside_a_failure(holds()), {.observer = &w});
  texts ids;
  for (const fact& f : w.of(kind::node_stopping)) ids.push_back(f.id);
  CHECK(ids == texts{"holds#2", "stubborn#3"});
}

TEST_CASE("the deadline of a run is a request to stop") {
  watcher w;
  auto body = []() -> ag::task<> { co_await stubborn(2500); };
  ag::testing::simulation(1).try_run(body(), {.deadline = 1s, .observer = &w});
  const auto stopping = w.of(kind::node_stopping);
  REQUIRE(stopping.size() == 2);
  CHECK(stopping[0].failure == "cancelled: the deadline of the run has passed");
  CHECK(stopping[1].at == 2s);
}

TEST_CASE("an observer of a nested run is told what stops by a request to the run around it") {
  watcher w;
  const ag::graph_fn holds{"holds", []() -> ag::task<int> { co_return co_await stubborn(2500); }};
  ag::testing::simulation(1).try_run(beside_a_failure(ag::run_async(holds(), {.observer = &w})));
  std::vector<ag::duration> times;
  for (const fact& f : w.of(kind::node_stopping)) {
    CHECK(f.id == "stubborn#3");
    times.push_back(f.at);
  }
  CHECK(times == std::vector<ag::duration>{1s, 2s});
}

TEST_CASE("nothing is told of a run that has ended") {
  watcher w;
  ag::testing::simulation sim{1};
  sim.try_run(beside_a_failure(stubborn(1500)), {.observer = &w});
  const auto told = w.facts.size();
  auto sleeps = []() -> ag::task<> { co_await ag::sleep_for(1h); };
  sim.run(sleeps());
  CHECK(w.facts.size() == told);
  CHECK(w.facts.back().what == kind::run_ended);
}

TEST_CASE("a simulated run in which nothing can happen again throws, though an observer watches it stop") {
  watcher w;
  ag::semaphore sem{1};
  const ag::tool hangs{"hangs", [&](int) -> ag::task<> {
    auto first = co_await ag::shielded(sem.acquire());
    auto second = co_await ag::shielded(sem.acquire());
  }};
  CHECK_THROWS_WITH(ag::testing::simulation(1).try_run(beside_a_failure(hangs(1)), {.observer = &w}),
      Catch::Matchers::Contains("hangs#2 (0.1) stopping, waits for a permit of a semaphore"));
}

// --- threads

TEST_CASE("an observer of one run is never called by two threads at once") {
  struct : ag::observer {
    void on_event(const ag::event&) override {
      if (inside.exchange(true)) overlapped = true;
      ++events;  // not atomic: the strand orders it
      inside = false;
    }
    std::atomic<bool> inside = false;
    std::atomic<bool> overlapped = false;
    int events = 0;
  } o;
  boost::asio::thread_pool pool(4);
  auto body = []() -> ag::task<> {
    for (int i = 0; i < 50; ++i) co_await ag::gather(naps(0), naps(0), inner(0), work(0));
  };
  ag::run_async(pool.get_executor(), body(), {.observer = &o}, boost::asio::use_future).get();
  CHECK_FALSE(o.overlapped);
  CHECK(o.events == 2 + 50 * 5 * 3);
}

TEST_CASE("one observer may serve runs on several threads") {
  struct : ag::observer {
    void on_event(const ag::event& e) override {
      if (e.kind() == kind::run_ended) ++ended;
    }
    std::atomic<int> ended = 0;
  } o;
  boost::asio::thread_pool pool(2);
  auto body = []() -> ag::task<> { co_await naps(0); };
  for (int i = 0; i < 100; ++i) ag::run_async(pool, body(), {.observer = &o}, boost::asio::detached);
  pool.join();
  CHECK(o.ended == 100);
}
