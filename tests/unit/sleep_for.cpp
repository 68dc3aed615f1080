#include "aethergraph/sleep_for.hpp"

#include <chrono>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

TEST_CASE("a sleep takes the time it was given") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> { co_await ag::sleep_for(90min); };
  sim.run(body());
  CHECK(sim.elapsed() == 90min);
}

TEST_CASE("a sleep in real time is not shorter than it was given") {
  const auto begin = std::chrono::steady_clock::now();
  auto body = []() -> ag::task<> { co_await ag::sleep_for(5ms); };
  ag::run(body());
  CHECK(std::chrono::steady_clock::now() - begin >= 5ms);
}

TEST_CASE("a sleep may be a fraction of any unit") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> { co_await ag::sleep_for(std::chrono::duration<double>{1.5}); };
  sim.run(body());
  CHECK(sim.elapsed() == 1500ms);
}

TEST_CASE("a sleep of zero or less takes no time") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> {
    co_await ag::sleep_for(0s);
    co_await ag::sleep_for(-5s);
  };
  sim.run(body());
  CHECK(sim.elapsed() == 0s);
}

TEST_CASE("a sleep of zero lets what is ready go first") {
  std::string order;
  auto step = [&](char name) -> ag::task<> {
    for (int i = 0; i < 3; ++i) {
      order += name;
      co_await ag::sleep_for(0s);
    }
  };
  auto body = [&]() -> ag::task<> { co_await ag::gather(step('a'), step('b')); };
  ag::run(body());
  CHECK(order == "ababab");
}

TEST_CASE("sleeps end in the order of their ends") {
  std::vector<int> order;
  auto step = [&](int ms) -> ag::task<> {
    co_await ag::sleep_for(std::chrono::milliseconds{ms});
    order.push_back(ms);
  };
  auto body = [&]() -> ag::task<> { co_await ag::gather(step(30), step(10), step(20)); };
  ag::testing::simulation(1).run(body());
  CHECK(order == std::vector<int>{10, 20, 30});
}

TEST_CASE("sleeps side by side take the time of the longest") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> {
    co_await ag::gather(ag::sleep_for(10ms), ag::sleep_for(30ms), ag::sleep_for(20ms));
  };
  sim.run(body());
  CHECK(sim.elapsed() == 30ms);
}

TEST_CASE("a cancelled sleep ends at once") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> { co_await ag::race(ag::sleep_for(24h), ag::sleep_for(1ms)); };
  sim.run(body());
  CHECK(sim.elapsed() == 1ms);
}

TEST_CASE("the longest of sleeps may be started and cancelled") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<std::size_t> {
    auto r = co_await ag::race(
        ag::sleep_for(std::chrono::hours::max()), ag::sleep_for(ag::duration::max()), ag::sleep_for(1ms));
    co_return r.index();
  };
  CHECK(sim.run(body()) == 2);
}

TEST_CASE("the longest of sleeps may be started and cancelled in real time") {
  auto body = []() -> ag::task<std::size_t> {
    auto r = co_await ag::race(
        ag::sleep_for(std::chrono::hours::max()), ag::sleep_for(ag::duration::max()), ag::sleep_for(1ms));
    co_return r.index();
  };
  CHECK(ag::run(body()) == 2);
}

TEST_CASE("the shortest of negative sleeps takes no time") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> { co_await ag::sleep_for(std::chrono::hours::min()); };
  sim.run(body());
  CHECK(sim.elapsed() == 0s);
}

TEST_CASE("ten thousand sleeps may be under way at once") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> {
    std::vector<ag::sleep_awaitable> sleeps;
    for (int i = 0; i < 10'000; ++i) sleeps.push_back(ag::sleep_for(std::chrono::milliseconds{(i * 37) % 1000}));
    co_await ag::gather(std::move(sleeps));
  };
  sim.run(body());
  CHECK(sim.elapsed() == 999ms);
}

TEST_CASE("sleep_until waits until a time by the clock of its run") {
  ag::testing::simulation sim{1};
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<> {
    const auto begin = ctx.now();
    co_await ag::sleep_for(1h);
    co_await ag::sleep_until(begin + 90min);
    CHECK(ctx.now() == begin + 90min);
    co_await ag::sleep_until(begin);
    co_await ag::sleep_until(std::chrono::steady_clock::time_point::min());
    CHECK(ctx.now() == begin + 90min);
  }};
  sim.run(agent());
  CHECK(sim.elapsed() == 90min);
}

TEST_CASE("sleep_until of a time that never comes ends when it is cancelled") {
  auto body = []() -> ag::task<> { co_await ag::sleep_until(std::chrono::steady_clock::time_point::max()); };
  CHECK_THROWS_AS(ag::testing::simulation(1).run(body(), {.deadline = 1h}), ag::timed_out);
}

TEST_CASE("sleep_until waits in real time where the run does") {
  const auto until = std::chrono::steady_clock::now() + 5ms;
  auto body = [&]() -> ag::task<> { co_await ag::sleep_until(until); };
  ag::run(body());
  CHECK(std::chrono::steady_clock::now() >= until);
}
