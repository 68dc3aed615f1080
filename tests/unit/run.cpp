#include "aethergraph/run.hpp"

#include <atomic>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool doubled{"doubled", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return co_await doubled(x); }};

ag::task<int> value_of(int x) { co_return x; }
ag::task<> forever() { co_await ag::sleep_for(24h); }

struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};

// Whether a run with these options is refused.
bool is_refused(const ag::run_options& o) {
  try {
    ag::run(value_of(1), o);
  } catch (const ag::option_error&) {
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("run gives what an invocation gives") { CHECK(ag::run(agent(2)) == 4); }

TEST_CASE("run gives what a call gives") { CHECK(ag::run(doubled(2)) == 4); }

TEST_CASE("run gives what a task gives") { CHECK(ag::run(value_of(2)) == 2); }

TEST_CASE("run gives what has no default constructor and does not copy") {
  struct both : no_default {
    explicit both(int v) : no_default(v), p(std::make_unique<int>(v)) {}
    std::unique_ptr<int> p;
  };
  auto body = []() -> ag::task<both> { co_return both{3}; };
  CHECK(*ag::run(body()).p == 3);
}

TEST_CASE("run throws what the body threw") {
  auto body = []() -> ag::task<> {
    throw std::out_of_range("outside");
    co_return;
  };
  CHECK_THROWS_AS(ag::run(body()), std::out_of_range);
}

TEST_CASE("run throws what is no exception class too") {
  auto body = []() -> ag::task<> {
    throw 42;
    co_return;
  };
  CHECK_THROWS_AS(ag::run(body()), int);
}

TEST_CASE("a cap of zero is refused, naming it and what is valid") {
  CHECK_THROWS_AS(ag::run(agent(1), {.max_concurrency = 0}), ag::option_error);
  CHECK_THROWS_WITH(
      ag::run(agent(1), {.max_concurrency = 0}), Catch::Matchers::Matches(".*max_concurrency.* 0.*at least 1.*"));
}

TEST_CASE("a negative cap is refused, naming it") {
  CHECK_THROWS_AS(ag::run(agent(1), {.max_concurrency = -1}), ag::option_error);
  CHECK_THROWS_WITH(ag::run(agent(1), {.max_concurrency = -1}), Catch::Matchers::Matches(".*-1.*at least 1.*"));
}

TEST_CASE("a bad cap is refused of a run of a call or a task too") {
  CHECK_THROWS_AS(ag::run(doubled(1), {.max_concurrency = 0}), ag::option_error);
  CHECK_THROWS_AS(ag::run(value_of(1), {.max_concurrency = 0}), ag::option_error);
}

TEST_CASE("a bad cap starts nothing") {
  bool started = false;
  auto body = [&]() -> ag::task<> {
    started = true;
    co_return;
  };
  CHECK_THROWS_AS(ag::run(body(), {.max_concurrency = 0}), ag::option_error);
  CHECK_FALSE(started);
}

TEST_CASE("a cap of one is enough") { CHECK(ag::run(agent(1), {.max_concurrency = 1}) == 2); }

TEST_CASE("the largest cap is accepted") {
  CHECK(ag::run(agent(1), {.max_concurrency = std::numeric_limits<int>::max()}) == 2);
}

TEST_CASE("options that are not supported are refused, not ignored") {
  int somewhere = 0;
  CHECK(is_refused({.store = reinterpret_cast<ag::run_store*>(&somewhere)}));
  CHECK(is_refused({.run_id = "nightly-7"}));
}

TEST_CASE("a null channel is the default one") { CHECK(ag::run(agent(1), {.channel = nullptr}) == 2); }

TEST_CASE("run inside a run throws, naming run_async") {
  auto body = []() -> ag::task<int> { co_return ag::run(agent(1)); };
  CHECK_THROWS_AS(ag::run(body()), ag::error);
  CHECK_THROWS_WITH(ag::run(body()), Catch::Matchers::Matches(".*run_async.*"));
}

TEST_CASE("run inside the body of a plain-function tool throws, naming run_async") {
  const ag::tool t{"t", [](int x) { return ag::run(agent(x)); }};
  CHECK_THROWS_WITH(ag::run(t(1)), Catch::Matchers::Matches(".*run_async.*"));
}

TEST_CASE("try_run inside a run throws, naming run_async") {
  auto body = []() -> ag::task<bool> { co_return ag::try_run(agent(1)).ok(); };
  CHECK_THROWS_WITH(ag::run(body()), Catch::Matchers::Matches(".*run_async.*"));
}

TEST_CASE("run after a refused run inside a run works") {
  auto body = []() -> ag::task<int> { co_return ag::run(agent(1)); };
  CHECK_THROWS_AS(ag::run(body()), ag::error);
  CHECK(ag::run(agent(1)) == 2);
}

TEST_CASE("run on another thread inside a run works") {
  auto body = []() -> ag::task<int> {
    int got = 0;
    std::thread other([&] { got = ag::run(agent(4)); });
    other.join();
    co_return got;
  };
  CHECK(ag::run(body()) == 8);
}

TEST_CASE("many threads run the same agent at once") {
  std::atomic<int> sum = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) sum += ag::run(agent(1));
    });
  for (auto& t : threads) t.join();
  CHECK(sum == 800);
}

TEST_CASE("a deadline that passes ends the run with timed_out") {
  ag::testing::simulation sim{1};
  CHECK_THROWS_AS(sim.run(forever(), {.deadline = 50ms}), ag::timed_out);
  CHECK(sim.elapsed() == 50ms);
}

TEST_CASE("a deadline ends a run in real time too") {
  CHECK_THROWS_AS(ag::run(forever(), {.deadline = 5ms}), ag::timed_out);
}

TEST_CASE("a deadline's message names the duration") {
  CHECK_THROWS_WITH(
      ag::testing::simulation(1).run(forever(), {.deadline = 50ms}), Catch::Matchers::Matches(".*50(ms|000000ns).*"));
}

TEST_CASE("a deadline that does not pass is harmless") { CHECK(ag::run(agent(3), {.deadline = 24h}) == 6); }

TEST_CASE("the longest deadline is harmless") { CHECK(ag::run(agent(3), {.deadline = ag::duration::max()}) == 6); }

TEST_CASE("a far deadline does not hold up a run that suspends") {
  auto body = []() -> ag::task<> { co_await ag::sleep_for(2ms); };
  const auto begin = std::chrono::steady_clock::now();
  ag::run(body(), {.deadline = 1h});
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
}

TEST_CASE("a deadline ends loops over what is always ready") {
  ag::semaphore always(1);
  auto permits = [&]() -> ag::task<> {
    for (;;) auto permit = co_await always.acquire();
  };
  auto gathers = []() -> ag::task<> {
    for (;;) co_await ag::gather(std::vector<ag::task<>>());
  };
  auto results = []() -> ag::task<> {
    for (;;) (co_await ag::as_result(agent(1))).value();
  };
  CHECK_THROWS_AS(ag::run(permits(), {.deadline = 2ms}), ag::timed_out);
  CHECK_THROWS_AS(ag::run(gathers(), {.deadline = 2ms}), ag::timed_out);
  CHECK_THROWS_AS(ag::run(results(), {.deadline = 2ms}), ag::timed_out);
}

TEST_CASE("a failure that stopped a run before its deadline did stays its outcome") {
  const ag::tool fails{"fails", []() -> ag::task<> {
    co_await ag::sleep_for(1ms);
    throw std::runtime_error("first");
  }};
  const ag::tool lingers{"lingers", []() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::shielded(ag::sleep_for(10ms));  // the deadline passes meanwhile
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(fails(), lingers()); };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body(), {.deadline = 5ms}), "first");
}

TEST_CASE("a value that comes in spite of the deadline is the outcome") {
  auto body = []() -> ag::task<int> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_return 5;
  };
  CHECK(ag::testing::simulation(1).run(body(), {.deadline = 50ms}) == 5);
}

TEST_CASE("an exception that the body throws after the deadline is the outcome") {
  auto body = []() -> ag::task<int> {
    co_await ag::as_result(ag::sleep_for(24h));
    throw std::runtime_error("while cleaning up");
  };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body(), {.deadline = 50ms}), "while cleaning up");
}

TEST_CASE("try_run gives what the run gives") { CHECK(ag::try_run(agent(2)).value() == 4); }

TEST_CASE("try_run throws nothing that the body threw") {
  auto body = []() -> ag::task<int> {
    co_await value_of(1);
    throw std::runtime_error("failed");
  };
  CHECK_FALSE(ag::try_run(body()).ok());
}

TEST_CASE("try_run of a run that its deadline ended is not ok") {
  CHECK_FALSE(ag::testing::simulation(1).try_run(forever(), {.deadline = 1ms}).ok());
}
