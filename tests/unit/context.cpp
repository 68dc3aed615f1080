#include "aethergraph/context.hpp"

#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool whoami{"whoami", [](ag::context& ctx) -> ag::task<std::string> {
  co_await ag::sleep_for(0s);
  co_return ctx.id();
}};

static_assert(!std::is_copy_constructible_v<ag::context> && !std::is_move_constructible_v<ag::context>);

}  // namespace

TEST_CASE("a tool's body learns its name and the name of its run") {
  const ag::tool tool{
      "tool", [](ag::context& ctx) { return std::string(ctx.name()) + " in " + std::string(ctx.run_name()); }};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<std::string> { co_return co_await tool(); }};
  CHECK(ag::run(agent()) == "tool in agent");
}

TEST_CASE("an agent's body learns its name") {
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<std::string> {
    co_return std::string(ctx.name()) + " in " + std::string(ctx.run_name());
  }};
  CHECK(ag::run(agent()) == "agent in agent");
}

TEST_CASE("the context comes before the arguments") {
  const ag::tool tool{
      "tool", [](ag::context& ctx, int a, int b) { return std::string(ctx.name()) + std::to_string(a - b); }};
  CHECK(ag::run(tool(3, 1)) == "tool2");
}

TEST_CASE("calls of a run are numbered in the order in which they start") {
  auto body = []() -> ag::task<std::vector<std::string>> {
    std::vector<decltype(whoami())> calls;
    for (int i = 0; i < 3; ++i) calls.push_back(whoami());
    co_return co_await ag::gather(std::move(calls));
  };
  CHECK(ag::run(body()) == std::vector<std::string>{"whoami#1", "whoami#2", "whoami#3"});
}

TEST_CASE("calls are numbered within their run") {
  auto body = []() -> ag::task<std::string> { co_return co_await whoami(); };
  CHECK(ag::run(body()) == "whoami#1");
  CHECK(ag::run(body()) == "whoami#1");
}

TEST_CASE("a run's identity begins with the agent's name") {
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<std::string> { co_return ctx.run_id(); }};
  CHECK_THAT(ag::run(agent()), Catch::Matchers::Matches("agent#[0-9]+"));
}

TEST_CASE("no two runs have one identity") {
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<std::string> { co_return ctx.run_id(); }};
  std::set<std::string> ids;
  for (int i = 0; i < 10; ++i) ids.insert(ag::run(agent()));
  CHECK(ids.size() == 10);
}

TEST_CASE("an agent's identity is that of its run") {
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<bool> { co_return ctx.id() == ctx.run_id(); }};
  CHECK(ag::run(agent()));
}

TEST_CASE("a nested run has an identity of its own") {
  const ag::graph_fn inner{
      "inner", [](ag::context& ctx) -> ag::task<std::string> { co_return std::string(ctx.run_id()); }};
  const ag::graph_fn outer{"outer", [&](ag::context& ctx) -> ag::task<bool> {
    std::string id = co_await inner();
    co_return id != ctx.run_id() && id.starts_with("inner#");
  }};
  CHECK(ag::run(outer()));
}

TEST_CASE("the run of a task is named task, the run of a call after its tool") {
  const ag::tool tool{"tool", [](ag::context& ctx) { return std::string(ctx.run_name()); }};
  auto body = [&]() -> ag::task<std::string> { co_return co_await tool(); };
  CHECK(ag::run(body()) == "task");
  CHECK(ag::run(tool()) == "tool");
}

TEST_CASE("nobody was asked to stop at first") {
  const ag::tool tool{"tool", [](ag::context& ctx) { return ctx.stop_requested(); }};
  CHECK_FALSE(ag::run(tool()));
}

TEST_CASE("a tool that lost a race learns that it was asked to stop") {
  bool stopped = false;
  const ag::tool loser{"loser", [&](ag::context& ctx) -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    stopped = ctx.stop_requested();
  }};
  auto body = [&]() -> ag::task<> { co_await ag::race(loser(), ag::sleep_for(1ms)); };
  ag::testing::simulation(1).run(body());
  CHECK(stopped);
}

TEST_CASE("only the scope that was asked to stop shows it") {
  bool stopped = true;
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<> {
    co_await ag::race(ag::sleep_for(24h), ag::sleep_for(1ms));
    stopped = ctx.stop_requested();
  }};
  ag::testing::simulation(1).run(agent());
  CHECK_FALSE(stopped);
}
