#include "aethergraph/simulation.hpp"

#include <boost/asio/post.hpp>
#include <chrono>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

// The order in which six tasks, all of them ready at once, take their steps.
std::string interleaving(std::uint64_t seed) {
  std::string order;
  auto step = [&](char name) -> ag::task<> {
    for (int i = 0; i < 3; ++i) {
      order += name;
      co_await ag::sleep_for(0s);
    }
  };
  auto body = [&]() -> ag::task<> {
    co_await ag::gather(step('a'), step('b'), step('c'), step('d'), step('e'), step('f'));
  };
  ag::testing::simulation(seed).run(body());
  return order;
}

}  // namespace

TEST_CASE("a simulated run gives what a run gives") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x + 1; }};
  CHECK(ag::testing::simulation(1).run(agent(1)) == 2);
}

TEST_CASE("a simulated run throws what the body threw") {
  auto body = []() -> ag::task<> {
    co_await ag::sleep_for(1s);
    throw std::runtime_error("simulated failure");
  };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), "simulated failure");
}

TEST_CASE("a simulated day takes no time") {
  auto body = []() -> ag::task<> { co_await ag::sleep_for(24h); };
  const auto begin = std::chrono::steady_clock::now();
  ag::testing::simulation(1).run(body());
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
}

TEST_CASE("virtual time adds up over the runs of a simulation") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> { co_await ag::sleep_for(1h); };
  sim.run(body());
  sim.run(body());
  CHECK(sim.elapsed() == 2h);
}

TEST_CASE("the same seed gives the same interleaving") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) CHECK(interleaving(seed) == interleaving(seed));
}

TEST_CASE("seeds give different interleavings") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) seen.insert(interleaving(seed));
  CHECK(seen.size() > 10);
}

TEST_CASE("a simulated run in which nothing can happen again throws instead of hanging") {
  ag::semaphore sem{1};
  auto body = [&]() -> ag::task<> {
    auto first = co_await sem.acquire();
    auto second = co_await sem.acquire();
  };
  CHECK_THROWS_AS(ag::testing::simulation(1).run(body()), ag::error);
}

TEST_CASE("try_run of a simulation throws for a run in which nothing can happen again") {
  ag::semaphore sem{1};
  auto body = [&]() -> ag::task<> {
    auto first = co_await sem.acquire();
    auto second = co_await sem.acquire();
  };
  CHECK_THROWS_AS(ag::testing::simulation(1).try_run(body()), ag::error);
}

TEST_CASE("a run inside a simulated run throws, naming run_async") {
  auto body = []() -> ag::task<> {
    auto inner = []() -> ag::task<> { co_return; };
    ag::testing::simulation(2).run(inner());
    co_return;
  };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), Catch::Matchers::Matches(".*run_async.*"));
}

TEST_CASE("a simulated run refuses bad options") {
  auto body = []() -> ag::task<> { co_return; };
  CHECK_THROWS_AS(ag::testing::simulation(1).run(body(), {.max_concurrency = 0}), ag::option_error);
}

TEST_CASE("a simulated run awaits Asio's operations") {
  auto body = []() -> ag::task<int> {
    auto executor = co_await boost::asio::this_coro::executor;
    co_await boost::asio::post(executor, ag::use_task);
    co_return 4;
  };
  CHECK(ag::testing::simulation(1).run(body()) == 4);
}
