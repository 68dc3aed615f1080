// Programs that use everything, with a point before and after each await where a harness can strike.
#pragma once

#include <aethergraph/aethergraph.hpp>
#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace test {

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

struct injected : std::runtime_error {
  injected() : std::runtime_error("injected") {}
};

/// What a harness counts, and where it strikes. In a parallel run plain functions meet it on worker threads.
class probe {
 public:
  /// Something that must be gone in the end, whatever happened.
  class alive {
   public:
    explicit alive(probe& p) : probe_(p) { ++probe_.alive_; }
    alive(const alive& o) : probe_(o.probe_) { ++probe_.alive_; }
    alive& operator=(const alive&) = delete;
    ~alive() { --probe_.alive_; }

   private:
    probe& probe_;
  };

  /// A point where the harness may throw, or cancel.
  void point() {
    const int here = ++points_;
    if (here == throw_at) throw injected();
    if (here == cancel_at && cancel) cancel();
  }

  /// Awaits, with a point on either side.
  template <class A>
  ag::task<ag::detail::await_result_t<A>> at(A a) {
    const alive here(*this);
    point();
    if constexpr (std::is_void_v<ag::detail::await_result_t<A>>) {
      co_await std::move(a);
      point();
    } else {
      auto value = co_await std::move(a);
      point();
      co_return std::move(value);
    }
  }

  int throw_at = 0;
  int cancel_at = 0;
  std::function<void()> cancel;

  [[nodiscard]] int points() const { return points_; }
  [[nodiscard]] int live() const { return alive_ + in_workers_; }

  /// What does not agree of what the programs share, once they are over; empty if all does.
  std::string broken_limits() {
    for (const ag::resource_pool* pool : {&first_pool, &second_pool})
      if (pool->now().in_use != 0 || pool->now().waiting != 0) return pool->name();
    if (rate.now().waiting != 0) return "rate";
    if (breaker.now() == ag::circuit_breaker::state::half_open) return "breaker";
    while (numbers.try_pop()) {
    }
    if (numbers.size() != 0) return "queue, which has an element that nobody gets";
    for (std::size_t n = 0; n < numbers.capacity() && !numbers.is_closed(); ++n)
      if (!numbers.try_push(1)) return "queue, which has a place that nobody gets";
    return {};
  }

  // --- what the calls of a program share
  ag::resource_pool first_pool{"first", 2};
  ag::resource_pool second_pool{"second", 1};
  ag::rate_limit rate{5000, 2};
  ag::circuit_breaker breaker{"breaker", 1, 200us};
  ag::queue<int> numbers{2};

  // --- the tools of the programs
  const ag::tool<int(int)> quick{"quick", [this](int x) {
    const alive here(*this);
    point();
    return x;
  }};
  const ag::tool<int(int)> slow{"slow", [this](int x) -> ag::task<int> {
    const alive here(*this);
    co_await at(ag::sleep_for(std::chrono::microseconds(100 * (x % 3 + 1))));
    co_return x;
  }};
  const ag::tool<int(int)> timed{"timed", [this](int x) -> asio::awaitable<int> {
    const alive here(*this);
    asio::steady_timer t(co_await asio::this_coro::executor, 100us);
    co_await t.async_wait(asio::use_awaitable);
    co_return x;
  }};
  const ag::tool<int(int)> family{"family", [this](int x) -> ag::task<int> {
    const alive here(*this);
    std::vector<ag::call<int(int), ag::detail::any_callable<int(int)>>> calls;
    for (int i = 0; i < 3; ++i) calls.push_back(slow(i));
    const std::vector<int> all = co_await ag::gather(std::move(calls));
    co_return x + all.at(2) + co_await at(quick(1));
  }};

  // --- those within bounds; every other attempt of one of them fails, or takes too long
  const ag::tool<int(int)> flaky{"flaky", [this](int x) -> ag::task<int> {
    const alive here(*this);
    point();
    if (++tries_[x] % 2 == 1) {
      if (x % 2) throw std::runtime_error("flaky");
      co_await at(ag::sleep_for(1h));
    }
    co_return co_await at(quick(x));
  }};
  const ag::tool<int(int)> pooled{"pooled", [this](int x) -> ag::task<int> {
    const alive here(*this);
    co_await at(ag::sleep_for(50us));
    // Of the pool that it holds already, and of the one that ranks behind.
    const ag::tool_options same{.pool = &first_pool};
    const ag::tool_options next{.pool = &second_pool};
    co_await at(quick(1).with(same));
    co_return co_await at(slow(x).with(next));
  }};
  const ag::tool<int(int)> down{"down", [this](int x) -> ag::task<int> {
    const alive here(*this);
    co_await at(ag::sleep_for(50us));
    if (++tries_[x] % 2 == 1) throw std::runtime_error("down");
    co_return x;
  }};
  struct on_worker {
    probe* owner;
    int operator()(int x) const {
      ++owner->in_workers_;
      std::this_thread::sleep_for(std::chrono::microseconds(20 * (x % 4)));
      --owner->in_workers_;
      if (x == 3) throw std::runtime_error("not 3");
      return x;
    }
  };
  const ag::tool<int(int), on_worker> computed{"computed", on_worker{this}, {.workers = true}};

 private:
  std::atomic<int> points_ = 0;
  std::atomic<int> alive_ = 0;
  std::atomic<int> in_workers_ = 0;
  std::map<int, int> tries_;
};

using program = std::function<ag::task<int>(probe&)>;

inline ag::task<int> nested(probe& p, int depth) {
  const probe::alive here(p);
  if (depth == 0) co_return co_await p.at(p.slow(1));
  co_return co_await p.at(nested(p, depth - 1));
}

/// By name, so that a failing one is told.
inline const std::map<std::string, program>& programs() {
  static const std::map<std::string, program> by_name{
      {"calls one after another",
          [](probe& p) -> ag::task<int> {
    const int a = co_await p.at(p.quick(1));
    const int b = co_await p.at(p.slow(2));
    co_return a + b + co_await p.at(p.timed(3));
  }},
      {"tasks in tasks", [](probe& p) -> ag::task<int> { co_return co_await nested(p, 5); }},
      {"gather of calls",
          [](probe& p) -> ag::task<int> {
    auto [a, b, c, d] = co_await ag::gather(p.quick(1), p.slow(2), p.timed(3), p.family(4));
    co_return a + b + c + d;
  }},
      {"gather of many",
          [](probe& p) -> ag::task<int> {
    const auto all = co_await ag::gather(std::views::iota(0, 12) | std::views::transform(p.slow));
    co_return static_cast<int>(all.size());
  }},
      {"gather of families",
          [](probe& p) -> ag::task<int> {
    const auto all = co_await ag::gather(std::views::iota(0, 4) | std::views::transform(p.family));
    co_return all.at(3);
  }},
      {"gather_results",
          [](probe& p) -> ag::task<int> {
    const auto all = co_await ag::gather_results(std::views::iota(0, 6) | std::views::transform(p.slow));
    int good = 0;
    for (const auto& r : all) good += r.has_value();
    co_return good;
  }},
      {"race",
          [](probe& p) -> ag::task<int> {
    const auto first = co_await ag::race(p.slow(2), p.at(ag::sleep_for(1h)), p.timed(3), nested(p, 2));
    co_return static_cast<int>(first.index());
  }},
      {"race that is over at once",
          [](probe& p) -> ag::task<int> {
    const auto first = co_await ag::race(p.slow(2), p.quick(1), p.slow(3));
    co_return static_cast<int>(first.index());
  }},
      {"timeout",
          [](probe& p) -> ag::task<int> {
    const auto late = co_await ag::as_result(ag::timeout(p.at(ag::sleep_for(1h)), 300us));
    co_return co_await ag::timeout(p.family(2), 1h) + late.has_value();
  }},
      {"with_group",
          [](probe& p) -> ag::task<int> {
    co_return co_await ag::with_group([&](ag::task_group& g) -> ag::task<int> {
      const probe::alive here(p);
      for (int i = 0; i < 4; ++i) g.spawn(p.slow(i));
      g.spawn(nested(p, 2));
      co_await p.at(ag::sleep_for(100us));
      g.spawn(p.family(1));
      co_return 1;
    });
  }},
      {"as_completed",
          [](probe& p) -> ag::task<int> {
    int sum = 0;
    co_await ag::as_completed(std::views::iota(0, 8) | std::views::transform(p.slow), [&](int x) {
      p.point();
      sum += x;
    });
    co_return sum;
  }},
      {"semaphore",
          [](probe& p) -> ag::task<int> {
    ag::semaphore two(2);
    auto guarded = [&](int x) -> ag::task<int> {
      const auto permit = co_await two.acquire();
      co_return co_await p.at(p.slow(x));
    };
    const auto all = co_await ag::gather(guarded(1), guarded(2), guarded(3), guarded(4), guarded(5));
    co_return std::get<4>(all);
  }},
      {"clean-up",
          [](probe& p) -> ag::task<int> {
    auto r = co_await ag::as_result(p.at(ag::gather(p.slow(1), p.slow(2))));
    co_await ag::shielded(p.at(p.slow(3)));
    co_return r.has_value();
  }},
      {"nested runs",
          [](probe& p) -> ag::task<int> {
    const ag::graph_fn inner{"inner", [&p](int x) -> ag::task<int> {
      const auto all = co_await ag::gather(std::views::iota(0, x) | std::views::transform(p.family));
      co_return static_cast<int>(all.size());
    }, {.max_concurrency = 2}};
    auto narrow = ag::run_async(inner(3), {.max_concurrency = 1});
    auto [a, b] = co_await ag::gather(inner(2), std::move(narrow));
    co_return a + b;
  }},
      {"retries and timeouts of attempts",
          [](probe& p) -> ag::task<int> {
    const ag::tool_options options{
        .timeout = 200us, .retry = {.max_attempts = 3, .first_delay = 50us, .jitter = 0.5, .seed = 3}};
    const auto all = co_await ag::gather_results(
        p.flaky(1).with(options), p.flaky(2).with(options), p.flaky(3).with(options), p.flaky(4).with(options));
    co_return std::get<0>(all).has_value() + co_await p.at(p.quick(1));
  }},
      {"pools",
          [](probe& p) -> ag::task<int> {
    const ag::tool_options one{.pool = &p.first_pool};
    const ag::tool_options two{.pool = &p.first_pool, .weight = 2};
    const ag::tool_options other{.pool = &p.second_pool};
    auto [a, b, c, d, e] = co_await ag::gather(p.pooled(1).with(one), p.pooled(2).with(two), p.pooled(1).with(one),
        p.slow(0).with(other), p.at(p.slow(1).with(two)));
    co_return a + b + c + d + e;
  }},
      {"pools across nested runs",
          [](probe& p) -> ag::task<int> {
    const ag::tool_options one{.pool = &p.first_pool};
    const ag::graph_fn inner{"inner", [&p, &one](int x) -> ag::task<int> {
      auto [a, b] = co_await ag::gather(p.pooled(x).with(one), p.slow(1).with(one));
      co_return a + b;
    }, {.max_concurrency = 1}};
    const ag::tool<int(int)> outer{"outer", [&p, &inner](int x) -> ag::task<int> {
      const probe::alive here(p);
      co_return co_await p.at(inner(x));
    }, {.pool = &p.first_pool, .weight = 2}};
    auto [a, b, c] = co_await ag::gather(outer(1), inner(2), outer(3));
    co_return a + b + c;
  }},
      {"rates and priorities",
          [](probe& p) -> ag::task<int> {
    const ag::tool_options normal{.pool = &p.first_pool, .rate = &p.rate};
    const ag::tool_options urgent{.rate = &p.rate, .priority = 2};
    const ag::tool_options idle{.priority = -1};
    auto [a, b, c, d, e] = co_await ag::gather(p.slow(1).with(normal), p.quick(2).with(idle), p.slow(3).with(urgent),
        p.family(4).with(normal), p.at(p.quick(5).with(urgent)));
    co_return a + b + c + d + e;
  }},
      {"a breaker",
          [](probe& p) -> ag::task<int> {
    const ag::tool_options once{.rate = &p.rate, .breaker = &p.breaker};
    const ag::tool_options again{
        .retry = {.max_attempts = 4, .first_delay = 100us, .factor = 1}, .pool = &p.first_pool, .breaker = &p.breaker};
    const auto all = co_await ag::gather_results(
        p.down(1).with(once), p.down(2).with(again), p.down(3).with(again), p.quick(4).with(once));
    co_await p.at(ag::sleep_for(200us));
    const auto later = co_await ag::as_result(p.down(1).with(again));
    co_return later.has_value() + std::get<3>(all).has_value() + co_await p.at(p.quick(1));
  }},
      {"everything at once",
          [](probe& p) -> ag::task<int> {
    const ag::tool_options options{.timeout = 300us,
        .retry = {.max_attempts = 3, .first_delay = 50us},
        .pool = &p.first_pool,
        .weight = 2,
        .rate = &p.rate,
        .priority = 1,
        .breaker = &p.breaker};
    auto one = ag::as_result(ag::timeout(p.flaky(1).with(options), 500us));
    const auto all = co_await ag::gather_results(
        ag::race(p.flaky(2).with(options), p.at(p.slow(1))), p.flaky(3).with(options), std::move(one));
    co_return std::get<0>(all).has_value() + co_await p.at(p.quick(1));
  }},
      {"a queue",
          [](probe& p) -> ag::task<int> {
    const auto produce = [&](int from) -> ag::task<> {
      const probe::alive here(p);
      for (int i = from; i < from + 4; ++i) {
        if (i % 2) co_await p.numbers.push(co_await p.at(p.quick(i)));
        else co_await p.at(p.numbers.push(i));
      }
    };
    const auto produce_all = [&]() -> ag::task<> {
      co_await ag::gather(produce(0), produce(10));
      p.numbers.close();
    };
    const auto consume = [&](bool is_slow) -> ag::task<int> {
      const probe::alive here(p);
      int sum = 0;
      for (;;) {
        std::optional<int> next;
        if (is_slow) next = co_await p.at(p.numbers.pop());
        else next = co_await p.numbers.pop();
        if (!next) co_return sum;
        sum += *next;
        if (is_slow) co_await p.at(ag::sleep_for(30us));
      }
    };
    const auto all = co_await ag::gather(consume(true), produce_all(), consume(false));
    co_return std::get<0>(all) + std::get<2>(all);
  }},
      {"a queue that is given up",
          [](probe& p) -> ag::task<int> {
    const auto late = co_await ag::as_result(ag::timeout(p.numbers.pop(), 100us));
    const auto full = [&]() -> ag::task<> {
      for (int i = 0; i < 4; ++i) co_await p.at(p.numbers.push(i));
    };
    const auto first = co_await ag::race(full(), p.numbers.push(9), p.at(ag::sleep_for(100us)), full());
    const auto one = co_await p.at(p.numbers.pop());
    co_return static_cast<int>(first.index()) + one.has_value() + late.has_value();
  }},
      {"workers",
          [](probe& p) -> ag::task<int> {
    const ag::tool_options options{
        .retry = {.max_attempts = 2, .first_delay = 20us}, .pool = &p.first_pool, .workers = true};
    const auto all = co_await ag::gather_results(
        p.computed(1), p.computed(2).with(options), p.computed(3), p.computed(3).with(options), p.at(p.computed(0)));
    co_return std::get<0>(all).has_value() + co_await p.at(p.quick(1));
  }},
      {"asio operations",
          [](probe& p) -> ag::task<int> {
    asio::steady_timer a(co_await asio::this_coro::executor, 100us);
    asio::steady_timer b(co_await asio::this_coro::executor, 1h);
    co_await p.at(a.async_wait(ag::use_task));
    const auto first = co_await ag::race(a.async_wait(asio::deferred), b.async_wait(ag::use_task));
    co_return static_cast<int>(first.index());
  }},
  };
  return by_name;
}

}  // namespace test
