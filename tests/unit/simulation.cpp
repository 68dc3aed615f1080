#include "aethergraph/simulation.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

// The order in which six tasks, all of them ready at once, take their steps.
std::string interleaving(ag::testing::simulation& sim) {
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
  sim.run(body());
  return order;
}

std::string interleaving(std::uint64_t seed) {
  ag::testing::simulation sim(seed);
  return interleaving(sim);
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

TEST_CASE("a second run of a simulation goes on in what the seed decides") {
  ag::testing::simulation sim{1};
  const std::string first = interleaving(sim);
  CHECK(interleaving(sim) != first);
  ag::testing::simulation again{1};
  CHECK(interleaving(again) == first);
}

TEST_CASE("the same seed gives the same interleaving on every machine") {
  CHECK(interleaving(1) == "abcdeffbaadccbedef");
}

TEST_CASE("the number of an interleaving tells interleavings apart") {
  std::set<std::string> orders;
  std::set<std::uint64_t> numbers;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    ag::testing::simulation sim{seed};
    CHECK(sim.seed() == seed);
    orders.insert(interleaving(sim));
    numbers.insert(sim.interleaving());
    ag::testing::simulation again{seed};
    interleaving(again);
    CHECK(again.interleaving() == sim.interleaving());
  }
  CHECK(numbers.size() >= orders.size());
}

TEST_CASE("each of many ready things is as likely to go first as any other") {
  constexpr int tasks = 100;
  constexpr int seeds = 10'000;
  std::vector<int> times_first(tasks);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    int first = -1;
    auto racer = [&](int i) -> ag::task<> {
      co_await ag::sleep_for(1s);
      if (first < 0) first = i;
    };
    auto body = [&]() -> ag::task<> {
      std::vector<ag::task<>> all;
      for (int i = 0; i < tasks; ++i) all.push_back(racer(i));
      co_await ag::gather(std::move(all));
    };
    ag::testing::simulation(seed).run(body(), {.record = ag::record::off});
    ++times_first[static_cast<std::size_t>(first)];
  }
  // 100 each on average, give or take 10; the sum of squares follows chi squared with 99 degrees of freedom.
  double chi = 0;
  for (const int n : times_first) chi += (n - 100.0) * (n - 100.0) / 100.0;
  CHECK(chi > 60);
  CHECK(chi < 150);
}

TEST_CASE("runs of a simulation are numbered from 1, so that what they say is the same in a replay") {
  const ag::graph_fn inner{"inner", [](ag::context& ctx) -> ag::task<std::string> { co_return ctx.run_id(); }};
  const ag::graph_fn outer{
      "outer", [&](ag::context& ctx) -> ag::task<std::string> { co_return ctx.run_id() + " " + co_await inner(); }};
  for (int i = 0; i < 2; ++i) {
    ag::testing::simulation sim{1};
    CHECK(sim.run(outer()) == "outer#1 inner#2");
    CHECK(sim.run(outer()) == "outer#3 inner#4");
  }
}

TEST_CASE("a body sees virtual time pass, and so does whoever holds the simulation") {
  ag::testing::simulation sim{1};
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<> {
    const auto begin = ctx.now();
    co_await ag::sleep_for(36h);
    CHECK(ctx.now() - begin == 36h);
    CHECK(sim.elapsed() == 36h);
  }};
  sim.run(agent());
}

TEST_CASE("a simulated run is observed, in virtual time") {
  struct clock final : ag::observer {
    void on_event(const ag::event& e) override { times.push_back(e.time().time_since_epoch()); }
    std::vector<ag::duration> times;
  } seen;
  const ag::tool work{"work", []() -> ag::task<> { co_await ag::sleep_for(2h); }};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<> {
    co_await ag::sleep_for(1h);
    co_await work();
  }};
  ag::testing::simulation(1).run(agent(), {.observer = &seen});
  CHECK(seen.times == std::vector<ag::duration>{0h, 1h, 1h, 3h, 3h});
}

TEST_CASE("a simulated run in which nothing can happen again throws, naming who waits for what") {
  ag::semaphore sem{1};
  const ag::tool hold{"hold", [&](int hours) -> ag::task<> {
    const auto permit = co_await sem.acquire();
    co_await ag::sleep_for(std::chrono::hours(hours));
    const auto second = co_await sem.acquire();
  }};
  const ag::graph_fn agent{
      "agent", [&]() -> ag::task<> { co_await ag::gather(hold(1), hold(2), hold(3)); }, {.max_concurrency = 2}};
  // Whoever goes first, the same two are left.
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(agent()),
      "deadlock after 3600000ms of virtual time: nothing that 'agent' waits for can happen any more\n"
      "agent#1: running, 2 of 2 slots held, 1 calls wait for one\n"
      "  hold#1 (0.0) running, waits for a permit of a semaphore\n"
      "  hold#2 (0.1) running, waits for a permit of a semaphore\n"
      "  hold#3 (0.2) waiting, waits for a slot");
  CHECK(sem.available() == 1);
}

TEST_CASE("waits of the same kind are counted in the report of a deadlock") {
  ag::semaphore sem{1};
  auto waiter = [&]() -> ag::task<> { const auto permit = co_await sem.acquire(); };
  auto sleeper = []() -> ag::task<> { co_await ag::sleep_for(ag::duration::max()); };
  auto body = [&]() -> ag::task<> {
    const auto permit = co_await sem.acquire();
    co_await ag::gather(waiter(), sleeper(), waiter(), waiter());
  };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()),
      Catch::Matchers::EndsWith(
          "\ntask#1: running, 0 of 4 slots held, waits for a permit of a semaphore (3 times) and a sleep"));
}

TEST_CASE("the report of a deadlock of thousands is short") {
  ag::semaphore sem{1};
  const ag::tool stuck{"stuck", [&](int) -> ag::task<> { const auto permit = co_await sem.acquire(); }};
  auto body = [&]() -> ag::task<> {
    const auto permit = co_await sem.acquire();
    const std::vector<int> many(1000);
    co_await ag::gather(many | std::views::transform(stuck));
  };
  try {
    ag::testing::simulation(1).run(body(), {.max_concurrency = 1000});
    FAIL("no deadlock was reported");
  } catch (const ag::testing::deadlock_error& e) {
    const std::string text = e.what();
    CHECK(std::count(text.begin(), text.end(), '\n') == 51);
    CHECK_THAT(text, Catch::Matchers::EndsWith("\n  and 951 more"));
  }
}

TEST_CASE("a run in a deadlock is asked to stop, so that its clean-up runs, before the error is thrown") {
  ag::semaphore sem{1};
  std::string cleaned;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<> {
    const auto permit = co_await sem.acquire();
    const auto second = co_await ag::as_result(sem.acquire());
    try {
      std::rethrow_exception(second.error());
    } catch (const ag::cancelled& e) {
      cleaned = e.what();
    }
    co_await ag::shielded(ag::sleep_for(1h));
    cleaned += "; and after an hour";
  }};
  struct ends final : ag::observer {
    void on_event(const ag::event& e) override { ended += e.kind() == ag::event_kind::run_ended; }
    int ended = 0;
  } seen;
  CHECK_THROWS_AS(ag::testing::simulation(1).run(agent(), {.observer = &seen}), ag::testing::deadlock_error);
  CHECK(cleaned == "cancelled: nothing that the run waits for can happen any more; and after an hour");
  CHECK(seen.ended == 1);
  CHECK(sem.available() == 1);
}

TEST_CASE("what waits shielded in a deadlock is destroyed where it stands") {
  ag::semaphore sem{1};
  int live = 0;
  struct counted {
    explicit counted(int& n) : count(n) { ++count; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --count; }
    int& count;
  };
  const ag::tool stubborn{"stubborn", [&]() -> ag::task<> {
    const counted here(live);
    const auto permit = co_await sem.acquire();
    const auto second = co_await ag::shielded(sem.acquire());
  }};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<> { co_await ag::gather(stubborn(), stubborn()); }};
  try {
    ag::testing::simulation(1).run(agent());
    FAIL("no deadlock was reported");
  } catch (const ag::testing::deadlock_error& e) {
    // The first report, from before the request to stop.
    CHECK_THAT(e.what(), Catch::Matchers::Contains("agent#1: running"));
    CHECK_THAT(e.what(), Catch::Matchers::Contains("stubborn#2 (0.1) running, waits for"));
  }
  CHECK(live == 0);
  CHECK(sem.available() == 1);
}

TEST_CASE("try_run of a simulation throws for a run in which nothing can happen again") {
  ag::semaphore sem{1};
  auto body = [&]() -> ag::task<> {
    auto first = co_await sem.acquire();
    auto second = co_await sem.acquire();
  };
  CHECK_THROWS_AS(ag::testing::simulation(1).try_run(body()), ag::testing::deadlock_error);
}

TEST_CASE("a simulation goes on after a run that was in a deadlock") {
  ag::testing::simulation sim{1};
  ag::semaphore sem{1};
  auto stuck = [&]() -> ag::task<> {
    auto first = co_await sem.acquire();
    auto second = co_await sem.acquire();
  };
  auto fine = [&]() -> ag::task<int> {
    auto first = co_await sem.acquire();
    co_await ag::sleep_for(1h);
    co_return 1;
  };
  CHECK_THROWS_AS(sim.run(stuck()), ag::testing::deadlock_error);
  CHECK(sim.run(fine()) == 1);
  CHECK(sim.elapsed() == 1h);
}

TEST_CASE("a deadline ends a deadlock, as it would in real time") {
  ag::semaphore sem{1};
  auto body = [&]() -> ag::task<> {
    auto first = co_await sem.acquire();
    auto second = co_await sem.acquire();
  };
  CHECK_THROWS_AS(ag::testing::simulation(1).run(body(), {.deadline = 1h}), ag::timed_out);
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

TEST_CASE("a simulated run that waits only for others is in no deadlock") {
  auto body = []() -> ag::task<> {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 20ms);
    co_await timer.async_wait(ag::use_task);
  };
  ag::testing::simulation sim{1};
  sim.run(body());
  CHECK(sim.elapsed() == 0s);
}

TEST_CASE("virtual time stands still while an operation of Asio's may end soon") {
  auto body = []() -> ag::task<int> {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 20ms);
    auto wait = [&]() -> ag::task<int> {
      co_await timer.async_wait(ag::use_task);
      co_return 1;
    };
    co_return co_await ag::timeout(wait(), 1ms);
  };
  CHECK(ag::testing::simulation(1, {.patience = 1min}).run(body()) == 1);
}

TEST_CASE("virtual time goes on without an operation that takes longer than the patience") {
  auto body = []() -> ag::task<> {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 24h);
    auto wait = [&]() -> ag::task<> { co_await timer.async_wait(ag::use_task); };
    auto sleeps = []() -> ag::task<> {
      for (int i = 0; i < 1000; ++i) co_await ag::sleep_for(1min);
    };
    const auto begin = std::chrono::steady_clock::now();
    co_await ag::race(wait(), sleeps());
    // The patience is for the operation, not for each sleep.
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
  };
  ag::testing::simulation sim{1, {.patience = 50ms}};
  sim.run(body());
  CHECK(sim.elapsed() == 1000min);
}

TEST_CASE("what others have begun on the executor of a run may still end its waits, so that is no deadlock") {
  ag::semaphore sem{1};
  auto body = [&]() -> ag::task<> {
    auto permit = co_await sem.acquire();
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 20ms);
    timer.async_wait([&](boost::system::error_code) { auto given_back = std::move(permit); });
    const auto second = co_await sem.acquire();
  };
  ag::testing::simulation(1).run(body());
  CHECK(sem.available() == 1);
}

TEST_CASE("a simulated run awaits a run of a runtime") {
  ag::runtime rt;
  auto elsewhere = []() -> ag::task<int> {
    co_await ag::sleep_for(20ms);
    co_return 5;
  };
  auto handle = ag::start(rt, elsewhere());
  auto body = [&]() -> ag::task<int> { co_return co_await handle; };
  CHECK(ag::testing::simulation(1).run(body()) == 5);
}
