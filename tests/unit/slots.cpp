// The rules of slots, as a user sees them: caps, families, and who is next.
#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

const ag::tool nap{"nap", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(1ms);
  co_return x;
}};
const ag::tool plain{"plain", [](int x) { return x; }};
const ag::tool ten_naps{"ten_naps", [](int x) -> ag::task<int> {
  auto all = co_await ag::gather(std::views::iota(0, 10) | std::views::transform(nap));
  co_return x + all.back();
}};

const ag::graph_fn naps{
    "naps", [](int n) -> ag::task<> { co_await ag::gather(std::views::iota(0, n) | std::views::transform(nap)); }};

// A tool that calls itself.
ag::task<int> descend(int depth);
const ag::tool descent{"descent", descend};
ag::task<int> descend(int depth) {
  if (depth == 0) {
    co_await ag::sleep_for(1ms);
    co_return 0;
  }
  co_return 1 + co_await descent(depth - 1);
}

// A tool that calls itself twice, side by side.
ag::task<int> branch(int depth);
const ag::tool branching{"branching", branch};
ag::task<int> branch(int depth) {
  co_await ag::sleep_for(1ms);
  if (depth == 0) co_return 1;
  auto both = co_await ag::gather(branching(depth - 1), branching(depth - 1));
  co_return std::get<0>(both) + std::get<1>(both);
}

}  // namespace

TEST_CASE("as many calls as the cap are in flight, and no more") {
  for (int cap : {1, 2, 3, 8, 20}) {
    ag::testing::simulation sim{1};
    CHECK(sim.try_run(naps(20), {.max_concurrency = cap}).peak_concurrency() == static_cast<std::size_t>(cap));
  }
}

TEST_CASE("fewer calls than the cap are all in flight") {
  CHECK(ag::testing::simulation(1).try_run(naps(3), {.max_concurrency = 100}).peak_concurrency() == 3);
}

TEST_CASE("the bodies in flight are as many as the slots held") {
  int inside = 0;
  int most = 0;
  const ag::tool counts{"counts", [&](int) -> ag::task<> {
    most = std::max(most, ++inside);
    co_await ag::sleep_for(1ms);
    --inside;
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(std::views::iota(0, 20) | std::views::transform(counts)); };
  CHECK(ag::testing::simulation(1).try_run(body(), {.max_concurrency = 3}).peak_concurrency() == 3);
  CHECK(most == 3);
}

TEST_CASE("twenty naps at a cap of five take four times one nap") {
  ag::testing::simulation sim{1};
  sim.run(naps(20), {.max_concurrency = 5});
  CHECK(sim.elapsed() == 4ms);
}

TEST_CASE("plain-function tools hold one slot at a time on one thread") {
  auto body = []() -> ag::task<> { co_await ag::gather(std::views::iota(0, 20) | std::views::transform(plain)); };
  CHECK(ag::try_run(body(), {.max_concurrency = 4}).peak_concurrency() == 1);
}

TEST_CASE("tools that are coroutines of Asio's hold slots") {
  const ag::tool waits{"waits", [](int) -> asio::awaitable<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    co_await timer.async_wait(asio::use_awaitable);
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(std::views::iota(0, 9) | std::views::transform(waits)); };
  CHECK(ag::try_run(body(), {.max_concurrency = 3}).peak_concurrency() == 3);
}

TEST_CASE("tasks, sleeps and operations of Asio's hold no slot") {
  auto task = []() -> ag::task<> { co_await ag::sleep_for(1ms); };
  auto body = [&]() -> ag::task<> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    co_await ag::gather(task(), task(), ag::sleep_for(1ms), timer.async_wait(ag::use_task));
  };
  CHECK(ag::try_run(body(), {.max_concurrency = 1}).peak_concurrency() == 0);
}

TEST_CASE("any number of tasks run side by side at a cap of one") {
  ag::testing::simulation sim{1};
  auto task = []() -> ag::task<> { co_await ag::sleep_for(1ms); };
  auto body = [&]() -> ag::task<> {
    std::vector<ag::task<>> all;
    for (int i = 0; i < 50; ++i) all.push_back(task());
    co_await ag::gather(std::move(all));
  };
  sim.run(body(), {.max_concurrency = 1});
  CHECK(sim.elapsed() == 1ms);
}

TEST_CASE("a nested run takes no slot of the run that awaits it") {
  auto body = []() -> ag::task<> { co_await ag::gather(naps(5), naps(5)); };
  ag::testing::simulation sim{1};
  CHECK(sim.try_run(body(), {.max_concurrency = 1}).peak_concurrency() == 0);
}

TEST_CASE("a nested run has a cap of its own") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> {
    co_await ag::gather(ag::run_async(naps(8), {.max_concurrency = 8}), ag::run_async(naps(8), {.max_concurrency = 2}));
  };
  sim.run(body(), {.max_concurrency = 1});
  CHECK(sim.elapsed() == 4ms);
}

TEST_CASE("the caps of nested runs multiply") {
  int inside = 0;
  int most = 0;
  const ag::tool counts{"counts", [&](int) -> ag::task<> {
    most = std::max(most, ++inside);
    co_await ag::sleep_for(1ms);
    --inside;
  }};
  const ag::graph_fn inner{"inner", [&](int n) -> ag::task<> {
    co_await ag::gather(std::views::iota(0, n) | std::views::transform(counts));
  }, {.max_concurrency = 3}};
  const ag::tool starts{"starts", [&](int n) -> ag::task<> { co_await inner(n); }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(starts(9), starts(9), starts(9), starts(9)); };
  ag::testing::simulation(1).run(body(), {.max_concurrency = 2});
  CHECK(most == 6);
}

TEST_CASE("a tool that awaits a tool at a cap of one ends") {
  const ag::tool outer{"outer", [](int x) -> ag::task<int> { co_return co_await nap(x) + 1; }};
  auto body = [&]() -> ag::task<int> { co_return co_await outer(1); };
  auto r = ag::testing::simulation(1).try_run(body(), {.max_concurrency = 1});
  CHECK(r.value() == 2);
  CHECK(r.peak_concurrency() == 1);
}

TEST_CASE("a tool fifty levels deep in itself ends at a cap of one") {
  auto r = ag::testing::simulation(1).try_run(descent(50), {.max_concurrency = 1});
  CHECK(r.value() == 50);
  CHECK(r.peak_concurrency() == 1);
}

TEST_CASE("a tool that gathers ten tools ends at any cap, and keeps it") {
  for (int cap : {1, 2, 3, 4}) {
    auto r = ag::testing::simulation(1).try_run(ten_naps(1), {.max_concurrency = cap});
    CHECK(r.value() == 10);
    CHECK(r.peak_concurrency() == static_cast<std::size_t>(cap));
  }
}

TEST_CASE("tools that gather tools, side by side, end at any cap, and keep it") {
  for (int cap : {1, 2, 3, 4}) {
    auto body = []() -> ag::task<> { co_await ag::gather(std::views::iota(0, 6) | std::views::transform(ten_naps)); };
    auto r = ag::testing::simulation(1).try_run(body(), {.max_concurrency = cap});
    CHECK(r.ok());
    CHECK(r.peak_concurrency() == static_cast<std::size_t>(cap));
  }
}

TEST_CASE("a tree of tools ends at any cap, and keeps it") {
  for (int cap : {1, 2, 3, 7}) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      auto r = ag::testing::simulation(seed).try_run(branching(6), {.max_concurrency = cap});
      REQUIRE(r.value() == 64);
      REQUIRE(r.peak_concurrency() <= static_cast<std::size_t>(cap));
    }
  }
}

TEST_CASE("a tool that awaits a nested run whose tools await tools ends at a cap of one") {
  const ag::graph_fn inner{
      "inner", [](int n) -> ag::task<int> { co_return co_await ten_naps(n); }, {.max_concurrency = 1}};
  const ag::tool outer{"outer", [&](int n) -> ag::task<int> { co_return co_await inner(n); }};
  CHECK(ag::testing::simulation(1).run(outer(1), {.max_concurrency = 1}) == 10);
}

TEST_CASE("a tool lends its slot to a child through a task that it awaits") {
  const ag::tool outer{"outer", [](int x) -> ag::task<int> {
    auto between = [](int y) -> ag::task<int> { co_return co_await nap(y) + 1; };
    co_return co_await between(x);
  }};
  CHECK(ag::testing::simulation(1).run(outer(1), {.max_concurrency = 1}) == 2);
}

TEST_CASE("a tool that fails gives its slot back") {
  const ag::tool fails{"fails", [](int) -> ag::task<> {
    co_await nap(1);
    throw std::runtime_error("failed");
  }};
  auto body = [&]() -> ag::task<int> {
    co_await ag::gather_results(fails(1), fails(2), fails(3));
    co_return co_await nap(5);
  };
  CHECK(ag::testing::simulation(1).run(body(), {.max_concurrency = 1}) == 5);
}

TEST_CASE("calls that wait start first come, first served") {
  std::vector<int> order;
  const ag::tool notes{"notes", [&](int x) -> ag::task<> {
    order.push_back(x);
    co_await ag::sleep_for(std::chrono::microseconds{100 * (x % 3)});
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(std::views::iota(0, 12) | std::views::transform(notes)); };
  ag::run(body(), {.max_concurrency = 3});
  CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
}

TEST_CASE("a call that comes later does not pass one that waits") {
  std::string order;
  const ag::tool notes{"notes", [&](char name) -> ag::task<> {
    order += name;
    co_await ag::sleep_for(1ms);
  }};
  auto first_twice = [&]() -> ag::task<> {
    co_await notes('a');
    co_await notes('c');
  };
  auto body = [&]() -> ag::task<> { co_await ag::gather(first_twice(), notes('b')); };
  ag::run(body(), {.max_concurrency = 1});
  CHECK(order == "abc");
}

TEST_CASE("a call that gets a slot runs inside its await") {
  std::string order;
  const ag::tool notes{"notes", [&](int) -> ag::task<> {
    order += "body ";
    co_return;
  }};
  auto body = [&]() -> ag::task<> {
    order += "before ";
    co_await notes(1);
    order += "after";
  };
  ag::run(body());
  CHECK(order == "before body after");
}

TEST_CASE("runs on one thread are deterministic") {
  auto once = [] {
    std::vector<int> order;
    const ag::tool inner{"inner", [&](int x) -> ag::task<> {
      order.push_back(x);
      co_await ag::sleep_for(0s);
    }};
    const ag::tool outer{"outer", [&](int x) -> ag::task<> {
      order.push_back(x);
      co_await ag::gather(inner(10 * x), inner(10 * x + 1));
    }};
    auto body = [&]() -> ag::task<> { co_await ag::gather(std::views::iota(1, 9) | std::views::transform(outer)); };
    ag::run(body(), {.max_concurrency = 3});
    return order;
  };
  CHECK(once() == once());
}

TEST_CASE("a hundred thousand calls wait at a cap of one") {
  int sum = 0;
  const ag::tool adds{"adds", [&](int) -> ag::task<> {
    ++sum;
    co_await ag::sleep_for(0s);
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(std::views::iota(0, 100'000) | std::views::transform(adds)); };
  ag::run(body(), {.max_concurrency = 1});
  CHECK(sum == 100'000);
}
