// Depth and size: nothing recurses with the work.

#include <aethergraph/aethergraph.hpp>
#include <boost/asio/io_context.hpp>
#include <numeric>
#include <ranges>

#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool increment{"increment", [](int x) -> ag::task<int> { co_return x + 1; }};
const ag::tool nap{"nap", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::nanoseconds(x % 7));
  co_return x;
}};
const ag::tool plain{"plain", [](int x) { return x; }};

ag::task<int> deep(int levels) {
  if (levels == 0) co_return 0;
  co_return 1 + co_await deep(levels - 1);
}
ag::task<int> deep_and_suspended(int levels) {
  if (levels == 0) {
    co_await ag::sleep_for(1ms);
    co_return 0;
  }
  co_return 1 + co_await deep_and_suspended(levels - 1);
}
ag::task<int> deep_and_failing(int levels) {
  if (levels == 0) throw std::runtime_error("bottom");
  co_return 1 + co_await deep_and_failing(levels - 1);
}

/// Nests through everything that awaits a single other: as_result, shielded, timeout, a nested run.
ag::task<int> deep_in(int levels, int kind) {
  if (levels == 0) {
    co_await ag::sleep_for(1h);
    co_return 0;
  }
  switch (kind) {
    case 0:
      co_return (co_await ag::as_result(deep_in(levels - 1, kind))).value();
    case 1:
      co_return co_await ag::shielded(deep_in(levels - 1, kind));
    case 2:
      co_return co_await ag::timeout(deep_in(levels - 1, kind), 2h);
    default:
      co_return co_await ag::run_async(deep_in(levels - 1, kind));
  }
}

constexpr int million = 1'000'000;

}  // namespace

TEST_CASE("a million calls one after another") {
  const ag::graph_fn agent{"agent", [](int n) -> ag::task<int> {
    int x = 0;
    for (int i = 0; i < n; ++i) x = co_await increment(x);
    co_return x;
  }};
  CHECK(ag::run(agent(million)) == million);
}

TEST_CASE("a million tasks one after another") {
  auto one = []() -> ag::task<int> { co_return 1; };
  auto all = [&]() -> ag::task<int> {
    int sum = 0;
    for (int i = 0; i < million; ++i) sum += co_await one();
    co_return sum;
  };
  CHECK(ag::run(all()) == million);
}

TEST_CASE("a gather of a million") {
  auto all = []() -> ag::task<long> {
    const auto v = co_await ag::gather(std::views::iota(0, million) | std::views::transform(increment));
    co_return std::accumulate(v.begin(), v.end(), 0L);
  };
  CHECK(ag::run(all()) == 1L * million * (million + 1) / 2);
}

TEST_CASE("a gather of 100,000 that suspend") {
  auto all = []() -> ag::task<std::size_t> {
    const auto v = co_await ag::gather(std::views::iota(0, 100'000) | std::views::transform(nap));
    co_return v.size();
  };
  CHECK(ag::run(all(), {.max_concurrency = 1000}) == 100'000);
}

TEST_CASE("100,000 waiters released at once") {
  constexpr int waiters = 100'000;
  ag::semaphore gate(1);
  int passed = 0;
  auto wait = [&](int) -> ag::task<> {
    const auto permit = co_await gate.acquire();
    ++passed;
  };
  auto all = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      auto permit = co_await gate.acquire();
      for (int i = 0; i < waiters; ++i) g.spawn(wait(i));
      co_await ag::sleep_for(0s);
      permit.release();
    });
  };
  ag::run(all());
  CHECK(passed == waiters);
}

TEST_CASE("100,000 sleepers cancelled at once") {
  auto all = []() -> ag::task<> {
    auto sleepers = std::views::iota(0, 100'000) | std::views::transform([](int) { return ag::sleep_for(1h); });
    co_await ag::timeout(ag::gather(sleepers), 1ms);
  };
  ag::testing::simulation sim(1);
  CHECK_THROWS_AS(sim.run(all()), ag::timed_out);
}

TEST_CASE("tasks nested 10,000 deep") {
  CHECK(ag::run(deep(10'000)) == 10'000);
  CHECK(ag::run(deep_and_suspended(10'000)) == 10'000);
}

TEST_CASE("a failure passes 10,000 nested tasks") { CHECK_THROWS_WITH(ag::run(deep_and_failing(10'000)), "bottom"); }

TEST_CASE("tasks nested 10,000 deep are torn down") {
  boost::asio::io_context io;
  bool was_called = false;
  ag::run_async(io.get_executor(), deep_and_suspended(10'000), {}, [&](std::exception_ptr, int) { was_called = true; });
  io.poll();
  CHECK(!was_called);
}

TEST_CASE("nests of every kind, 10,000 deep, are torn down") {
  boost::asio::io_context io;
  for (int kind = 0; kind < 4; ++kind)
    ag::run_async(io.get_executor(), deep_in(10'000, kind), {}, [](std::exception_ptr, int) { FAIL("it was called"); });
  io.poll();
}

TEST_CASE("a million plain-function calls gathered under a cap of a thousand") {
  auto all = []() -> ag::task<std::size_t> {
    const auto v = co_await ag::gather(std::views::iota(0, million) | std::views::transform(plain));
    co_return v.size();
  };
  const auto r = ag::try_run(all(), {.max_concurrency = 1000});
  CHECK(r.value() == million);
  CHECK(r.peak_concurrency() <= 1000);
}
