#include "aethergraph/timed_run.hpp"

#include <ranges>
#include <stdexcept>
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

/// "pool 0-10, body 10-30", in milliseconds.
std::string phases(const ag::timed_run& r, std::string_view id) {
  std::string text;
  for (const ag::timed_node& n : r.nodes) {
    if (n.id != id) continue;
    for (const ag::timed_phase& p : n.phases)
      text += fmt::format("{}{} {}-{}", text.empty() ? "" : ", ", to_string(p.what), ms(p.begin), ms(p.end));
  }
  return text;
}

}  // namespace

TEST_CASE("a run that was not recorded with times says which option it lacks") {
  for (const ag::record how : {ag::record(ag::record::off), ag::record(ag::record::nodes)}) {
    ag::testing::simulation sim(1);
    const ag::task_graph g = sim.try_run(naps(1), {.record = how}).graph();
    CHECK_THROWS_MATCHES(g.times(), ag::option_error,
        Catch::Matchers::Message("the run 'naps#1' was not recorded with times; run it with the option "
                                 "`.record = ag::record::times`"));
    CHECK_THROWS_AS(ag::timeline(g), ag::option_error);
    CHECK_THROWS_AS(ag::explain(g), ag::option_error);
  }
  CHECK_THROWS_AS(ag::task_graph().times(), ag::option_error);
  CHECK_THROWS_AS(abcd.build().spec().times(), ag::option_error);
}

TEST_CASE("a call waits for a slot from when it was made until its body starts") {
  const ag::timed_run r = timed(fan(3, 10), {.max_concurrency = 2});
  CHECK(r.slots == 2U);
  CHECK(ms(r.total) == 20);
  CHECK(phases(r, "naps#1") == "body 0-10");
  CHECK(phases(r, "naps#2") == "body 0-10");
  CHECK(phases(r, "naps#3") == "slot 0-10, body 10-20");
}

TEST_CASE("a total reaches to the end of the body, not only to that of its last call") {
  auto body = []() -> ag::task<> {
    co_await naps(3);
    co_await ag::sleep_for(4ms);
  };
  CHECK(ms(timed(body()).total) == 7);
}

TEST_CASE("waits for a pool, a rate and the next attempt stand apart, and so do failed attempts") {
  ag::resource_pool pool("pool", 1);
  ag::rate_limit rate(100, 1);
  const ag::tool pooled{"pooled", nap, {.pool = &pool}};
  const ag::tool rated{"rated", nap, {.rate = &rate}};
  auto both = [&]() -> ag::task<> {
    co_await ag::gather(pooled(10), pooled(10));
    co_await rated(1);
    co_await rated(1);
    co_await flaky(2);
  };
  const ag::timed_run r = timed(both());
  CHECK(phases(r, "pooled#1") == "body 0-10");
  CHECK(phases(r, "pooled#2") == "pool 0-10, body 10-20");
  CHECK(phases(r, "rated#4") == "rate 21-30, body 30-31");
  CHECK(phases(r, "flaky#5") == "failed_attempt 31-33, delay 33-38, failed_attempt 38-40, delay 40-50, body 50-52");
  CHECK(r.nodes.back().attempts == 3);
  CHECK(ms(r.nodes.back().started().value()) == 31);
}

TEST_CASE("a call that waits for a permit of its runtime says so") {
  // In real time: only that there is such a wait is certain.
  ag::runtime rt({.max_concurrency = 1});
  const ag::timed_run r = ag::try_run(rt, fan(2, 100), {.record = ag::record::times}).graph().times();
  std::vector<ag::node_phase> seen;
  for (const ag::timed_phase& p : r.nodes.at(1).phases) seen.push_back(p.what);
  CHECK(seen.back() == ag::node_phase::body);
  CHECK(std::ranges::count(seen, ag::node_phase::permit) == 1);
}

TEST_CASE("a node of a static graph waits for what it depends on first") {
  const ag::timed_run r = timed(abcd(), {.max_concurrency = 1});
  CHECK(phases(r, "naps#1") == "body 0-10");
  CHECK(phases(r, "naps#2") == "slot 0-10, body 10-30");
  CHECK(phases(r, "adds#3") == "dependencies 0-30, body 30-30");
  CHECK(r.nodes[0].is_declared);
}

TEST_CASE("elements of a map are ready when the map is") {
  const ag::timed_run r = timed(mapped({10, 10, 10}), {.max_concurrency = 2});
  REQUIRE(r.nodes.size() == 4);
  CHECK(phases(r, r.nodes[0].id) == "body 0-20");
  CHECK(phases(r, r.nodes[1].id) == "body 0-10");
  CHECK(phases(r, r.nodes[3].id) == "slot 0-10, body 10-20");
  CHECK(r.nodes[3].parent == r.nodes[0].id);
}

TEST_CASE("a nested run has slots of its own, and its calls have times from the start of the outermost") {
  const ag::timed_run r = timed(outer(), {.max_concurrency = 4});
  CHECK(phases(r, "naps#1") == "body 0-5");
  CHECK(phases(r, "inner#2") == "body 5-25");
  CHECK(phases(r, "naps#4") == "slot 5-15, body 15-25");
  CHECK(r.nodes[1].slots == 1U);
}

TEST_CASE("a call that was cancelled while it waited has no body, and what never started none either") {
  auto stops = []() -> ag::task<> {
    co_await ag::as_result(ag::gather(fails(5), naps(20), naps(20)));
    co_await naps(1);
  };
  const ag::timed_run r = timed(stops(), {.max_concurrency = 2});
  CHECK(phases(r, "fails#1") == "body 0-5");
  CHECK(phases(r, "naps#2") == "body 0-5");
  CHECK(r.nodes[1].state == ag::node_state::cancelled);
  CHECK(phases(r, "naps#3") == "slot 0-5");
  CHECK_FALSE(r.nodes[2].started());
  CHECK(r.nodes[0].failure == "failed");

  const ag::timed_run g = timed(failing_graph(), {.on_error = ag::on_error::skip_dependents});
  CHECK(phases(g, "fails#1") == "body 0-5");
  CHECK(phases(g, "naps#2") == "dependencies 0-5");
  CHECK(g.nodes[1].state == ag::node_state::skipped);
}

TEST_CASE("of a run that goes on, what goes on lasts until it was looked at") {
  // Only a hosted run can be looked at while it runs, and only in real time.
  ag::runtime rt;
  auto h = ag::start(rt, fan(2, 60'000), {.max_concurrency = 1, .record = ag::record::times});
  ag::task_graph seen;
  do seen = h.graph();
  while (seen.nodes().size() < 2);
  h.cancel();
  CHECK_THROWS_AS(h.get(), ag::cancelled);
  const ag::timed_run r = seen.times();
  CHECK(r.nodes[1].phases.size() == 1);
  CHECK(r.nodes[1].phases[0].what == ag::node_phase::slot);
  CHECK(r.nodes[1].phases[0].end == r.total);
}

TEST_CASE("what of a long run is folded takes its times along") {
  auto many = []() -> ag::task<> {
    for (int i = 0; i < 105'000; ++i) co_await plain(i);
    co_await naps(7);
  };
  const ag::timed_run r = timed(many());
  CHECK(r.folded > 0);
  CHECK(r.folded + r.nodes.size() == 105'001);
  CHECK(phases(r, "naps#105001") == "body 0-7");
  CHECK(phases(r, r.nodes[0].id) == "body 0-0");
}
