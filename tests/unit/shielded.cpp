#include "aethergraph/shielded.hpp"

#include <stdexcept>
#include <tuple>
#include <utility>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool twice{"twice", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(5ms);
  co_return 2 * x;
}};

// Awaits `a` in a scope that is asked to stop after a millisecond.
template <class A>
void run_and_lose(ag::testing::simulation& sim, A a) {
  auto body = [&]() -> ag::task<> { co_await ag::race(std::move(a), ag::sleep_for(1ms)); };
  sim.run(body());
}

}  // namespace

TEST_CASE("shielded gives what its awaitable gives") {
  auto body = []() -> ag::task<int> { co_return co_await ag::shielded(twice(2)); };
  CHECK(ag::testing::simulation(1).run(body()) == 4);
}

TEST_CASE("shielded throws what its awaitable throws") {
  auto fails = []() -> ag::task<> {
    co_await ag::sleep_for(1ms);
    throw std::runtime_error("within the shield");
  };
  auto body = [&]() -> ag::task<> { co_await ag::shielded(fails()); };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), "within the shield");
}

TEST_CASE("shielded runs in a scope that was asked to stop before") {
  ag::testing::simulation sim{1};
  int got = 0;
  auto losing = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    got = co_await ag::shielded(twice(2));
  };
  run_and_lose(sim, losing());
  CHECK(got == 4);
  CHECK(sim.elapsed() == 6ms);
}

TEST_CASE("a request to stop while it runs does not reach what is shielded") {
  ag::testing::simulation sim{1};
  bool finished = false;
  auto work = [&]() -> ag::task<> {
    co_await ag::sleep_for(10ms);
    co_await ag::sleep_for(10ms);
    finished = true;
  };
  auto losing = [&]() -> ag::task<> { co_await ag::shielded(work()); };
  run_and_lose(sim, losing());
  CHECK(finished);
  CHECK(sim.elapsed() == 20ms);
}

TEST_CASE("after the shield the request to stop is back") {
  ag::testing::simulation sim{1};
  bool threw = false;
  auto losing = [&]() -> ag::task<> {
    co_await ag::shielded(ag::sleep_for(10ms));
    try {
      co_await ag::sleep_for(0s);
    } catch (const ag::cancelled&) {
      threw = true;
    }
  };
  run_and_lose(sim, losing());
  CHECK(threw);
}

TEST_CASE("combinators work behind a shield in a scope that was asked to stop") {
  ag::testing::simulation sim{1};
  int got = 0;
  auto losing = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    auto both = co_await ag::shielded(ag::gather(twice(1), twice(2)));
    got = std::get<0>(both) + std::get<1>(both);
  };
  run_and_lose(sim, losing());
  CHECK(got == 6);
}

TEST_CASE("a nested run works behind a shield in a scope that was asked to stop") {
  ag::testing::simulation sim{1};
  int got = 0;
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return co_await twice(x); }};
  auto losing = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    got = co_await ag::shielded(agent(5));
  };
  run_and_lose(sim, losing());
  CHECK(got == 10);
}

TEST_CASE("a timeout behind a shield works as ever") {
  ag::testing::simulation sim{1};
  bool timed_out = false;
  auto losing = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    try {
      co_await ag::shielded(ag::timeout(ag::sleep_for(24h), 7ms));
    } catch (const ag::timed_out&) {
      timed_out = true;
    }
  };
  run_and_lose(sim, losing());
  CHECK(timed_out);
  CHECK(sim.elapsed() == 8ms);
}

TEST_CASE("a shield behind a shield works") {
  ag::testing::simulation sim{1};
  int got = 0;
  auto inner = [&]() -> ag::task<int> { co_return co_await ag::shielded(twice(3)); };
  auto losing = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    got = co_await ag::shielded(inner());
  };
  run_and_lose(sim, losing());
  CHECK(got == 6);
}

TEST_CASE("what is shielded outlasts the deadline of its run, and the value stands") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<int> { co_return co_await ag::shielded(twice(4)); };
  CHECK(sim.run(body(), {.deadline = 1ms}) == 8);
  CHECK(sim.elapsed() == 5ms);
}

TEST_CASE("a shielded call waits for a slot in spite of a request to stop") {
  ag::testing::simulation sim{1};
  int got = 0;
  auto losing = [&]() -> ag::task<> { got = co_await ag::shielded(twice(1)); };
  auto body = [&]() -> ag::task<> { co_await ag::race(ag::shielded(twice(7)), losing(), ag::sleep_for(1ms)); };
  sim.run(body(), {.max_concurrency = 1});
  CHECK(got == 2);
  CHECK(sim.elapsed() == 10ms);
}
