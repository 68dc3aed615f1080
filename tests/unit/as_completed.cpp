#include "aethergraph/as_completed.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool after{"after", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  co_return ms;
}};
const ag::tool negative_fails{"negative_fails", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{ms < 0 ? -ms : ms});
  if (ms < 0) throw std::runtime_error("negative");
  co_return ms;
}};

}  // namespace

TEST_CASE("as_completed hands on results in the order in which they come") {
  std::vector<int> order;
  const std::vector<int> times{30, 10, 20};
  auto body = [&]() -> ag::task<> {
    co_await ag::as_completed(times | std::views::transform(after), [&](int ms) { order.push_back(ms); });
  };
  ag::testing::simulation(1).run(body());
  CHECK(order == std::vector<int>{10, 20, 30});
}

TEST_CASE("as_completed hands on a result as soon as it is there") {
  ag::testing::simulation sim{1};
  std::vector<ag::duration> when;
  const std::vector<int> times{20, 10};
  auto body = [&]() -> ag::task<> {
    co_await ag::as_completed(times | std::views::transform(after), [&](int) { when.push_back(sim.elapsed()); });
  };
  sim.run(body());
  CHECK(when == std::vector<ag::duration>{10ms, 20ms});
}

TEST_CASE("as_completed of an empty range hands on nothing") {
  int calls = 0;
  auto body = [&]() -> ag::task<> { co_await ag::as_completed(std::vector<ag::task<int>>(), [&](int) { ++calls; }); };
  ag::run(body());
  CHECK(calls == 0);
}

TEST_CASE("as_completed of one hands on one") {
  int got = 0;
  auto body = [&]() -> ag::task<> {
    co_await ag::as_completed(std::views::single(3) | std::views::transform(after), [&](int x) { got = x; });
  };
  ag::testing::simulation(1).run(body());
  CHECK(got == 3);
}

TEST_CASE("as_completed calls a function without parameters for void") {
  int calls = 0;
  auto body = [&]() -> ag::task<> {
    std::vector<ag::sleep_awaitable> sleeps(3, ag::sleep_for(1ms));
    co_await ag::as_completed(std::move(sleeps), [&] { ++calls; });
  };
  ag::testing::simulation(1).run(body());
  CHECK(calls == 3);
}

TEST_CASE("the function of as_completed may be a coroutine, called one at a time") {
  int inside = 0;
  int most = 0;
  int calls = 0;
  ag::testing::simulation sim{1};
  auto handle = [&](int) -> ag::task<> {
    most = std::max(most, ++inside);
    co_await ag::sleep_for(10ms);
    --inside;
    ++calls;
  };
  auto body = [&]() -> ag::task<> {
    co_await ag::as_completed(std::views::iota(0, 4) | std::views::transform(after), std::ref(handle));
  };
  sim.run(body());
  CHECK(most == 1);
  CHECK(calls == 4);
  CHECK(sim.elapsed() == 40ms);
}

TEST_CASE("as_completed hands on what only moves") {
  const ag::tool pointer{"pointer", [](int x) { return std::make_unique<int>(x); }};
  int sum = 0;
  auto body = [&]() -> ag::task<> {
    co_await ag::as_completed(
        std::views::iota(0, 4) | std::views::transform(pointer), [&](std::unique_ptr<int> p) { sum += *p; });
  };
  ag::run(body());
  CHECK(sum == 6);
}

TEST_CASE("a failure in as_completed is thrown, and the rest is cancelled") {
  ag::testing::simulation sim{1};
  std::vector<int> order;
  const std::vector<int> times{10, -20, 1000};
  auto body = [&]() -> ag::task<> {
    co_await ag::as_completed(times | std::views::transform(negative_fails), [&](int ms) { order.push_back(ms); });
  };
  CHECK_THROWS_WITH(sim.run(body()), "negative");
  CHECK(order == std::vector<int>{10});
  CHECK(sim.elapsed() == 20ms);
}

TEST_CASE("what the function of as_completed throws is thrown, and the rest is cancelled") {
  ag::testing::simulation sim{1};
  const std::vector<int> times{10, 20, 1000};
  int calls = 0;
  auto body = [&]() -> ag::task<> {
    co_await ag::as_completed(times | std::views::transform(after), [&](int ms) {
      ++calls;
      if (ms == 20) throw std::runtime_error("enough");
    });
  };
  CHECK_THROWS_WITH(sim.run(body()), "enough");
  CHECK(calls == 2);
  CHECK(sim.elapsed() == 20ms);
}

TEST_CASE("as_completed ends after all of its elements have") {
  int cleaned = 0;
  int cleaned_when_caught = -1;
  auto cleans = [&]() -> ag::task<int> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::shielded(ag::sleep_for(5ms));
    ++cleaned;
    co_return 0;
  };
  auto fails = []() -> ag::task<int> {
    co_await ag::sleep_for(1ms);
    throw std::runtime_error("failed");
  };
  auto body = [&]() -> ag::task<> {
    std::vector<ag::task<int>> all;
    all.push_back(cleans());
    all.push_back(fails());
    all.push_back(cleans());
    try {
      co_await ag::as_completed(std::move(all), [](int) {});
    } catch (const std::runtime_error&) {
      cleaned_when_caught = cleaned;
    }
  };
  ag::testing::simulation(1).run(body());
  CHECK(cleaned_when_caught == 2);
}

TEST_CASE("as_completed passes the cap") {
  auto body = []() -> ag::task<> {
    co_await ag::as_completed(std::views::iota(1, 20) | std::views::transform(after), [](int) {});
  };
  CHECK(ag::testing::simulation(1).try_run(body(), {.max_concurrency = 3}).peak_concurrency() == 3);
}

TEST_CASE("a cancelled as_completed throws cancelled, and hands on nothing more") {
  ag::testing::simulation sim{1};
  int handed = 0;
  bool was_cancelled = false;
  auto losing = [&]() -> ag::task<> {
    try {
      co_await ag::as_completed(std::views::iota(1, 4) | std::views::transform(after), [&](int) { ++handed; });
    } catch (const ag::cancelled&) {
      was_cancelled = true;
    }
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(losing(), ag::sleep_for(std::chrono::microseconds{1500})); };
  sim.run(body());
  CHECK(handed == 1);
  CHECK(was_cancelled);
}

TEST_CASE("a handing-on that is cancelled while its function awaits ends") {
  ag::testing::simulation sim{1};
  auto handle = [](int) -> ag::task<> { co_await ag::sleep_for(24h); };
  auto losing = [&]() -> ag::task<> {
    co_await ag::as_completed(std::views::iota(0, 4) | std::views::transform(after), handle);
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(losing(), ag::sleep_for(10ms)); };
  sim.run(body());
  CHECK(sim.elapsed() == 10ms);
}
