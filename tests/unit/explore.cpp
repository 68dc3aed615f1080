#include "aethergraph/explore.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

/// An agent whose two parts are ready at the same time, and which fails when the second one is first.
struct two_parts {
  std::vector<std::string> log;
  ag::tool<void(std::string)> part{"part", [this](std::string name) -> ag::task<> {
    co_await ag::sleep_for(1s);
    log.push_back(name + " is ready");
    co_await ag::sleep_for(0s);
    if (log.front() == "second is ready") throw std::runtime_error("the second part was first");
    log.push_back(name + " is done");
  }};
  ag::task<int> agent() {
    log.clear();
    co_await ag::gather(part("first"), part("second"));
    co_return 2;
  }
};

/// What an exploration throws.
template <class Explore>
ag::testing::exploration_error failure_of(Explore explore) {
  try {
    explore();
  } catch (const ag::testing::exploration_error& e) {
    return e;
  }
  FAIL("no seed failed");
  std::abort();
}

std::string message_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  }
}

/// The environment variable, for as long as this lives.
class seed_variable {
 public:
  explicit seed_variable(const char* value) { setenv("AETHERGRAPH_SEED", value, 1); }
  seed_variable(const seed_variable&) = delete;
  seed_variable& operator=(const seed_variable&) = delete;
  ~seed_variable() { unsetenv("AETHERGRAPH_SEED"); }
};

const ag::graph_fn constant{"constant", [](int x) -> ag::task<int> { co_return x; }};

}  // namespace

TEST_CASE("an exploration in which no seed fails tells how many seeds and interleavings it ran") {
  auto sleeper = []() -> ag::task<> { co_await ag::sleep_for(1s); };
  auto body = [&]() -> ag::task<> { co_await ag::gather(sleeper(), sleeper(), sleeper()); };
  const ag::testing::exploration all = ag::testing::explore(100, [&] { return body(); });
  CHECK(all.seeds == 100);
  CHECK(all.interleavings >= 6);  // of the three, and of the steps that end them
  CHECK(all.interleavings <= 100);
  CHECK(ag::testing::explore(10, [] { return constant(1); }).interleavings == 1);
}

TEST_CASE("each seed runs an invocation of its own, with the seed if that is asked for") {
  std::vector<std::uint64_t> seeds;
  ag::testing::explore(3, [&](std::uint64_t seed) {
    seeds.push_back(seed);
    return constant(1);
  });
  CHECK(seeds == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("the first seed can be chosen") {
  std::vector<std::uint64_t> seeds;
  auto make = [&](std::uint64_t seed) {
    seeds.push_back(seed);
    return constant(1);
  };
  ag::testing::explore(2, make, {.first_seed = 1000});
  CHECK(seeds == std::vector<std::uint64_t>{1000, 1001});
}

TEST_CASE("an exploration stops at the first seed that throws, and names it, the cause and how to replay it") {
  two_parts parts;
  std::uint64_t last = 0;
  const auto e = failure_of([&] {
    ag::testing::explore(100, [&](std::uint64_t seed) {
      last = seed;
      return parts.agent();
    });
  });
  CHECK(e.seed() == last);
  CHECK(message_of(e.cause()) == "the second part was first");
  const std::string n = std::to_string(last);
  CHECK(std::string(e.what()) == "seed " + n + " failed, after " + std::to_string(last - 1) +
                                     " that did not: the second part was first\n"
                                     "To run this seed alone, set AETHERGRAPH_SEED=" +
                                     n + " in the environment, or use ag::testing::simulation(" + n + ").");
}

TEST_CASE("a simulation with the seed that failed takes the same steps and fails in the same way") {
  for (const std::uint64_t first : {1U, 100U, 10'000U}) {
    two_parts parts;
    const auto e = failure_of([&] { ag::testing::explore(100, [&] { return parts.agent(); }, {.first_seed = first}); });
    const std::vector<std::string> steps = parts.log;
    REQUIRE(steps.size() >= 2);
    CHECK_THROWS_WITH(ag::testing::simulation(e.seed()).run(parts.agent()), "the second part was first");
    CHECK(parts.log == steps);
  }
}

TEST_CASE("a deadlock under some seed is found") {
  ag::semaphore left(1);
  ag::semaphore right(1);
  auto both = [](ag::semaphore& a, ag::semaphore& b) -> ag::task<> {
    co_await ag::sleep_for(1ms);
    const auto first = co_await a.acquire();
    co_await ag::sleep_for(0s);
    const auto second = co_await b.acquire();
  };
  auto body = [&]() -> ag::task<> { co_await ag::gather(both(left, right), both(right, left)); };
  const auto e = failure_of([&] { ag::testing::explore(100, [&] { return body(); }); });
  CHECK_THROWS_AS(std::rethrow_exception(e.cause()), ag::testing::deadlock_error);
  CHECK_THAT(e.what(), Contains("waits for a permit of a semaphore (2 times)"));
}

TEST_CASE("a check that returns false or throws fails the seed") {
  auto make = [](std::uint64_t seed) { return constant(static_cast<int>(seed)); };
  const auto is_false = failure_of([&] { ag::testing::explore(10, make, [](int x) { return x < 4; }); });
  CHECK(is_false.seed() == 4);
  CHECK(message_of(is_false.cause()) == "the check of the run returned false for the result 4");
  const auto throws = failure_of([&] {
    ag::testing::explore(10, make, [](int x) {
      if (x == 6) throw std::runtime_error("six");
    });
  });
  CHECK(throws.seed() == 6);
  CHECK(message_of(throws.cause()) == "six");
}

TEST_CASE("a check takes results that can only be moved") {
  auto make = []() -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  ag::testing::explore(1, make, [](std::unique_ptr<int> p) { return *p == 3; });
  const auto e = failure_of([&] { ag::testing::explore(1, make, [](const auto& p) { return *p == 4; }); });
  CHECK(message_of(e.cause()) == "the check of the run returned false");
}

TEST_CASE("a check of the run's result sees runs that throw, which then have not failed") {
  two_parts parts;
  int failed = 0;
  ag::testing::explore(100, [&] { return parts.agent(); }, [&](ag::run_result<int>& r) {
    failed += !r.ok();
    return r.graph().nodes().size() == 2;
  });
  CHECK(failed > 20);
  CHECK(failed < 80);
}

TEST_CASE("the check of a run without a result is called with nothing") {
  int checked = 0;
  auto body = []() -> ag::task<> { co_await ag::sleep_for(1s); };
  ag::testing::explore(5, [&] { return body(); }, [&] { ++checked; });
  CHECK(checked == 5);
}

TEST_CASE("options of an exploration reach its runs") {
  std::size_t peak = 0;
  const ag::tool work{"work", [](int) -> ag::task<> { co_await ag::sleep_for(1s); }};
  auto body = [&]() -> ag::task<> {
    const std::vector<int> many(10);
    co_await ag::gather(many | std::views::transform(work));
  };
  auto check = [&](const ag::run_result<void>& r) { peak = std::max(peak, r.peak_concurrency()); };
  ag::testing::explore(3, [&] { return body(); }, check, {.run = {.max_concurrency = 7}});
  CHECK(peak == 7);
}

TEST_CASE("what is called with the simulation does all of the work itself") {
  ag::duration in_all{};
  auto body = []() -> ag::task<int> {
    co_await ag::sleep_for(1h);
    co_return 1;
  };
  const auto all = ag::testing::explore(3, [&](ag::testing::simulation& sim) {
    sim.run(body());
    sim.run(body());
    in_all += sim.elapsed();
  });
  CHECK(all.seeds == 3);
  CHECK(in_all == 6h);
  const auto e = failure_of([&] {
    ag::testing::explore(3, [&](ag::testing::simulation& sim) { return sim.run(body()) == 1 && sim.seed() < 2; });
  });
  CHECK(e.seed() == 2);
}

TEST_CASE("what throws while it makes an invocation fails the seed") {
  const auto e = failure_of([] {
    ag::testing::explore(3, [](std::uint64_t seed) {
      if (seed == 2) throw std::runtime_error("no invocation");
      return constant(1);
    });
  });
  CHECK(e.seed() == 2);
  CHECK(message_of(e.cause()) == "no invocation");
}

TEST_CASE("AETHERGRAPH_SEED has one seed run, and no other") {
  const seed_variable variable("18446744073709551615");
  std::vector<std::uint64_t> seeds;
  const auto all = ag::testing::explore(100, [&](std::uint64_t seed) {
    seeds.push_back(seed);
    return constant(1);
  });
  CHECK(all.seeds == 1);
  CHECK(seeds == std::vector<std::uint64_t>{18446744073709551615U});
}

TEST_CASE("AETHERGRAPH_SEED that is no seed is refused") {
  for (const char* value : {"", "x", "-1", "17 ", "18446744073709551616"}) {
    const seed_variable variable(value);
    CHECK_THROWS_AS(ag::testing::explore(1, [] { return constant(1); }), ag::option_error);
  }
  const seed_variable variable("seventeen");
  CHECK_THROWS_WITH(ag::testing::explore(1, [] { return constant(1); }),
      "the environment variable AETHERGRAPH_SEED is 'seventeen'; it must be a seed, such as 17, or not be set");
}

TEST_CASE("an exploration of less than one seed is refused") {
  CHECK_THROWS_WITH(
      ag::testing::explore(0, [] { return constant(1); }), "explore was asked to run 0 seeds; it needs at least 1");
}

TEST_CASE("an exploration inside a run throws, naming run_async") {
  auto body = []() -> ag::task<> {
    ag::testing::explore(1, [] { return constant(1); });
    co_return;
  };
  CHECK_THROWS_WITH(ag::run(body()), Contains("run_async"));
}
