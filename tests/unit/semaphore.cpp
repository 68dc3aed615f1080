#include "aethergraph/semaphore.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<ag::semaphore::permit>);
static_assert(std::is_nothrow_move_constructible_v<ag::semaphore::permit>);

TEST_CASE("a semaphore without permits is refused") {
  CHECK_THROWS_AS(ag::semaphore{0}, ag::option_error);
  CHECK_THROWS_WITH(ag::semaphore{0}, Catch::Matchers::Matches(".*0.*at least 1.*"));
}

TEST_CASE("a semaphore with less than no permits is refused") { CHECK_THROWS_AS(ag::semaphore{-2}, ag::option_error); }

TEST_CASE("a free permit is given at once") {
  ag::semaphore sem{2};
  auto body = [&]() -> ag::task<std::ptrdiff_t> {
    auto permit = co_await sem.acquire();
    co_return sem.available();
  };
  CHECK(ag::run(body()) == 1);
}

TEST_CASE("a permit is given back when it goes") {
  ag::semaphore sem{1};
  auto body = [&]() -> ag::task<> {
    auto permit = co_await sem.acquire();
    CHECK(sem.available() == 0);
  };
  ag::run(body());
  CHECK(sem.available() == 1);
}

TEST_CASE("a permit may be given back early, and only once") {
  ag::semaphore sem{1};
  auto body = [&]() -> ag::task<> {
    auto permit = co_await sem.acquire();
    permit.release();
    CHECK(sem.available() == 1);
    permit.release();
    CHECK(sem.available() == 1);
  };
  ag::run(body());
  CHECK(sem.available() == 1);
}

TEST_CASE("a moved permit is given back once") {
  ag::semaphore sem{1};
  auto body = [&]() -> ag::task<> {
    std::optional<ag::semaphore::permit> kept;
    {
      auto permit = co_await sem.acquire();
      kept.emplace(std::move(permit));
    }
    CHECK(sem.available() == 0);
  };
  ag::run(body());
  CHECK(sem.available() == 1);
}

TEST_CASE("a permit assigned over another gives that one back") {
  ag::semaphore sem{2};
  auto body = [&]() -> ag::task<> {
    auto a = co_await sem.acquire();
    auto b = co_await sem.acquire();
    a = std::move(b);
    CHECK(sem.available() == 1);
  };
  ag::run(body());
  CHECK(sem.available() == 2);
}

TEST_CASE("a permit may outlive the run that acquired it") {
  ag::semaphore sem{1};
  auto body = [&]() -> ag::task<std::optional<ag::semaphore::permit>> { co_return co_await sem.acquire(); };
  auto permit = ag::run(body());
  CHECK(sem.available() == 0);
  permit.reset();
  CHECK(sem.available() == 1);
}

TEST_CASE("a semaphore caps what it guards") {
  ag::semaphore sem{3};
  int inside = 0;
  int most = 0;
  auto guarded = [&]() -> ag::task<> {
    auto permit = co_await sem.acquire();
    most = std::max(most, ++inside);
    co_await ag::sleep_for(1ms);
    --inside;
  };
  auto body = [&]() -> ag::task<> {
    std::vector<ag::task<>> all;
    for (int i = 0; i < 20; ++i) all.push_back(guarded());
    co_await ag::gather(std::move(all));
  };
  ag::testing::simulation(1).run(body());
  CHECK(most == 3);
}

TEST_CASE("permits are given first come, first served") {
  ag::semaphore sem{1};
  std::vector<int> order;
  auto guarded = [&](int i) -> ag::task<> {
    auto permit = co_await sem.acquire();
    order.push_back(i);
    co_await ag::sleep_for(1ms);
  };
  auto body = [&]() -> ag::task<> { co_await ag::gather(guarded(0), guarded(1), guarded(2), guarded(3)); };
  ag::run(body());
  CHECK(order == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("a newcomer does not pass one who waits") {
  ag::semaphore sem{1};
  std::vector<char> order;
  auto waiter = [&]() -> ag::task<> {
    auto permit = co_await sem.acquire();
    order.push_back('w');
  };
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      auto first = co_await sem.acquire();
      g.spawn(waiter());
      co_await ag::sleep_for(1ms);
      first.release();
      auto again = co_await sem.acquire();
      order.push_back('n');
    });
  };
  ag::run(body());
  CHECK(order == std::vector<char>{'w', 'n'});
}

TEST_CASE("a waiter that is cancelled gives up its place") {
  ag::semaphore sem{1};
  bool served = false;
  auto waits = [&]() -> ag::task<> { auto permit = co_await sem.acquire(); };
  auto next = [&]() -> ag::task<> {
    auto permit = co_await sem.acquire();
    served = true;
  };
  auto body = [&]() -> ag::task<> {
    auto holder = [&]() -> ag::task<> {
      auto permit = co_await sem.acquire();
      co_await ag::sleep_for(10ms);
    };
    auto gives_up = [&]() -> ag::task<bool> {
      auto r = co_await ag::as_result(ag::timeout(waits(), 5ms));
      co_return r.has_value();
    };
    auto all = co_await ag::gather(holder(), gives_up(), next());
    CHECK_FALSE(std::get<1>(all));
  };
  ag::testing::simulation(1).run(body());
  CHECK(served);
  CHECK(sem.available() == 1);
}

TEST_CASE("a waiter that is cancelled throws cancelled") {
  ag::semaphore sem{1};
  bool was_cancelled = false;
  auto waits = [&]() -> ag::task<> {
    try {
      auto permit = co_await sem.acquire();
    } catch (const ag::cancelled&) {
      was_cancelled = true;
      throw;
    }
  };
  auto body = [&]() -> ag::task<> {
    auto permit = co_await sem.acquire();
    co_await ag::race(waits(), ag::sleep_for(1ms));
  };
  ag::testing::simulation(1).run(body());
  CHECK(was_cancelled);
}

TEST_CASE("a scope that was asked to stop acquires nothing, even what is free") {
  ag::semaphore sem{1};
  bool threw = false;
  auto losing = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    auto r = co_await ag::as_result(sem.acquire());
    threw = !r.has_value();
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(losing(), ag::sleep_for(1ms)); };
  ag::testing::simulation(1).run(body());
  CHECK(threw);
  CHECK(sem.available() == 1);
}

TEST_CASE("permits that race with cancellation are never lost") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    ag::semaphore sem{2};
    auto guarded = [&]() -> ag::task<> {
      auto permit = co_await sem.acquire();
      co_await ag::sleep_for(1ms);
    };
    auto hasty = [&]() -> ag::task<> { co_await ag::as_result(ag::timeout(guarded(), 1ms)); };
    auto body = [&]() -> ag::task<> { co_await ag::gather(hasty(), guarded(), hasty(), hasty(), guarded(), hasty()); };
    ag::testing::simulation(seed).run(body());
    REQUIRE(sem.available() == 2);
  }
}

TEST_CASE("a tool keeps its slot while it waits for a permit") {
  ag::semaphore sem{1};
  const ag::tool guarded{"guarded", [&](int) -> ag::task<> {
    auto permit = co_await sem.acquire();
    co_await ag::sleep_for(1ms);
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(guarded(1), guarded(2), guarded(3)); };
  CHECK(ag::testing::simulation(1).try_run(body(), {.max_concurrency = 2}).peak_concurrency() == 2);
}

TEST_CASE("runs on different threads may share a semaphore") {
  ag::semaphore sem{2};
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  auto guarded = [&]() -> ag::task<> {
    for (int i = 0; i < 100; ++i) {
      auto permit = co_await sem.acquire();
      const int now = ++inside;
      for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
      }
      if (i % 10 == 0) co_await ag::sleep_for(std::chrono::microseconds{10});
      --inside;
    }
  };
  auto body = [&]() -> ag::task<> { co_await ag::gather(guarded(), guarded()); };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { ag::run(body()); });
  for (auto& t : threads) t.join();
  CHECK(most <= 2);
  CHECK(sem.available() == 2);
}

TEST_CASE("waiters on different threads may be cancelled while permits are handed over") {
  ag::semaphore sem{1};
  auto hasty = [&]() -> ag::task<> {
    auto use = [&]() -> ag::task<> {
      auto permit = co_await sem.acquire();
      co_await ag::sleep_for(std::chrono::microseconds{20});
    };
    for (int i = 0; i < 100; ++i) co_await ag::as_result(ag::timeout(use(), std::chrono::microseconds{50}));
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { ag::run(hasty()); });
  for (auto& t : threads) t.join();
  CHECK(sem.available() == 1);
}

TEST_CASE("a permit wakes each waiter on the thread of its own run") {
  ag::semaphore sem{1};
  std::atomic<int> elsewhere = 0;
  const auto guarded = [&](std::thread::id home) -> ag::task<> {
    for (int i = 0; i < 200; ++i) {
      const auto permit = co_await sem.acquire();
      elsewhere += std::this_thread::get_id() != home;
      if (i % 20 == 0) co_await ag::sleep_for(std::chrono::microseconds{10});
    }
  };
  const auto body = [&](std::thread::id home) -> ag::task<> { co_await ag::gather(guarded(home), guarded(home)); };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { ag::run(body(std::this_thread::get_id())); });
  for (auto& t : threads) t.join();
  CHECK(elsewhere == 0);
  CHECK(sem.available() == 1);
}

TEST_CASE("a permit wakes a waiter of a hosted run on the strand of that run") {
  ag::semaphore sem{2};
  ag::runtime one({.threads = 2});
  ag::runtime other({.threads = 2});
  const auto body = [](ag::semaphore& s) -> ag::task<int> {
    int unguarded = 0;  // two steps at once would lose counts, and ThreadSanitizer would tell
    const auto count = [](ag::semaphore& shared, int& n) -> ag::task<> {
      for (int i = 0; i < 50; ++i) {
        const auto permit = co_await shared.acquire();
        ++n;
        if (i % 10 == 0) co_await ag::sleep_for(std::chrono::microseconds{10});
      }
    };
    co_await ag::gather(count(s, unguarded), count(s, unguarded), count(s, unguarded));
    co_return unguarded;
  };
  std::vector<ag::run_handle<int>> handles;
  for (int i = 0; i < 4; ++i) {
    handles.push_back(ag::start(one, body(sem)));
    handles.push_back(ag::start(other, body(sem)));
  }
  for (const auto& h : handles) CHECK(h.get() == 150);
  CHECK(sem.available() == 2);
}

TEST_CASE("hosted runs that are cancelled while permits are handed over lose none") {
  ag::semaphore sem{1};
  ag::runtime rt({.threads = 3});
  const auto body = [](ag::semaphore& s) -> ag::task<> {
    for (int i = 0; i < 20; ++i) {
      const auto permit = co_await s.acquire();
      co_await ag::sleep_for(std::chrono::microseconds{10});
    }
  };
  for (int i = 0; i < 50; ++i) {
    std::vector<ag::run_handle<void>> handles;
    for (int n = 0; n < 6; ++n) handles.push_back(ag::start(rt, body(sem)));
    std::this_thread::sleep_for(std::chrono::microseconds{30 * i});
    for (const auto& h : handles) h.cancel();
    for (const auto& h : handles) h.wait();
    REQUIRE(sem.available() == 1);
  }
}

TEST_CASE("an executor may go while a run on it is given a permit") {
  for (int i = 0; i < 300; ++i) {
    ag::semaphore one{1};
    const ag::graph_fn takes{"takes", [&]() -> ag::task<ag::semaphore::permit> { co_return co_await one.acquire(); }};
    const ag::graph_fn acquires{"acquires", [&]() -> ag::task<> { const auto permit = co_await one.acquire(); }};
    std::optional<ag::semaphore::permit> held = ag::run(takes());
    auto io = std::make_unique<boost::asio::io_context>();
    ag::run_async(*io, acquires(), {}, boost::asio::detached);
    io->poll();
    std::atomic<bool> begins = false;
    std::thread gives([&] {
      begins = true;
      held.reset();
    });
    while (!begins) std::this_thread::yield();
    for (int n = 0; n < i % 64 * 40; ++n) io->poll();
    io.reset();
    gives.join();
    CHECK(one.available() == 1);
  }
}
