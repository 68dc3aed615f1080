// gather_results, of gather.hpp.
#include "aethergraph/gather.hpp"

#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool odd_only{"odd_only", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{x});
  if (x % 2 == 0) throw std::runtime_error(std::to_string(x) + " is even");
  co_return x;
}};

}  // namespace

TEST_CASE("gather_results of a range gives values and exceptions in order") {
  auto body = []() -> ag::task<std::vector<ag::result<int>>> {
    co_return co_await ag::gather_results(std::views::iota(1, 4) | std::views::transform(odd_only));
  };
  auto all = ag::testing::simulation(1).run(body());
  REQUIRE(all.size() == 3);
  CHECK(all[0].value() == 1);
  CHECK_THROWS_WITH(all[1].value(), "2 is even");
  CHECK(all[2].value() == 3);
}

TEST_CASE("gather_results of a pack gives a tuple of results") {
  auto nothing = []() -> ag::task<> { co_return; };
  auto body = [&]() -> ag::task<std::tuple<ag::result<int>, ag::result<void>>> {
    co_return co_await ag::gather_results(odd_only(2), nothing());
  };
  auto both = ag::testing::simulation(1).run(body());
  CHECK_FALSE(std::get<0>(both).has_value());
  CHECK(std::get<1>(both).has_value());
}

TEST_CASE("gather_results of a range of void gives results of void") {
  const ag::tool tool{"tool", [](int x) {
    if (x == 1) throw std::runtime_error("one");
  }};
  auto body = [&]() -> ag::task<std::vector<ag::result<void>>> {
    co_return co_await ag::gather_results(std::views::iota(0, 3) | std::views::transform(tool));
  };
  auto all = ag::run(body());
  REQUIRE(all.size() == 3);
  CHECK(all[0].has_value());
  CHECK_FALSE(all[1].has_value());
  CHECK(all[2].has_value());
}

TEST_CASE("gather_results of an empty range gives nothing") {
  auto body = []() -> ag::task<std::size_t> {
    auto all = co_await ag::gather_results(std::vector<ag::task<int>>());
    co_return all.size();
  };
  CHECK(ag::run(body()) == 0);
}

TEST_CASE("a failure in gather_results stops nothing") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<int> {
    auto both = co_await ag::gather_results(odd_only(2), odd_only(101));
    co_return std::get<1>(both).value();
  };
  CHECK(sim.run(body()) == 101);
  CHECK(sim.elapsed() == 101ms);
}

TEST_CASE("gather_results gives what only moves") {
  auto pointer = []() -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(1); };
  auto body = [&]() -> ag::task<int> {
    auto r = co_await ag::gather_results(pointer(), odd_only(1));
    co_return *std::get<0>(r).value();
  };
  CHECK(ag::testing::simulation(1).run(body()) == 1);
}

TEST_CASE("a cancelled gather_results ends with results that hold cancelled") {
  int cancelled = 0;
  auto losing = [&]() -> ag::task<> {
    auto both = co_await ag::gather_results(odd_only(1001), odd_only(1003));
    try {
      std::get<0>(both).value();
    } catch (const ag::cancelled&) {
      ++cancelled;
    }
    try {
      std::get<1>(both).value();
    } catch (const ag::cancelled&) {
      ++cancelled;
    }
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(losing(), ag::sleep_for(1ms)); };
  ag::testing::simulation(1).run(body());
  CHECK(cancelled == 2);
}

TEST_CASE("gather_results in a scope that was asked to stop gives results that hold cancelled") {
  std::vector<bool> got;
  auto losing = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    auto both = co_await ag::gather_results(odd_only(1), odd_only(3));
    got = {std::get<0>(both).has_value(), std::get<1>(both).has_value()};
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(losing(), ag::sleep_for(1ms)); };
  ag::testing::simulation(1).run(body());
  CHECK(got == std::vector<bool>{false, false});
}
