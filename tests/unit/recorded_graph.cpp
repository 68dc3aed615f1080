#include "aethergraph/recorded_graph.hpp"

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

constexpr auto slow_body = [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds(ms));
  co_return ms;
};
const ag::tool slow{"slow", slow_body};
const ag::tool outer{"outer", [](int ms) -> ag::task<int> {
  const int a = co_await slow(ms);
  co_return a + co_await slow(ms + 1);
}};
const ag::tool add{"add", [](int a, int b) { return a + b; }};
const ag::tool broken{"broken", [](int) -> int { throw std::runtime_error("no"); }};
const ag::graph_fn nested{"nested", [](int n) -> ag::task<int> { co_return co_await slow(n); }};

const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<int> {
  const int first = co_await slow(1);
  const auto [a, b, c] = co_await ag::gather(outer(first), slow(3), nested(2));
  const int last = co_await slow(a + b + c);
  const bool is_well = co_await ctx.channel().ask_approval("Well?");
  co_return is_well ? last : 0;
}};
const ag::graphify joining{"joining", [](ag::node<std::vector<int>> xs, ag::node<int> n) {
  const ag::tool count{"count", [](std::vector<int> v) { return static_cast<int>(v.size()); }};
  auto counted = count(ag::map(slow, xs));
  return add(counted, broken(outer(n)));
}};

std::vector<std::string> parents_of(const ag::task_graph& g) {
  std::vector<std::string> all;
  for (const auto& n : g.nodes()) all.push_back(n.id + " < " + n.parent);
  std::sort(all.begin(), all.end());
  return all;
}
ag::node_state state_of(const ag::task_graph& g, std::string_view id) {
  const auto* n = g.find(id);
  REQUIRE(n != nullptr);
  return n->state;
}

using names = std::vector<std::string>;

void run_agent(ag::memory_store& store) {
  ag::memory_channel channel;
  CHECK_THROWS_AS(ag::run(agent(), {.channel = &channel, .store = &store, .run_id = "a"}), ag::run_parked);
}
void run_graph(ag::memory_store& store) {
  CHECK_THROWS(ag::run(joining({1, 2, 3}, 2), {.store = &store, .run_id = "g"}));
}

}  // namespace

TEST_CASE("calls that a store knows stand below the bodies that made them") {
  ag::memory_store store;
  run_agent(store);
  const ag::task_graph g = ag::recorded_graph(store, "a");
  CHECK(g.id() == "a");
  CHECK(parents_of(g) == names{"body#1.2 < ", "outer#1.0 < ", "slow#0 < ", "slow#1.0/0 < outer#1.0",
                             "slow#1.0/1 < outer#1.0", "slow#1.1 < ", "slow#1.2/0 < body#1.2", "slow#2 < "});
  CHECK(state_of(g, "body#1.2") == ag::node_state::done);
  CHECK(g.find("body#1.2")->kind == ag::node_kind::run);
}

TEST_CASE("a call of an agent comes after what ended before it in its sequence") {
  ag::memory_store store;
  run_agent(store);
  const ag::task_graph g = ag::recorded_graph(store, "a");
  CHECK(g.upstream("slow#0").empty());
  CHECK(g.upstream("outer#1.0") == names{"slow#0"});
  CHECK(g.upstream("slow#1.0/0").empty());
  CHECK(g.upstream("slow#1.0/1") == names{"slow#1.0/0"});
  CHECK(g.upstream("slow#2").size() == 4);
  REQUIRE(g.joins().size() == 1);
  CHECK(g.joins()[0].path == "1");
}

TEST_CASE("a stored graph has all its nodes and edges, whatever has become of them") {
  ag::memory_store store;
  run_graph(store);
  const ag::task_graph g = ag::recorded_graph(store, "g");
  CHECK(g.state() == ag::node_state::failed);
  CHECK(state_of(g, "outer#3") == ag::node_state::done);
  CHECK(state_of(g, "broken#4") == ag::node_state::failed);
  CHECK(state_of(g, "add#5") == ag::node_state::skipped);
  CHECK(g.find("slow#1")->kind == ag::node_kind::map);
  CHECK(g.find("slow#1")->path == ":slow#1");
  CHECK(g.upstream("add#5") == names{"slow#1", "count#2", "outer#3", "broken#4"});
  CHECK(g.select("tool:slow").size() == 1 + 3 + 2);
  const std::string dot = g.to_dot();
  CHECK(dot.find("outer#3") != std::string::npos);
}

TEST_CASE("a stored run has a timeline and an explanation") {
  ag::memory_store store;
  run_agent(store);
  run_graph(store);
  for (const char* id : {"a", "g"}) {
    CAPTURE(id);
    const ag::timed_run times = ag::recorded_times(store, id);
    CHECK(times.total > 0ns);
    const ag::explanation why = ag::explain(times);
    CHECK(why.total == times.total);
    ag::duration at{};
    for (const auto& step : why.critical_path) {
      CHECK(step.begin == at);
      at = step.end;
    }
    CHECK(at == why.total);
    CHECK(ag::timeline(times).to_gantt().find("slow") != std::string::npos);
    for (const ag::timed_node& n : times.nodes)
      for (const ag::timed_phase& p : n.phases) {
        CAPTURE(n.id);
        CHECK(p.begin >= 0ns);
        CHECK(p.end >= p.begin);
        CHECK(p.end <= times.total);
      }
  }
}

TEST_CASE("the critical path of a stored agent goes through its longest calls") {
  ag::memory_store store;
  const ag::graph_fn two{"two", []() -> ag::task<int> {
    const auto [a, b] = co_await ag::gather(slow(20), slow(2));
    co_return a + b + co_await slow(10);
  }};
  ag::run(two(), {.store = &store, .run_id = "a"});
  std::vector<std::string> bodies;
  for (const auto& step : ag::explain(ag::recorded_times(store, "a")).critical_path)
    if (step.what == ag::node_phase::body && !step.node.empty()) bodies.push_back(step.node);
  CHECK(bodies == names{"slow#0.0", "slow#1"});
}

TEST_CASE("an explanation of a stored run says what its calls waited for, and what one more slot would give") {
  ag::memory_store store;
  ag::resource_pool pool{"server", 1};
  int failures = 1;
  const ag::tool pooled{"pooled", slow_body, {.pool = &pool}};
  const ag::tool retried{"retried", [&](int ms) -> ag::task<int> {
    co_await ag::sleep_for(std::chrono::milliseconds(ms));
    if (failures-- > 0) throw std::runtime_error("not yet");
    co_return ms;
  }, {.retry = {.max_attempts = 2, .first_delay = 10ms, .jitter = 0}}};
  const ag::graph_fn waits{"waits", [&]() -> ag::task<int> {
    const auto [a, b] = co_await ag::gather(pooled(10), pooled(10));
    const int c = co_await retried(10);
    const auto [d, e, f] = co_await ag::gather(slow(20), slow(20), slow(20));
    co_return a + b + c + d + e + f;
  }};
  const auto check = [](const ag::explanation& why) {
    CHECK(why.lost.pool >= 8ms);
    CHECK(why.lost.delay >= 10ms);
    CHECK(why.lost.failed_attempts >= 10ms);
    CHECK(why.lost.slot >= 18ms);
    CHECK(why.lost_on_path.pool >= 8ms);
    REQUIRE(why.one_more_slot);
    CHECK(why.one_more_slot->slots == 2);
    CHECK(why.one_more_slot->gain() >= 10ms);
    CHECK(why.one_more_slot->gain() <= 30ms);
  };
  ag::run(waits(), {.max_concurrency = 2, .store = &store, .run_id = "a"});
  check(ag::explain(ag::recorded_times(store, "a")));
  ag::run(waits(), {.max_concurrency = 8, .store = &store, .run_id = "a"});
  check(ag::explain(ag::recorded_times(store, "a")));  // which has not run again
}

TEST_CASE("a body that was interrupted began before what it has done") {
  ag::memory_store store;
  const ag::graph_fn twice{"twice", []() -> ag::task<int> { co_return co_await outer(2); }};
  store.fail_after(2);  // the inner call, with the time that it waited
  CHECK_THROWS_AS(ag::run(twice(), {.store = &store, .run_id = "a"}), ag::store_error);
  store.heal();
  CHECK(ag::recorded_graph(store, "a").find("body#0")->state == ag::node_state::running);
  ag::run(twice(), {.store = &store, .run_id = "a"});
  const ag::task_graph g = ag::recorded_graph(store, "a");
  CHECK(*g.find("outer#0")->start <= *g.find("slow#0/0")->start);
  CHECK(g.find("outer#0")->state == ag::node_state::done);
}

TEST_CASE("a run that is not there has no graph") {
  ag::memory_store store;
  CHECK_THROWS_AS(ag::recorded_graph(store, "none"), ag::store_error);
}
