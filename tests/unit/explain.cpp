#include "aethergraph/explain.hpp"

#include <ranges>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"
#include "support/timed_programs.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;
using namespace test;
using Catch::Matchers::Equals;

namespace {

using texts = std::vector<std::string>;

/// "naps#1 body 0-10", in milliseconds.
texts path(const ag::explanation& x) {
  texts all;
  for (const ag::explanation::step& s : x.critical_path)
    all.push_back(fmt::format("{} {} {}-{}", s.node, to_string(s.what), ms(s.begin), ms(s.end)));
  return all;
}

std::string forecast(const ag::explanation& x) {
  if (!x.one_more_slot) return "none";
  return fmt::format(
      "{}: {}, {}", x.one_more_slot->slots, ms(x.one_more_slot->now), ms(x.one_more_slot->with_one_more));
}

template <class A>
ag::explanation explained(A inv, const ag::run_options& options = {}) {
  return ag::explain(timed(std::move(inv), options));
}

ag::timed_node node(std::string id, ag::duration begin, ag::duration end, std::vector<std::size_t> after = {}) {
  ag::timed_node n;
  n.id = std::move(id);
  n.state = ag::node_state::done;
  n.phases = {{ag::node_phase::body, begin, end}};
  n.after = std::move(after);
  return n;
}

}  // namespace

TEST_CASE("of a chain all is on the critical path, and more slots give nothing") {
  auto chain = []() -> ag::task<> {
    co_await naps(10);
    co_await ag::sleep_for(3ms);
    co_await naps(20);
    co_await ag::sleep_for(4ms);
  };
  const ag::explanation x = explained(chain());
  CHECK_THAT(path(x), Equals(texts{"naps#1 body 0-10", " body 10-13", "naps#2 body 13-33", " body 33-37"}));
  CHECK(ms(x.total) == 37);
  CHECK(ms(x.working) == 37);
  CHECK(x.lost_on_path.total() == 0ms);
  CHECK(x.lost.total() == 0ms);
  CHECK(x.nodes.empty());
  CHECK(forecast(x) == "4: 37, 37");
}

TEST_CASE("of a fan under a cap the path goes by way of the wait for a slot, which one more slot shortens") {
  const ag::explanation x = explained(fan(6, 10), {.max_concurrency = 2});
  CHECK_THAT(path(x), Equals(texts{"naps#6 slot 0-20", "naps#6 body 20-30"}));
  CHECK(ms(x.working) == 10);
  CHECK(ms(x.lost_on_path.slot) == 20);
  CHECK(ms(x.lost.slot) == 2 * 10 + 2 * 20);
  CHECK(x.lost.total() == x.lost.slot);
  REQUIRE(x.nodes.size() == 4);
  CHECK(x.nodes[0].node == "naps#3");
  CHECK(ms(x.nodes[0].lost.slot) == 10);
  CHECK(forecast(x) == "2: 30, 20");
  CHECK(x.one_more_slot->gain() == 10ms);
}

TEST_CASE("a wait for a pool is lost to the pool, and no slot helps") {
  ag::resource_pool pool("pool", 1);
  const ag::tool pooled{"pooled", nap, {.pool = &pool}};
  auto two = [&]() -> ag::task<> { co_await ag::gather(pooled(10), pooled(15)); };
  const ag::explanation x = explained(two());
  CHECK_THAT(path(x), Equals(texts{"pooled#2 pool 0-10", "pooled#2 body 10-25"}));
  CHECK(ms(x.lost.pool) == 10);
  CHECK(x.lost.total() == 10ms);
  CHECK(forecast(x) == "4: 25, 25");
}

TEST_CASE("failed attempts and the delays between them are lost to retries") {
  const ag::explanation x = explained([]() -> ag::task<> { co_await flaky(2); }());
  CHECK_THAT(path(x), Equals(texts{"flaky#1 failed_attempt 0-2", "flaky#1 delay 2-7", "flaky#1 failed_attempt 7-9",
                          "flaky#1 delay 9-19", "flaky#1 body 19-21"}));
  CHECK(ms(x.lost.failed_attempts) == 4);
  CHECK(ms(x.lost.delay) == 15);
  CHECK(ms(x.lost_on_path.total()) == 19);
  CHECK(forecast(x) == "4: 21, 21");
}

TEST_CASE("a call that waits between attempts lets others have its slot, in the forecast too") {
  auto both = []() -> ag::task<> { co_await ag::gather(flaky(2), naps(12)); };
  // One slot: 0-2 flaky, 2-14 the nap, 14-16 flaky, 26-28 flaky. Two: 0-2, 7-9, 19-21.
  const ag::explanation x = explained(both(), {.max_concurrency = 1});
  CHECK(ms(x.total) == 28);
  CHECK(x.one_more_slot->slots == 1);
  CHECK(ms(x.one_more_slot->now) == 28);
  CHECK(ms(x.one_more_slot->with_one_more) == 21);
}

TEST_CASE("the path goes into nested runs, which have one more slot each in the forecast") {
  const ag::explanation x = explained(outer());
  CHECK_THAT(path(x), Equals(texts{"naps#1 body 0-5", "naps#4 slot 5-15", "naps#4 body 15-25"}));
  CHECK(forecast(x) == "4: 25, 15");
}

TEST_CASE("the path goes into bodies that call, whose own time is theirs") {
  const ag::explanation x = explained([]() -> ag::task<> { co_await family(); }());
  CHECK_THAT(path(x), Equals(texts{"naps#2 body 0-10", "naps#4 body 10-40", "family#1 body 40-42"}));
}

TEST_CASE("children start on the slots of their callers, in the forecast too") {
  auto two = []() -> ag::task<> { co_await ag::gather(family(), family()); };
  for (const int cap : {1, 2, 3, 4}) {
    const ag::explanation x = explained(two(), {.max_concurrency = cap});
    const ag::explanation more = explained(two(), {.max_concurrency = cap + 1});
    CAPTURE(cap);
    CHECK(ms(x.one_more_slot->now) == ms(x.total));
    CHECK(ms(x.one_more_slot->with_one_more) == ms(more.total));
  }
}

TEST_CASE("of a static graph the path follows what depends on what") {
  const ag::graphify diamond{"diamond", []() {
    const ag::node<int> first = naps(10);
    const ag::node<int> left = adds(first, naps(1));
    const ag::node<int> right = naps(left);
    const ag::node<int> beside = naps(30);
    return adds(right, beside);
  }};
  // 1: naps(10), 2: naps(1), 3: adds, 4: naps(11), 5: naps(30), 6: adds
  const ag::explanation x = explained(diamond(), {.max_concurrency = 2});
  CHECK(ms(x.total) == 31);
  CHECK_THAT(path(x), Equals(texts{"naps#5 slot 0-1", "naps#5 body 1-31"}));
  CHECK(ms(x.lost.slot) == 1);
  CHECK(ms(x.lost.dependencies) == 10 + 10 + 31);
  CHECK(forecast(x) == "2: 31, 30");
}

TEST_CASE("nodes of a graph start in the order of their declaration, in the forecast too") {
  const ag::graphify g{"g", []() {
    const ag::node<int> first = naps(10);
    const ag::node<int> second = naps(first);
    std::vector<ag::node<int>> all{second};
    for (int i = 0; i < 5; ++i) all.push_back(naps(15));
    return ag::tool{"last", [](const std::vector<int>& v) { return v.size(); }}(all);
  }};
  for (const int cap : {1, 2, 3, 6}) {
    const ag::explanation x = explained(g(), {.max_concurrency = cap});
    const ag::explanation more = explained(g(), {.max_concurrency = cap + 1});
    CAPTURE(cap);
    CHECK(ms(x.one_more_slot->now) == ms(x.total));
    CHECK(ms(x.one_more_slot->with_one_more) == ms(more.total));
  }
}

TEST_CASE("elements of a map wait for slots like other calls") {
  const ag::explanation x = explained(mapped({10, 10, 10, 10}), {.max_concurrency = 2});
  CHECK(ms(x.lost.slot) == 20);
  CHECK(forecast(x) == "2: 20, 20");
  CHECK(forecast(explained(mapped({10, 10, 10, 10}), {.max_concurrency = 3})) == "3: 20, 10");
}

TEST_CASE("what was cancelled or skipped does not hide who failed") {
  auto stops = []() -> ag::task<> { co_await ag::gather(fails(5), naps(20), naps(20)); };
  const ag::explanation x = explained(stops(), {.max_concurrency = 2});
  CHECK(x.state == ag::node_state::failed);
  // Two bodies ended at 5 ms, one of them since the other one did: the later of them stands for both.
  CHECK_THAT(path(x), Equals(texts{"naps#2 body 0-5"}));
  CHECK(ms(x.lost.slot) == 5);

  const ag::explanation g = explained(failing_graph(), {.on_error = ag::on_error::skip_dependents});
  CHECK_THAT(path(g), Equals(texts{"naps#3 body 0-20"}));
  CHECK(ms(g.lost.dependencies) == 5 + 20);
}

TEST_CASE("a path and its parts add up to the total, whatever the seed") {
  ag::resource_pool pool("pool", 2);
  const ag::tool pooled{"pooled", nap, {.pool = &pool}};
  auto mixed = [&]() -> ag::task<> {
    auto naps_of_all = std::views::iota(1, 12) | std::views::transform(pooled);
    co_await ag::gather(family(), ag::gather(naps_of_all), outer(), flaky(3));
    co_await family();
  };
  for (unsigned seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    const ag::task_graph g =
        ag::testing::simulation(seed).try_run(mixed(), {.max_concurrency = 3, .record = ag::record::times}).graph();
    const ag::explanation x = ag::explain(g);
    ag::duration at{};
    bool is_contiguous = true;
    for (const ag::explanation::step& s : x.critical_path) {
      is_contiguous = is_contiguous && s.begin == at && s.end > at;
      at = s.end;
    }
    CHECK(is_contiguous);
    CHECK(at == x.total);
    CHECK(x.working + x.lost_on_path.total() == x.total);
  }
}

TEST_CASE(
    "a long chain and a wide fan are explained without recursion, and a gather after a gather without an edge "
    "for each pair") {
  auto wide = []() -> ag::task<> {
    auto many = std::views::iota(0, 20'000) | std::views::transform(naps);
    co_await ag::gather(many);
    co_await ag::gather(many);
  };
  const ag::explanation x = explained(wide(), {.max_concurrency = 30'000});
  CHECK(ms(x.total) == 2 * 19'999);
  CHECK(forecast(x) == "30000: 39998, 39998");

  auto deep = [](auto& self, int depth) -> ag::task<int> {
    const ag::tool next{"next", [&self](int left) -> ag::task<int> {
      if (left > 0) co_return co_await self(self, left);
      co_return co_await naps(1);
    }};
    co_return co_await next(depth - 1);
  };
  const ag::explanation d = explained(deep(deep, 2000));
  CHECK_THAT(path(d), Equals(texts{"naps#2001 body 0-1"}));
  CHECK(forecast(d) == "4: 1, 1");
}

TEST_CASE("data from elsewhere is explained like a graph, without a forecast if slots are not known") {
  ag::timed_run r;
  r.id = "nightly";
  r.state = ag::node_state::done;
  r.total = 50ms;
  r.nodes = {node("a", 0ms, 10ms), node("b", 0ms, 20ms), node("c", 25ms, 50ms, {3})};
  r.joins = {{0, 1}};
  ag::explanation x = ag::explain(r);
  CHECK_THAT(path(x), Equals(texts{"b body 0-20", " body 20-25", "c body 25-50"}));
  CHECK(forecast(x) == "none");
  r.slots = 1;  // less than it had: the simulation says what that had taken
  CHECK(forecast(ag::explain(r)) == "1: 60, 50");
}

TEST_CASE("data from elsewhere that makes no sense ends all the same") {
  ag::timed_run r;
  r.id = "nightly";
  r.total = 10ms;
  r.slots = 1;
  r.nodes = {node("a", 0ms, 10ms, {1}), node("b", 0ms, 10ms, {0}), node("a", 12ms, 3ms)};
  r.nodes[1].parent = "b";
  r.nodes[2].parent = "a";
  CHECK(ag::explain(r).total == 10ms);
  r.nodes[0].after = {17};
  CHECK_THROWS_MATCHES(ag::explain(r), ag::option_error,
      Catch::Matchers::Message("run 'nightly': 'a' comes after position 17, but there are 3 nodes and joins"));
}

TEST_CASE("an explanation as text says what was lost where, and no more than a page of it") {
  const ag::explanation x = explained(fan(6, 10), {.max_concurrency = 2});
  CHECK(x.text() ==
        "fan#1: done in 30ms\n"
        "critical path: bodies 10ms, lost slot 20ms\n"
        "       0ns +20ms     naps#6: slot\n"
        "      20ms +10ms     naps#6\n"
        "lost by all nodes together: slot 60ms\n"
        "  naps#5: slot 20ms\n"
        "  naps#6: slot 20ms\n"
        "  naps#3: slot 10ms\n"
        "  naps#4: slot 10ms\n"
        "3 slots instead of 2: 20ms instead of 30ms, by simulation\n");

  auto many = []() -> ag::task<> {
    for (int i = 0; i < 1000; ++i) co_await ag::gather(naps(1), plain(1), plain(2));
  };
  const std::string text = explained(many(), {.max_concurrency = 1}).text();
  CHECK(std::ranges::count(text, '\n') < 60);
  CHECK_THAT(text, Catch::Matchers::Contains("960 more\n"));
}
