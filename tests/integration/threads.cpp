// 8 threads start, cancel, await and drop 100,000 runs on one runtime, while others look at it.

#include <aethergraph/aethergraph.hpp>
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

constexpr int threads = 8;
constexpr int runs_a_thread = 12'500;

struct on_purpose : std::runtime_error {
  on_purpose() : std::runtime_error("on purpose") {}
};

/// Bodies that have begun and not ended.
std::atomic<int> open_bodies = 0;
struct body_mark {
  body_mark() { ++open_bodies; }
  body_mark(const body_mark&) = delete;
  body_mark& operator=(const body_mark&) = delete;
  ~body_mark() { --open_bodies; }
};

const ag::tool doubled{"doubled", [](int x) -> ag::task<int> {
  const body_mark here;
  co_return 2 * x;
}};
const ag::tool pause{"pause", [](int x) -> ag::task<int> {
  const body_mark here;
  co_await ag::sleep_for(std::chrono::microseconds(x % 3));
  co_return x;
}};
const ag::tool breaks{"breaks", [](int) -> int { throw on_purpose(); }};

// What is run. Each gives 2 * x, unless it fails or is cancelled.
const ag::graph_fn quick{"quick", [](int x) -> ag::task<int> {
  const body_mark here;
  co_return co_await doubled(x);
}};
const ag::graph_fn wide{"wide", [](int x) -> ag::task<int> {
  const body_mark here;
  const auto [a, b, c] = co_await ag::gather(pause(x), doubled(x), pause(x));
  co_return a == c ? b : 0;
}, {.max_concurrency = 2}};
const ag::graph_fn nested{"nested", [](int x) -> ag::task<int> {
  const body_mark here;
  const auto [a, b] = co_await ag::gather(quick(x), wide(x));
  co_return a == b ? a : 0;
}};
const ag::graph_fn failing{"failing", [](int x) -> ag::task<int> {
  const body_mark here;
  co_return co_await doubled(x) + co_await breaks(x);
}};
const ag::graph_fn endless{"endless", [](int x) -> ag::task<int> {
  const body_mark here;
  co_await ag::sleep_for(24h);
  co_return 2 * x;
}};
const ag::graph_fn awaiting{"awaiting", [](ag::run_handle<int> other) -> ag::task<int> {
  const body_mark here;
  co_return co_await other;
}};

/// How often each event has come, over all runs.
class event_count final : public ag::observer {
 public:
  void on_event(const ag::event& e) override { ++counts_[static_cast<std::size_t>(e.kind())]; }
  [[nodiscard]] int of(ag::event_kind k) const { return counts_[static_cast<std::size_t>(k)]; }

 private:
  std::array<std::atomic<int>, 7> counts_{};
};

/// Shared by the threads.
struct tally {
  std::atomic<int> values = 0;
  std::atomic<int> failures = 0;
  std::atomic<int> stops = 0;
  std::atomic<int> dropped = 0;
  std::atomic<int> wrong = 0;  // outcomes that the run cannot have
};

/// A run whose handle is kept for a while.
struct pending {
  ag::run_handle<int> handle;
  int value = 0;
  bool may_fail = false;
  bool may_stop = false;
  bool may_return = true;
};

void settle(const pending& p, tally& all) {
  try {
    const int x = p.handle.get();
    ++all.values;
    all.wrong += x != p.value || !p.may_return;
  } catch (const on_purpose&) {
    ++all.failures;
    all.wrong += !p.may_fail;
  } catch (const ag::cancelled&) {
    ++all.stops;
    all.wrong += !p.may_stop;
  } catch (...) {
    ++all.wrong;
  }
  all.wrong += !p.handle.done();
}

void start_runs(ag::runtime& rt, unsigned seed, tally& all) {
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  std::deque<pending> kept;
  for (int i = 0; i < runs_a_thread; ++i) {
    pending p;
    p.value = 2 * i;
    switch (const unsigned kind = kept.empty() ? below(5) : below(6)) {
      case 0:
      case 1:
        p.handle = ag::start(rt, quick(i), {.record = kind ? ag::record::times : ag::record::off});
        break;
      case 2:
        p.handle = below(4) ? ag::start(rt, wide(i)) : ag::start(rt, nested(i));
        break;
      case 3:
        p.handle = ag::start(rt, failing(i));
        p.may_fail = true;
        p.may_return = false;
        break;
      case 4:
        p.handle = ag::start(rt, endless(i));
        p.may_return = false;
        break;
      default: {
        const pending& other = kept[below(static_cast<unsigned>(kept.size()))];
        p = other;
        p.handle = ag::start(rt, awaiting(other.handle));
      }
    }
    const bool must_stop = !p.may_return && !p.may_fail && !p.may_stop;
    if (must_stop || below(4) == 0) {
      p.may_stop = true;
      if (below(2)) p.handle.cancel();
      else rt.cancel(p.handle.id());
    }
    switch (below(8)) {
      case 0:
        ++all.dropped;
        break;
      case 1:
        all.wrong += p.handle.graph().id() != p.handle.id();
        [[fallthrough]];
      default:
        kept.push_back(std::move(p));
    }
    if (kept.size() > 16) {
      settle(kept.front(), all);
      kept.pop_front();
    }
  }
  for (const pending& p : kept) settle(p, all);
}

}  // namespace

TEST_CASE("8 threads start, cancel, await and drop 100,000 runs on a runtime, and nothing is left") {
  event_count events;
  tally all;
  {
    ag::runtime rt({.threads = 3, .max_concurrency = 8, .observer = &events});
    std::atomic<bool> is_over = false;
    std::atomic<int> looks = 0;
    std::thread looking([&] {
      while (!is_over) {
        looks += rt.dump().find(" live runs, ") != std::string::npos;
        all.wrong += rt.permits_held() > 8;
        for (const ag::run_info& r : rt.runs()) all.wrong += r.id.find(r.name + "#") != 0;
        std::this_thread::sleep_for(1ms);
      }
    });
    std::vector<std::thread> starting;
    for (unsigned i = 0; i < threads; ++i) starting.emplace_back([&, i] { start_runs(rt, i + 1, all); });
    for (auto& t : starting) t.join();
    const auto drained = [](ag::runtime& r) -> ag::task<> { co_await r.drain(); };
    ag::run(drained(rt));
    is_over = true;
    looking.join();

    CHECK(rt.runs().empty());
    CHECK(rt.permits_held() == 0);
    CHECK(rt.dump() == "0 live runs, 0 of 8 permits held\n");
    CHECK(open_bodies == 0);
    CHECK(looks > 0);
  }
  CHECK(all.wrong == 0);
  CHECK(all.values + all.failures + all.stops + all.dropped == threads * runs_a_thread);
  CHECK(all.values > 10'000);
  CHECK(all.failures > 1'000);
  CHECK(all.stops > 10'000);
  CHECK(all.dropped > 1'000);
  CHECK(events.of(ag::event_kind::run_started) >= threads * runs_a_thread);
  CHECK(events.of(ag::event_kind::run_started) == events.of(ag::event_kind::run_ended));
  CHECK(events.of(ag::event_kind::node_made) > 100'000);
  CHECK(events.of(ag::event_kind::node_made) == events.of(ag::event_kind::node_ended));
}

TEST_CASE("runtimes come and go while their runs are looked at and cancelled") {
  tally all;
  std::vector<std::thread> starting;
  for (unsigned i = 0; i < threads; ++i)
    starting.emplace_back([&, i] {
      for (int n = 0; n < 50; ++n) {
        std::vector<ag::run_handle<int>> handles;
        std::thread other;
        {
          ag::runtime rt({.threads = 1 + static_cast<int>(i % 2)});
          for (int k = 0; k < 5; ++k) handles.push_back(k % 2 ? ag::start(rt, wide(k)) : ag::start(rt, endless(k)));
          other = std::thread([&all, &handles] {
            for (const auto& h : handles) {
              all.wrong += h.graph().id() != h.id();
              h.cancel();
            }
          });
        }
        for (const auto& h : handles) all.wrong += !h.done();
        other.join();
      }
    });
  for (auto& t : starting) t.join();
  CHECK(all.wrong == 0);
  CHECK(open_bodies == 0);
}

TEST_CASE("runs of 6 threads share a pool, a rate, a breaker, a queue and workers, and give all of it back") {
  constexpr int makers = 6;
  constexpr int runs_of_each = 900;
  ag::resource_pool first{"first", 3};
  ag::resource_pool second{"second", 2};
  ag::rate_limit rate{200'000, 50};
  ag::circuit_breaker breaker{"breaker", 3, 200us};
  ag::queue<int> queue{4};
  std::atomic<int> holders = 0;  // permits of `first` that bodies hold
  std::atomic<int> pushed = 0;
  std::atomic<int> popped = 0;
  tally all;

  const ag::tool inner{"inner", [](int x) -> ag::task<int> {
    const body_mark here;
    co_await ag::sleep_for(std::chrono::microseconds(x % 3));
    co_return x;
  }, {.pool = &second}};
  const ag::tool held{"held", [&](int x) -> ag::task<int> {
    const body_mark here;
    struct holding {
      std::atomic<int>& n;
      ~holding() { n -= 2; }
    } const two{holders};
    all.wrong += (holders += 2) > 3;
    co_return co_await inner(x);
  }, {.pool = &first, .weight = 2}};
  const ag::tool flaky{"flaky",
      [](int x, int n) -> ag::task<int> {
    const body_mark here;
    co_await ag::sleep_for(std::chrono::microseconds(n % 5));
    if (n % 7 == 0) throw on_purpose();
    co_return x;
  },
      {.timeout = 1s,
          .retry = {.max_attempts = 3, .first_delay = 10us, .jitter = 1},
          .pool = &second,
          .rate = &rate,
          .priority = 1,
          .breaker = &breaker}};
  const ag::tool computed{"computed", [&](ag::context& ctx, int x) {
    const body_mark here;
    for (int i = 0; i < x % 4 && !ctx.stop_requested(); ++i) std::this_thread::yield();
    if (x % 11 == 0) throw on_purpose();
    return x;
  }, {.retry = {.max_attempts = 2}, .pool = &first, .workers = true}};
  const ag::graph_fn mixed{"mixed", [&](int x) -> ag::task<int> {
    const body_mark here;
    const auto push = [&]() -> ag::task<> {
      co_await queue.push(x);
      ++pushed;
    };
    const auto pop = [&]() -> ag::task<> {
      if (co_await queue.pop()) ++popped;
    };
    const auto both = co_await ag::gather_results(push(), pop());
    const auto r = co_await ag::gather_results(held(x), flaky(x, x), flaky(x, 7 * x), computed(x), held(x));
    const auto raced = co_await ag::as_result(ag::race(flaky(x, 3), computed(1), held(x)));
    static_cast<void>(both);
    static_cast<void>(r);
    static_cast<void>(raced);
    co_await ag::sleep_for(0s);  // throws if the run was asked to stop
    co_return 2 * x;
  }, {.max_concurrency = 3}};

  {
    ag::runtime rt({.threads = 3, .max_concurrency = 6, .workers = 2});
    std::vector<std::thread> starting;
    for (int i = 0; i < makers; ++i)
      starting.emplace_back([&, i] {
        std::mt19937 random(static_cast<unsigned>(i));
        std::deque<pending> kept;
        for (int n = 0; n < runs_of_each; ++n) {
          pending p;
          p.value = 2 * n;
          p.handle = ag::start(rt, mixed(n));
          if (random() % 3 == 0) {
            p.may_stop = true;
            if (random() % 2) std::this_thread::yield();
            p.handle.cancel();
          }
          kept.push_back(std::move(p));
          if (kept.size() > 8) {
            settle(kept.front(), all);
            kept.pop_front();
          }
        }
        for (const pending& p : kept) settle(p, all);
      });
    // Who popped and was cancelled later may leave others without a partner.
    std::atomic<bool> is_over = false;
    std::thread helping([&] {
      while (!is_over) {
        if (queue.size() == 0) pushed += queue.try_push(1);
        if (queue.size() == queue.capacity()) popped += queue.try_pop().has_value();
        std::this_thread::sleep_for(100us);
      }
    });
    for (auto& t : starting) t.join();
    is_over = true;
    helping.join();
    CHECK(rt.permits_held() == 0);
  }
  while (queue.try_pop()) ++popped;
  CHECK(queue.size() == 0);
  CHECK(pushed == popped);
  for (int n = 0; n < 4; ++n) CHECK(queue.try_push(n));
  CHECK(all.wrong == 0);
  CHECK(all.values + all.stops == makers * runs_of_each);
  CHECK(all.values > 1'000);
  CHECK(all.stops > 100);
  CHECK(holders == 0);
  CHECK(open_bodies == 0);
  for (const ag::resource_pool* pool : {&first, &second}) {
    CHECK(pool->now().in_use == 0);
    CHECK(pool->now().waiting == 0);
  }
  CHECK(rate.now().waiting == 0);
  CHECK(breaker.now() != ag::circuit_breaker::state::half_open);
}
