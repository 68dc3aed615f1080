#include "aethergraph/options.hpp"

#include <chrono>
#include <type_traits>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

// Outside programs name these fields in this order.
constexpr ag::run_options all_of_a_run{.max_concurrency = 8,
    .on_error = ag::on_error::skip_dependents,
    .deadline = 5s,
    .record = false,
    .channel = nullptr,
    .observer = nullptr,
    .store = nullptr,
    .run_id = "id",
    .parallel = true};
constexpr ag::graph_fn_options all_of_an_agent{.max_concurrency = 8, .version = "2"};
constexpr ag::tool_options all_of_a_tool{.timeout = 5ms,
    .retry = {.max_attempts = 4,
        .first_delay = 1ms,
        .factor = 3,
        .max_delay = 1s,
        .jitter = 0.5,
        .seed = 7,
        .when = nullptr},
    .pool = nullptr,
    .weight = 2,
    .rate = nullptr,
    .priority = 1,
    .workers = true,
    .version = "2",
    .label = "io"};

template <class O>
constexpr bool is_option_struct = std::is_aggregate_v<O> && std::is_trivially_destructible_v<O> &&
                                  std::is_copy_constructible_v<O> && std::is_default_constructible_v<O>;
static_assert(is_option_struct<ag::run_options>);
static_assert(is_option_struct<ag::graph_fn_options>);
static_assert(is_option_struct<ag::tool_options>);
static_assert(is_option_struct<ag::retry>);

}  // namespace

TEST_CASE("the options of a run keep what they are given") {
  CHECK(all_of_a_run.max_concurrency == 8);
  CHECK(all_of_a_run.deadline == 5s);
  CHECK(all_of_a_run.run_id == "id");
}

TEST_CASE("the options of an agent keep what they are given") {
  CHECK(all_of_an_agent.max_concurrency == 8);
  CHECK(all_of_an_agent.version == "2");
}

TEST_CASE("the options of a tool keep what they are given") {
  CHECK(all_of_a_tool.timeout == ag::duration{5ms});
  CHECK(all_of_a_tool.retry.max_attempts == 4);
  CHECK(all_of_a_tool.label == "io");
}

TEST_CASE("options by default ask for nothing") {
  constexpr ag::run_options run;
  CHECK_FALSE(run.max_concurrency.has_value());
  CHECK_FALSE(run.deadline.has_value());
  CHECK(run.on_error == ag::on_error::stop);
  CHECK(run.channel == nullptr);
  CHECK_FALSE(run.parallel);
  constexpr ag::tool_options tool;
  CHECK_FALSE(tool.timeout.has_value());
  CHECK(tool.retry.max_attempts == 1);
  CHECK(tool.weight == 1);
  CHECK_FALSE(tool.workers);
}

TEST_CASE("options may be a temporary inside a co_await expression") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x; }};
  auto body = [&]() -> ag::task<int> {
    co_return co_await ag::run_async(agent(3), {.max_concurrency = 8, .deadline = 1h, .run_id = {}});
  };
  CHECK(ag::run(body()) == 3);
}
