#include "aethergraph/recover.hpp"

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool twice{"twice", [](int x) { return 2 * x; }};
const ag::tool joined{"joined", [](std::vector<int> xs, std::string s) { return s + std::to_string(xs.size()); }};

const ag::graph_fn adding{"adding", [](int a, std::vector<int> more) -> ag::task<int> {
  int sum = co_await twice(a);
  for (int x : more) sum += co_await twice(x);
  co_return sum;
}};
const ag::graph_fn asking{"asking", [](ag::context& ctx) -> ag::task<std::string> {
  const std::string first = co_await ctx.channel().ask_text("First?");
  const std::string second = co_await ctx.channel().ask_text("Second?");
  co_return first + second;
}};
const ag::graphify listing{
    "listing", [](ag::node<std::vector<int>> xs, ag::node<std::string> s) { return joined(ag::map(twice, xs), s); }};
const ag::graphify chain{"chain", [](int length, ag::node<int> x) {
  ag::node<int> at = x;
  for (int i = 0; i < length; ++i) at = twice(at);
  return at;
}};

template <class Invocation>
void interrupt(ag::memory_store& store, Invocation i, std::string_view id) {
  store.fail_after(1);
  CHECK_THROWS_AS(ag::run(std::move(i), {.store = &store, .run_id = id}), ag::store_error);
  store.heal();
}

}  // namespace

TEST_CASE("interrupted runs of agents and graphs are resumed with the arguments that were recorded") {
  ag::memory_store store;
  ag::run(adding(1, {}), {.store = &store, .run_id = "ended"});
  interrupt(store, adding(1, {2, 3}), "agent");
  interrupt(store, listing({4, 5, 6}, "n"), "graph");
  interrupt(store, chain.build(3)(1), "built");
  const std::vector<ag::recovered_run> all = ag::recover(
      store, ag::resumes(adding), ag::resumes(listing), ag::resumes(chain.build(2)), ag::resumes(chain.build(3)));
  REQUIRE(all.size() == 3);
  for (const ag::recovered_run& r : all) CHECK(r.outcome == ag::recovery::done);
  CHECK(all[0].run_id == "agent");
  CHECK(all[0].program == "adding");
  CHECK(store.find("agent")->outcome == "12");
  CHECK(store.find("graph")->outcome == "\"n3\"");
  CHECK(store.find("built")->outcome == "8");
}

TEST_CASE("runs of unknown programs are skipped, and one that fails does not keep the others") {
  ag::memory_store store;
  interrupt(store, adding(1, {2, 3}), "unknown");
  interrupt(store, chain.build(3)(1), "other structure");
  interrupt(store, listing({4}, "n"), "known");
  const std::vector<ag::recovered_run> all = ag::recover(store, ag::resumes(chain.build(2)), ag::resumes(listing));
  REQUIRE(all.size() == 3);
  CHECK(all[0].outcome == ag::recovery::skipped);
  CHECK(all[1].outcome == ag::recovery::failed);
  CHECK_THROWS_AS(std::rethrow_exception(all[1].failure), ag::divergence_error);
  CHECK(all[2].outcome == ag::recovery::done);
}

TEST_CASE("a parked run is resumed when it has an answer that it has not seen") {
  ag::memory_store store;
  ag::memory_channel channel;
  CHECK_THROWS_AS(ag::run(asking(), {.channel = &channel, .store = &store, .run_id = "a"}), ag::run_parked);
  const ag::resumable program = ag::resumes(asking, {.channel = &channel});
  CHECK(ag::recover(store, program).empty());
  ag::deliver(store, "a@0", "x");
  std::vector<ag::recovered_run> all = ag::recover(store, program);
  REQUIRE(all.size() == 1);
  CHECK(all[0].outcome == ag::recovery::parked);
  CHECK_THROWS_AS(std::rethrow_exception(all[0].failure), ag::run_parked);
  CHECK(ag::recover(store, program).empty());
  ag::deliver(store, "a@1", "y");
  all = ag::recover(store, program);
  REQUIRE(all.size() == 1);
  CHECK(all[0].outcome == ag::recovery::done);
  CHECK(store.find("a")->outcome == "\"xy\"");
}

TEST_CASE("a parked run that was cancelled while it was stopping is resumed, and so ended") {
  ag::memory_store store;
  ag::memory_channel channel;
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<std::string> {
    try {
      co_return co_await ctx.channel().ask_text("Well?");
    } catch (const ag::cancelled&) {
      store.cancel("a");
      throw;
    }
  }};
  CHECK_THROWS_AS(ag::run(agent(), {.channel = &channel, .store = &store, .run_id = "a"}), ag::run_parked);
  REQUIRE(store.find("a")->status == ag::run_status::parked);
  CHECK(store.find("a")->cancel_requested);
  const std::vector<ag::recovered_run> all = ag::recover(store, ag::resumes(agent, {.channel = &channel}));
  REQUIRE(all.size() == 1);
  CHECK(all[0].outcome == ag::recovery::failed);
  CHECK_THROWS_AS(std::rethrow_exception(all[0].failure), ag::cancelled);
  CHECK(store.find("a")->status == ag::run_status::cancelled);
  CHECK(store.questions("a").empty());
}

TEST_CASE("a parked run is resumed when its time has come") {
  ag::memory_store store;
  const ag::graph_fn sleeping{"sleeping", [](ag::context& ctx) -> ag::task<std::string> {
    ag::ask_options briefly{.deadline = 1s};
    const auto r = co_await ag::as_result(ctx.channel().ask_text("Well?", briefly));
    co_return r.has_value() ? r.value() : std::string("too late");
  }};
  ag::memory_channel channel;
  CHECK_THROWS_AS(ag::run(sleeping(), {.channel = &channel, .store = &store, .run_id = "a"}), ag::run_parked);
  const ag::resumable program = ag::resumes(sleeping, {.channel = &channel});
  std::this_thread::sleep_for(1100ms);
  const std::vector<ag::recovered_run> all = ag::recover(store, program);
  REQUIRE(all.size() == 1);
  CHECK(all[0].outcome == ag::recovery::done);
  CHECK(store.find("a")->outcome == "\"too late\"");
}

TEST_CASE("a run that somebody executes is left to them") {
  ag::memory_store store;
  std::size_t found = 1;
  const ag::tool looking{"looking", [&] {
    found = ag::recover(store, ag::resumes(adding)).size();
    return 1;
  }};
  const ag::graph_fn agent{"adding", [&]() -> ag::task<int> { co_return co_await looking(); }};
  ag::run(agent(), {.store = &store, .run_id = "a"});
  CHECK(found == 0);
}

TEST_CASE("a program that takes other arguments than were recorded fails, saying so") {
  ag::memory_store store;
  interrupt(store, adding(1, {2, 3}), "a");
  const ag::graph_fn other{"adding", [](int a) -> ag::task<int> { co_return a; }};
  const std::vector<ag::recovered_run> all = ag::recover(store, ag::resumes(other));
  REQUIRE(all.size() == 1);
  CHECK(all[0].outcome == ag::recovery::failed);
  try {
    std::rethrow_exception(all[0].failure);
  } catch (const ag::divergence_error& e) {
    CHECK(std::string(e.what()) == "run 'a' was recorded with the arguments [1,[2,3]], and 'adding' takes 1 of them");
  }
}
