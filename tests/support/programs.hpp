// Programs that use everything, with a point before and after each await where a harness can strike.
#pragma once

#include <aethergraph/aethergraph.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace test {

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

struct injected : std::runtime_error {
  injected() : std::runtime_error("injected") {}
};

/// What a harness counts, and where it strikes.
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
    ++points_;
    if (points_ == throw_at) throw injected();
    if (points_ == cancel_at && cancel) cancel();
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
  [[nodiscard]] int live() const { return alive_; }

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

 private:
  int points_ = 0;
  int alive_ = 0;
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
