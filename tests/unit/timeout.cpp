#include "aethergraph/timeout.hpp"

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <stdexcept>
#include <string>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

ag::task<int> after(int ms) {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  co_return ms;
}

// "value", or which exception of the library.
template <class A>
ag::task<std::string> outcome(A a) {
  try {
    co_await std::move(a);
    co_return "value";
  } catch (const ag::timed_out&) {
    co_return "timed_out";
  } catch (const ag::cancelled&) {
    co_return "cancelled";
  }
}

}  // namespace

TEST_CASE("timeout gives what comes in time") {
  auto body = []() -> ag::task<int> { co_return co_await ag::timeout(after(10), 20ms); };
  CHECK(ag::testing::simulation(1).run(body()) == 10);
}

TEST_CASE("timeout throws timed_out at its time") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<int> { co_return co_await ag::timeout(after(1000), 20ms); };
  CHECK_THROWS_AS(sim.run(body()), ag::timed_out);
  CHECK(sim.elapsed() == 20ms);
}

TEST_CASE("timeout works in real time") {
  auto body = []() -> ag::task<int> { co_return co_await ag::timeout(after(100'000), 2ms); };
  CHECK_THROWS_AS(ag::run(body()), ag::timed_out);
}

TEST_CASE("the message of timed_out names the duration") {
  auto body = []() -> ag::task<int> { co_return co_await ag::timeout(after(1000), 20ms); };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), Catch::Matchers::Matches(".*20(ms|000000ns).*"));
}

TEST_CASE("timeout throws what its awaitable throws in time") {
  auto fails = []() -> ag::task<> {
    co_await ag::sleep_for(1ms);
    throw std::runtime_error("in time");
  };
  auto body = [&]() -> ag::task<> { co_await ag::timeout(fails(), 20ms); };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), "in time");
}

TEST_CASE("a value that comes in spite of the request to stop is given") {
  auto stubborn = []() -> ag::task<int> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_return 7;
  };
  auto body = [&]() -> ag::task<int> { co_return co_await ag::timeout(stubborn(), 20ms); };
  CHECK(ag::testing::simulation(1).run(body()) == 7);
}

TEST_CASE("an exception that comes in place of the request to stop is thrown") {
  auto stubborn = []() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    throw std::runtime_error("while cleaning up");
  };
  auto body = [&]() -> ag::task<> { co_await ag::timeout(stubborn(), 20ms); };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), "while cleaning up");
}

TEST_CASE("timeout awaits what it cancelled") {
  ag::testing::simulation sim{1};
  auto cleans = []() -> ag::task<> {
    auto r = co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::shielded(ag::sleep_for(30ms));
    r.value();
  };
  auto body = [&]() -> ag::task<> { co_await ag::timeout(cleans(), 20ms); };
  CHECK_THROWS_AS(sim.run(body()), ag::timed_out);
  CHECK(sim.elapsed() == 50ms);
}

TEST_CASE("of nested timeouts the inner one may be first") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<std::string> {
    co_return co_await ag::timeout(outcome(ag::timeout(after(1000), 10ms)), 20ms);
  };
  CHECK(sim.run(body()) == "timed_out");
  CHECK(sim.elapsed() == 10ms);
}

TEST_CASE("of nested timeouts the outer one may be first, and cancels the inner one") {
  ag::testing::simulation sim{1};
  std::string inner;
  auto body = [&]() -> ag::task<> {
    auto note = [&]() -> ag::task<> {
      inner = co_await outcome(ag::timeout(after(1000), 20ms));
      co_await ag::sleep_for(0s);
    };
    co_await ag::timeout(note(), 10ms);
  };
  CHECK_THROWS_WITH(sim.run(body()), Catch::Matchers::Matches(".*10(ms|000000ns).*"));
  CHECK(inner == "cancelled");
  CHECK(sim.elapsed() == 10ms);
}

TEST_CASE("a run goes on after a timeout") {
  auto body = []() -> ag::task<int> {
    auto r = co_await ag::as_result(ag::timeout(after(1000), 10ms));
    co_return r ? 0 : co_await after(5);
  };
  CHECK(ag::testing::simulation(1).run(body()) == 5);
}

TEST_CASE("a timeout of zero gives what ends at once") {
  auto at_once = []() -> ag::task<int> { co_return 1; };
  auto body = [&]() -> ag::task<int> { co_return co_await ag::timeout(at_once(), 0s); };
  CHECK(ag::run(body()) == 1);
}

TEST_CASE("a timeout of zero or less ends what suspends") {
  for (auto d : {0ms, -5ms}) {
    ag::testing::simulation sim{1};
    auto body = [&]() -> ag::task<int> { co_return co_await ag::timeout(after(1), d); };
    CHECK_THROWS_AS(sim.run(body()), ag::timed_out);
    CHECK(sim.elapsed() == 0s);
  }
}

TEST_CASE("the longest of timeouts is harmless") {
  auto body = []() -> ag::task<int> {
    co_return co_await ag::timeout(after(1), ag::duration::max()) + co_await ag::timeout(after(1), 24h * 365);
  };
  CHECK(ag::run(body()) == 2);
}

TEST_CASE("a timeout longer than the clock can count is harmless") {
  auto body = []() -> ag::task<int> { co_return co_await ag::timeout(after(1), std::chrono::hours::max()); };
  CHECK(ag::testing::simulation(1).run(body()) == 1);
}

TEST_CASE("a timeout counts the time in which its call waits for a slot") {
  ag::testing::simulation sim{1};
  int started = 0;
  const ag::tool nap{"nap", [&](int ms) -> ag::task<> {
    ++started;
    co_await ag::sleep_for(std::chrono::milliseconds{ms});
  }};
  auto body = [&]() -> ag::task<std::string> {
    auto both = co_await ag::gather(nap(100), outcome(ag::timeout(nap(1), 10ms)));
    co_return std::get<1>(both);
  };
  CHECK(sim.run(body(), {.max_concurrency = 1}) == "timed_out");
  CHECK(started == 1);
}

TEST_CASE("a timeout reaches an operation of Asio's") {
  auto body = []() -> ag::task<> {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 24h);
    co_await ag::timeout(timer.async_wait(ag::use_task), 2ms);
  };
  CHECK_THROWS_AS(ag::run(body()), ag::timed_out);
}

TEST_CASE("timeout gives what only moves") {
  auto pointer = []() -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  auto body = [&]() -> ag::task<std::unique_ptr<int>> { co_return co_await ag::timeout(pointer(), 1h); };
  CHECK(*ag::run(body()) == 3);
}

TEST_CASE("a deadline that passes within a timeout ends the run with its own timed_out") {
  auto body = []() -> ag::task<int> { co_return co_await ag::timeout(after(1000), 500ms); };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body(), {.deadline = 20ms}),
      Catch::Matchers::Matches(".*deadline.*20(ms|000000ns).*"));
}

TEST_CASE("a gather under a timeout is cancelled as a whole") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> { co_await ag::timeout(ag::gather(after(5), after(1000), after(2000)), 20ms); };
  CHECK_THROWS_AS(sim.run(body()), ag::timed_out);
  CHECK(sim.elapsed() == 20ms);
}
