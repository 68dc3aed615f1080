#include "aethergraph/queue.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"
#include "support/door.hpp"
#include "support/programs.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<ag::queue<int>>);
static_assert(std::is_base_of_v<ag::error, ag::queue_closed>);

namespace {

/// All that can be had from a queue without waiting.
template <class T>
std::vector<T> contents(ag::queue<T>& q) {
  std::vector<T> all;
  while (auto x = q.try_pop()) all.push_back(std::move(*x));
  return all;
}

/// Whether what each producer made, each its own range of numbers, stands in the order in which it was made.
bool is_in_order_of_producers(const std::vector<int>& all, int range) {
  std::map<int, int> last;
  for (const int x : all) {
    const auto [at, is_first] = last.try_emplace(x / range, x);
    if (!is_first && std::exchange(at->second, x) >= x) return false;
  }
  return true;
}

ag::task<> push_all(ag::queue<int>& q, int first, int n) {
  for (int i = 0; i < n; ++i) co_await q.push(first + i);
}
ag::task<std::vector<int>> pop_all(ag::queue<int>& q) {
  std::vector<int> all;
  while (auto x = co_await q.pop()) all.push_back(*x);
  co_return all;
}

}  // namespace

// --- what it holds

TEST_CASE("a queue without a place is refused, with its capacity in the message") {
  CHECK_THROWS_AS(ag::queue<int>{0}, ag::option_error);
  CHECK_THROWS_WITH(ag::queue<int>{-3}, "a queue was given a capacity of -3; it needs at least 1");
}

TEST_CASE("values come out of a queue in the order in which they went in") {
  ag::queue<int> q{4};
  const auto body = [&]() -> ag::task<std::vector<int>> {
    std::vector<int> all;
    for (int round = 0; round < 5; ++round) {  // around the end of the ring
      for (int i = 0; i < 3; ++i) co_await q.push(10 * round + i);
      for (int i = 0; i < 3; ++i) all.push_back((co_await q.pop()).value());
    }
    co_return all;
  };
  CHECK(ag::run(body()) == std::vector<int>{0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42});
}

TEST_CASE("a queue that grows keeps its order") {
  ag::queue<int> q{100};
  for (int i = 0; i < 6; ++i) REQUIRE(q.try_push(-i));
  for (int i = 0; i < 6; ++i) REQUIRE(q.try_pop() == -i);
  for (int i = 0; i < 100; ++i) REQUIRE(q.try_push(i));
  CHECK(q.size() == 100);
  for (int i = 0; i < 100; ++i) REQUIRE(q.try_pop() == i);
}

TEST_CASE("a queue tells its size and its capacity") {
  ag::queue<int> q{3};
  CHECK(q.capacity() == 3);
  CHECK(q.size() == 0);
  CHECK(q.try_push(1));
  CHECK(q.size() == 1);
  CHECK_FALSE(q.is_closed());
}

TEST_CASE("a queue takes move-only elements") {
  ag::queue<std::unique_ptr<int>> q{1};
  const auto body = [&]() -> ag::task<int> {
    auto seven = std::make_unique<int>(7);
    co_await q.push(std::move(seven));
    auto x = co_await q.pop();
    co_return **x;
  };
  CHECK(ag::run(body()) == 7);
}

TEST_CASE("a queue that goes takes its elements with it") {
  const auto shared = std::make_shared<int>(1);
  {
    ag::queue<std::shared_ptr<int>> q{8};
    for (int i = 0; i < 5; ++i) REQUIRE(q.try_push(shared));
    static_cast<void>(q.try_pop());
    CHECK(shared.use_count() == 5);
  }
  CHECK(shared.use_count() == 1);
}

TEST_CASE("try_push to a full queue leaves the value alone") {
  ag::queue<std::unique_ptr<int>> q{1};
  CHECK(q.try_push(std::make_unique<int>(1)));
  auto two = std::make_unique<int>(2);
  CHECK_FALSE(q.try_push(std::move(two)));
  REQUIRE(two);
  CHECK(*two == 2);
}

TEST_CASE("try_pop of an empty queue gives nothing") {
  ag::queue<int> q{1};
  CHECK(q.try_pop() == std::nullopt);
}

// --- waiting

TEST_CASE("who pushes to a full queue waits for a place") {
  ag::queue<int> q{2};
  std::size_t most = 0;
  const auto producer = [&]() -> ag::task<> {
    for (int i = 0; i < 10; ++i) {
      co_await q.push(i);
      most = std::max(most, q.size());
    }
    q.close();
  };
  const auto consumer = [&]() -> ag::task<std::vector<int>> {
    std::vector<int> all;
    while (auto x = co_await q.pop()) {
      all.push_back(*x);
      co_await ag::sleep_for(1ms);
    }
    co_return all;
  };
  const auto body = [&]() -> ag::task<std::vector<int>> {
    auto both = co_await ag::gather(producer(), consumer());
    co_return std::get<1>(both);
  };
  CHECK(ag::testing::simulation(1).run(body()) == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(most == 2);
}

TEST_CASE("who pops from an empty queue waits for an element") {
  ag::queue<int> q{2};
  const auto late = [&]() -> ag::task<> {
    co_await ag::sleep_for(1h);
    co_await q.push(5);
  };
  const auto body = [&]() -> ag::task<int> {
    auto both = co_await ag::gather(q.pop(), late());
    co_return std::get<0>(both).value();
  };
  CHECK(ag::testing::simulation(1).run(body()) == 5);
}

TEST_CASE("those who pop are served first come, first served") {
  ag::queue<int> q{4};
  const auto body = [&]() -> ag::task<std::vector<int>> {
    const auto all = co_await ag::gather(q.pop(), q.pop(), q.pop(), push_all(q, 1, 3));
    co_return std::vector<int>{*std::get<0>(all), *std::get<1>(all), *std::get<2>(all)};
  };
  CHECK(ag::run(body()) == std::vector<int>{1, 2, 3});
}

TEST_CASE("those who push are served first come, first served") {
  ag::queue<int> q{1};
  const auto body = [&]() -> ag::task<std::vector<int>> {
    co_await q.push(0);
    const auto take = [](ag::queue<int>& from) -> ag::task<std::vector<int>> {
      std::vector<int> all;
      for (int i = 0; i < 4; ++i) all.push_back((co_await from.pop()).value());
      co_return all;
    };
    const auto all = co_await ag::gather(q.push(1), q.push(2), q.push(3), take(q));
    co_return std::get<3>(all);
  };
  CHECK(ag::run(body()) == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("a newcomer does not pop what one who waits was promised") {
  ag::queue<int> q{4};
  const auto body = [&]() -> ag::task<> {
    const auto newcomer = [](ag::queue<int>& from) -> ag::task<> {
      CHECK(from.try_push(1));  // promised to the one who waits, which has had no step since
      CHECK(from.size() == 1);
      CHECK(from.try_pop() == std::nullopt);
      CHECK(from.try_push(2));
      const auto popped = co_await from.pop();
      CHECK(popped == 2);
    };
    const auto all = co_await ag::gather(q.pop(), newcomer(q));
    CHECK(std::get<0>(all) == 1);
  };
  ag::run(body());
}

TEST_CASE("a newcomer does not take the place that one who waits was promised") {
  ag::queue<int> q{1};
  REQUIRE(q.try_push(0));
  const auto body = [&]() -> ag::task<> {
    const auto newcomer = [](ag::queue<int>& to) -> ag::task<> {
      CHECK(to.try_pop() == 0);
      CHECK_FALSE(to.try_push(9));
      CHECK(to.size() == 0);
      co_await ag::gather(to.push(2), to.pop());
    };
    co_await ag::gather(q.push(1), newcomer(q));
  };
  ag::run(body());
  CHECK(contents(q) == std::vector<int>{2});
}

TEST_CASE("a deadlock on a queue is found by a simulation") {
  ag::queue<int> q{1};
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(q.pop()), Catch::Matchers::Contains("deadlock"));
}

TEST_CASE("a dump says who waits for a place, and who for an element") {
  ag::queue<int> full{1};
  ag::queue<int> empty{1};
  REQUIRE(full.try_push(0));
  ag::runtime rt({.threads = 1});
  const auto pushes = ag::start(rt, full.push(1));
  const auto pops = ag::start(rt, empty.pop());
  CHECK(test::eventually([&] { return rt.dump().find("a place in a queue") != std::string::npos; }));
  CHECK(test::eventually([&] { return rt.dump().find("an element of a queue") != std::string::npos; }));
  full.close();
  empty.close();
  CHECK_THROWS_AS(pushes.get(), ag::queue_closed);
  CHECK(pops.get() == std::nullopt);
}

TEST_CASE("a tool keeps its slot while it waits for an element") {
  ag::queue<int> q{1};
  const ag::tool take{"take", [&](int) -> ag::task<int> { co_return (co_await q.pop()).value(); }};
  const auto feed = [&]() -> ag::task<> {
    co_await ag::sleep_for(1ms);
    co_await push_all(q, 1, 3);
  };
  const auto body = [&]() -> ag::task<> { co_await ag::gather(take(1), take(2), take(3), feed()); };
  CHECK(ag::testing::simulation(1).try_run(body(), {.max_concurrency = 2}).peak_concurrency() == 2);
}

TEST_CASE("a million elements pass from one task to another") {
  ag::queue<int> q{3};
  const auto producer = [&]() -> ag::task<> {
    for (int i = 0; i < 1'000'000; ++i) co_await q.push(i);
    q.close();
  };
  const auto consumer = [&]() -> ag::task<int> {
    int n = 0;
    while (auto x = co_await q.pop()) n += *x == n;
    co_return n;
  };
  const auto body = [&]() -> ag::task<int> { co_return std::get<1>(co_await ag::gather(producer(), consumer())); };
  CHECK(ag::run(body()) == 1'000'000);
}

TEST_CASE("a hundred thousand who wait are woken at once") {
  ag::queue<int> q{1};
  const auto body = [&]() -> ag::task<std::size_t> {
    std::vector<ag::detail::queue_pop<int>> all;
    for (int i = 0; i < 100'000; ++i) all.push_back(q.pop());
    const auto close = [](ag::queue<int>& of) -> ag::task<> {
      of.close();
      co_return;
    };
    const auto both = co_await ag::gather(ag::gather(std::move(all)), close(q));
    co_return std::get<0>(both).size();
  };
  CHECK(ag::run(body()) == 100'000);
}

// --- closing

TEST_CASE("a push to a closed queue throws queue_closed") {
  ag::queue<int> q{1};
  q.close();
  CHECK(q.is_closed());
  CHECK_THROWS_AS(ag::run(q.push(1)), ag::queue_closed);
  CHECK_THROWS_WITH(ag::run(q.push(1)), "a value was pushed to a queue that is closed");
  CHECK_FALSE(q.try_push(1));
}

TEST_CASE("what is in a closed queue can still be popped, then it gives nothing for ever") {
  ag::queue<int> q{3};
  ag::run(push_all(q, 1, 3));
  q.close();
  q.close();
  CHECK(ag::run(pop_all(q)) == std::vector<int>{1, 2, 3});
  CHECK(ag::run(q.pop()) == std::nullopt);
  CHECK(q.try_pop() == std::nullopt);
}

TEST_CASE("closing wakes those who wait for an element with nothing") {
  ag::queue<int> q{1};
  const auto body = [&]() -> ag::task<> {
    const auto close = [](ag::queue<int>& of) -> ag::task<> {
      co_await ag::sleep_for(1ms);
      of.close();
    };
    const auto all = co_await ag::gather(q.pop(), q.pop(), close(q));
    CHECK(std::get<0>(all) == std::nullopt);
    CHECK(std::get<1>(all) == std::nullopt);
  };
  ag::testing::simulation(1).run(body());
}

TEST_CASE("closing turns away those who wait for a place, and keeps what was there") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    ag::queue<int> q{1};
    const auto body = [](ag::queue<int>& of) -> ag::task<> {
      co_await of.push(0);
      const auto close = [](ag::queue<int>& later) -> ag::task<> {
        co_await ag::sleep_for(1ms);
        later.close();
      };
      const auto all = co_await ag::gather_results(of.push(1), of.push(2), close(of));
      CHECK_FALSE(std::get<0>(all).has_value());
      CHECK_THROWS_AS(std::rethrow_exception(std::get<1>(all).error()), ag::queue_closed);
    };
    ag::testing::simulation(seed).run(body(q));
    CHECK(contents(q) == std::vector<int>{0});
  }
}

TEST_CASE("one that was promised a place when the queue is closed has not pushed") {
  ag::queue<int> q{1};
  REQUIRE(q.try_push(0));
  const auto body = [&]() -> ag::task<> {
    const auto close = [](ag::queue<int>& of) -> ag::task<> {
      CHECK(of.try_pop() == 0);
      of.close();
      co_return;
    };
    const auto all = co_await ag::gather_results(q.push(1), close(q));
    CHECK_THROWS_AS(std::rethrow_exception(std::get<0>(all).error()), ag::queue_closed);
  };
  ag::run(body());
  CHECK(q.size() == 0);
}

TEST_CASE(
    "of those who wait when a queue is closed, one gets each element that is left, even if another gives it back") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    ag::queue<int> q{1};
    int taken = 0;
    const auto take = [](ag::queue<int>& from, int& n) -> ag::task<> { n += (co_await from.pop()).has_value(); };
    const auto body = [&]() -> ag::task<> {
      const auto close = [](ag::queue<int>& of) -> ag::task<> {
        co_await ag::sleep_for(1ms);
        co_await of.push(1);
        of.close();
      };
      const auto gives_up = [&]() -> ag::task<> { co_await ag::race(take(q, taken), ag::sleep_for(1ms)); };
      co_await ag::gather(gives_up(), take(q, taken), take(q, taken), close(q));
    };
    ag::testing::simulation(seed).run(body());
    REQUIRE(taken == 1);
    REQUIRE(q.size() == 0);
  }
}

// --- cancellation

TEST_CASE("one who is cancelled while it waits gives up its turn") {
  ag::queue<int> q{1};
  const auto body = [&]() -> ag::task<> {
    const auto early = co_await ag::as_result(ag::timeout(q.pop(), 1ms));
    CHECK_FALSE(early.has_value());
    co_await q.push(1);
    const auto late = co_await ag::as_result(ag::timeout(q.push(2), 1ms));
    CHECK_THROWS_AS(std::rethrow_exception(late.error()), ag::timed_out);
    const auto popped = co_await q.pop();
    CHECK(popped == 1);
    CHECK(q.size() == 0);
  };
  ag::testing::simulation(1).run(body());
}

TEST_CASE("an element that was promised to one who is cancelled goes to the next in line") {
  ag::queue<int> q{2};
  const auto body = [&]() -> ag::task<> {
    const auto strike = [](ag::queue<int>& to) -> ag::task<> {
      CHECK(to.try_push(1));  // promised to the first, whose race is lost before it has had a step
      co_return;
    };
    const auto loses = [&]() -> ag::task<std::size_t> { co_return (co_await ag::race(q.pop(), strike(q))).index(); };
    const auto all = co_await ag::gather(loses(), q.pop());
    CHECK(std::get<0>(all) == 1);
    CHECK(std::get<1>(all) == 1);
  };
  ag::run(body());
}

TEST_CASE("an element that was promised to one who is cancelled stays in front where nobody else waits") {
  ag::queue<int> q{2};
  const auto body = [&]() -> ag::task<> {
    const auto strike = [](ag::queue<int>& to) -> ag::task<> {
      CHECK(to.try_push(1));
      CHECK(to.try_push(2));
      co_return;
    };
    const auto won = co_await ag::race(q.pop(), strike(q));
    CHECK(won.index() == 1);
  };
  ag::run(body());
  CHECK(contents(q) == std::vector<int>{1, 2});
}

TEST_CASE("a push that was promised a place and is cancelled has not pushed, and the next in line has the place") {
  ag::queue<int> q{1};
  REQUIRE(q.try_push(0));
  const auto body = [&]() -> ag::task<> {
    const auto strike = [](ag::queue<int>& from) -> ag::task<> {
      CHECK(from.try_pop() == 0);
      co_return;
    };
    const auto loses = [&]() -> ag::task<std::size_t> { co_return (co_await ag::race(q.push(1), strike(q))).index(); };
    const auto all = co_await ag::gather(loses(), q.push(2));
    CHECK(std::get<0>(all) == 1);
  };
  ag::run(body());
  CHECK(contents(q) == std::vector<int>{2});
}

TEST_CASE("a scope that was asked to stop neither pushes nor pops") {
  ag::queue<int> q{2};
  REQUIRE(q.try_push(1));
  const auto losing = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    const auto taken = co_await ag::as_result(q.pop());
    CHECK_FALSE(taken.has_value());
    const auto put = co_await ag::as_result(q.push(2));
    CHECK_FALSE(put.has_value());
  };
  const auto body = [&]() -> ag::task<> { co_await ag::race(losing(), ag::sleep_for(1ms)); };
  ag::testing::simulation(1).run(body());
  CHECK(contents(q) == std::vector<int>{1});
}

TEST_CASE("what is pushed is popped exactly once, in each producer's order, whatever is cancelled") {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    ag::queue<int> q{1 + static_cast<int>(seed % 3)};
    std::vector<int> pushed;
    std::vector<int> popped;
    std::vector<int> popped_by[2];
    const auto producer = [&](int first) -> ag::task<> {
      for (int i = first; i < first + 12; ++i) {
        const auto done = co_await ag::race(q.push(i), ag::sleep_for(std::chrono::milliseconds{i % 3}));
        if (done.index() == 0) pushed.push_back(i);
        co_await ag::sleep_for(std::chrono::milliseconds{i % 2});
      }
    };
    bool is_over = false;
    const auto consumer = [&](int patience, std::vector<int>& all) -> ag::task<> {
      while (!is_over) {
        const auto x = co_await ag::race(q.pop(), ag::sleep_for(std::chrono::milliseconds{patience}));
        if (x.index() == 0 && std::get<0>(x)) all.push_back(*std::get<0>(x));
        co_await ag::sleep_for(1ms);
      }
    };
    const auto body = [&]() -> ag::task<> {
      const auto all = [&]() -> ag::task<> {
        co_await ag::gather(producer(0), producer(100), producer(200));
        is_over = true;
      };
      co_await ag::gather(all(), consumer(1, popped_by[0]), consumer(2, popped_by[1]));
    };
    ag::testing::simulation(seed).run(body());
    const std::vector<int> left = contents(q);
    for (auto& all : popped_by) {
      all.insert(all.end(), left.begin(), left.end());
      CHECK(is_in_order_of_producers(all, 100));
      all.resize(all.size() - left.size());
      popped.insert(popped.end(), all.begin(), all.end());
    }
    popped.insert(popped.end(), left.begin(), left.end());
    std::sort(pushed.begin(), pushed.end());
    std::sort(popped.begin(), popped.end());
    REQUIRE(popped == pushed);
  }
}

namespace {

using element = std::unique_ptr<test::probe::alive>;

/// Two producers and two consumers of a narrow queue, with points where a harness can strike.
ag::task<int> piped(test::probe& p, ag::queue<element>& q) {
  const auto producer = [](test::probe& on, ag::queue<element>& to) -> ag::task<> {
    for (int i = 0; i < 4; ++i) {
      element x = std::make_unique<test::probe::alive>(on);
      co_await on.at(to.push(std::move(x)));
      if (i == 2) co_await on.at(ag::sleep_for(100us));
    }
  };
  const auto consumer = [](test::probe& on, ag::queue<element>& from) -> ag::task<int> {
    int n = 0;
    for (;;) {
      const auto x = co_await from.pop();
      on.point();
      if (!x) break;
      ++n;
    }
    co_return n;
  };
  const auto producers = [&]() -> ag::task<> {
    co_await ag::gather(producer(p, q), producer(p, q));
    q.close();
  };
  const auto all = co_await ag::gather(consumer(p, q), consumer(p, q), producers());
  co_return std::get<0>(all) + std::get<1>(all);
}

struct trial {
  test::probe p;
  ag::queue<element> q{1};
  boost::asio::cancellation_signal stop;
  std::optional<boost::asio::io_context> io{std::in_place};
  std::optional<int> sum;
  std::exception_ptr error;

  void begin() {
    p.cancel = [this] { stop.emit(boost::asio::cancellation_type::terminal); };
    ag::run_async(io->get_executor(), piped(p, q), {},
        boost::asio::bind_cancellation_slot(stop.slot(), [this](std::exception_ptr e, int n) {
      error = e;
      if (!e) sum = n;
    }));
  }
  [[nodiscard]] int left() {
    int n = 0;
    while (q.try_pop()) ++n;
    return n;
  }
};

}  // namespace

TEST_CASE(
    "producers and consumers that are cancelled or fail at any point leave a queue that works, and nobody behind") {
  int strikes = 0;
  for (const bool throws : {false, true}) {
    for (int n = 1;; ++n) {
      trial t;
      (throws ? t.p.throw_at : t.p.cancel_at) = n;
      t.begin();
      t.io->run();
      static_cast<void>(t.left());
      REQUIRE(t.p.live() == 0);
      REQUIRE((t.q.is_closed() || t.q.try_push(std::make_unique<test::probe::alive>(t.p))));
      if (t.p.points() < n) {
        CHECK(t.sum == 8);
        break;
      }
      CHECK((t.error || t.sum == 8));  // a request that comes last finds all done
      ++strikes;
    }
  }
  CHECK(strikes > 40);
}

TEST_CASE("a run that is broken off after any handler leaves nobody in a queue") {
  for (std::size_t n = 0;; ++n) {
    trial t;
    t.begin();
    for (std::size_t i = 0; i < n && t.io->run_one() > 0; ++i) {
    }
    const bool was_done = t.sum.has_value();
    t.io.reset();
    const int left = t.left();
    REQUIRE(t.p.live() == 0);
    if (was_done) {
      CHECK(left == 0);
      break;
    }
    if (!t.q.is_closed()) CHECK(t.q.try_push(std::make_unique<test::probe::alive>(t.p)));
  }
}

// --- threads

TEST_CASE("producers and consumers on threads of their own deliver everything exactly once, in each producer's order") {
  ag::queue<int> q{3};
  constexpr int each = 2000;
  std::atomic<int> producing = 3;
  std::vector<std::vector<int>> got(3);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      ag::run(push_all(q, i * each, each));
      if (--producing == 0) q.close();
    });
    threads.emplace_back([&, i] { got[static_cast<std::size_t>(i)] = ag::run(pop_all(q)); });
  }
  for (auto& t : threads) t.join();
  std::vector<int> all;
  for (const auto& one : got) {
    CHECK(is_in_order_of_producers(one, each));
    all.insert(all.end(), one.begin(), one.end());
  }
  std::sort(all.begin(), all.end());
  REQUIRE(all.size() == 3 * each);
  for (int i = 0; i < 3 * each; ++i) REQUIRE(all[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("each one who waits goes on on the thread of its own run") {
  ag::queue<int> q{1};
  std::atomic<int> elsewhere = 0;
  const auto pass = [&](std::thread::id home) -> ag::task<> {
    for (int i = 0; i < 200; ++i) {
      co_await q.push(i);
      elsewhere += std::this_thread::get_id() != home;
      static_cast<void>(co_await q.pop());
      elsewhere += std::this_thread::get_id() != home;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { ag::run(pass(std::this_thread::get_id())); });
  for (auto& t : threads) t.join();
  CHECK(elsewhere == 0);
  CHECK(q.size() == 0);
}

TEST_CASE(
    "nothing is lost or doubled when producers and consumers on different threads give up while they are served") {
  ag::queue<int> q{2};
  constexpr int each = 400;
  std::atomic<int> pushed = 0;
  std::atomic<int> popped = 0;
  std::atomic<int> producing = 3;
  const auto produce = [&]() -> ag::task<> {
    for (int i = 0; i < each; ++i)
      pushed += (co_await ag::race(q.push(i), ag::sleep_for(std::chrono::microseconds{i % 50}))).index() == 0;
    if (--producing == 0) q.close();
  };
  const auto consume = [&]() -> ag::task<> {
    for (int i = 0;; ++i) {
      const auto x = co_await ag::race(q.pop(), ag::sleep_for(std::chrono::microseconds{i % 70}));
      if (x.index() != 0) continue;
      if (!std::get<0>(x)) break;
      ++popped;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] { ag::run(produce()); });
    threads.emplace_back([&] { ag::run(consume()); });
  }
  for (auto& t : threads) t.join();
  CHECK(pushed == popped);
  CHECK(q.size() == 0);
}

TEST_CASE("hosted runs that are cancelled while a queue serves them lose nothing") {
  ag::runtime rt({.threads = 3});
  for (int round = 0; round < 30; ++round) {
    ag::queue<int> q{2};
    std::atomic<int> pushed = 0;
    std::atomic<int> popped = 0;
    const auto produce = [&]() -> ag::task<> {
      for (;;) {
        co_await q.push(1);
        ++pushed;
      }
    };
    const auto consume = [&]() -> ag::task<> {
      for (;;) {
        const std::optional<int> one = co_await q.pop();
        if (!one) co_return;
        ++popped;
      }
    };
    std::vector<ag::run_handle<void>> handles;
    for (int i = 0; i < 3; ++i) {
      handles.push_back(ag::start(rt, produce()));
      handles.push_back(ag::start(rt, consume()));
    }
    std::this_thread::sleep_for(std::chrono::microseconds{40 * round});
    for (const auto& h : handles) h.cancel();
    for (const auto& h : handles) h.wait();
    popped += static_cast<int>(contents(q).size());
    REQUIRE(pushed == popped);
  }
}
