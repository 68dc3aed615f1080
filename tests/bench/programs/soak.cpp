// soak [CALLS]: so many calls, 10 million by default, in runs that fail, time out, try again, nest and are cancelled,
// on a runtime of two threads. Prints the resident memory now and then; ends non-zero when, after a warm-up of a tenth
// of the calls and of half a million at least, it grows by more than 4 MiB, or when a call got a wrong result.
#include <fmt/format.h>
#include <unistd.h>

#include <aethergraph/aethergraph.hpp>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <memory>
#include <random>
#include <ranges>
#include <stdexcept>
#include <variant>

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

constexpr double mebibyte = 1024 * 1024;
constexpr double allowed_growth = 4 * mebibyte;
constexpr std::int64_t warm_up = 500'000;
constexpr int runs_at_a_time = 32;

std::atomic<std::int64_t> bodies = 0, wrong = 0;  // bodies that were started; results that are not what they should be

/// Numbers that follow from a seed. Each run has its own.
class dice {
 public:
  explicit dice(unsigned seed) : numbers_(seed) {}
  /// From 0 to n - 1.
  int operator()(int n) { return static_cast<int>(numbers_() % static_cast<unsigned>(n)); }
  bool one_in(int n) { return (*this)(n) == 0; }

 private:
  std::minstd_rand numbers_;
};

void check(bool is_right) {
  if (!is_right) ++wrong;
}

// What a body does follows from its argument: about one in 16 fails, one in 16 sleeps. It gives twice the argument.
void maybe_fail(int x) {
  ++bodies;
  if (x % 16 == 7) throw std::runtime_error("as planned");
}
ag::task<int> work_on(int x) {
  maybe_fail(x);
  if (x % 16 == 3) co_await ag::sleep_for(std::chrono::microseconds(x % 200));
  co_return 2 * x;
}

ag::resource_pool pool{"pool", 3};

const ag::tool work{"work", work_on};
const ag::tool plain{"plain", [](int x) {
  maybe_fail(x);
  return 2 * x;
}};
const ag::tool pooled{"pooled", work_on, {.pool = &pool}};
const ag::tool limited{"limited", work_on, {.timeout = 100us}};
std::atomic<int> attempts = 0;
const ag::tool retried{"retried", [](int x) -> ag::task<int> {
  ++bodies;
  if (++attempts % 3 == 0) throw std::runtime_error("try again");
  co_return 2 * x;
}, {.retry = {.max_attempts = 3, .first_delay = 20us, .jitter = 1}}};
const ag::tool late{"late", [](int x) -> ag::task<int> {
  ++bodies;
  co_await ag::sleep_for(1h);
  co_return x;
}};

const ag::graph_fn nested{"nested", [](int x) -> ag::task<int> {
  const auto all = co_await ag::gather(work(x), pooled(x + 1), plain(x + 2));
  const auto& [a, b, c] = all;
  co_return a + b + c;
}, {.max_concurrency = 2}};

const ag::graphify traced{"traced", [](ag::node<int> x) {
  auto a = work(x);
  auto b = plain(x);
  auto c = pooled(a);
  return plain(c).after(b);
}};

// --- one step of a run: a few calls in one of the ways in which calls are made
ag::task<> take_step(dice& d) {
  const int x = d(1'000'000);
  switch (d(10)) {
    case 0: {
      for (int i = 0; i < 20; ++i) {
        const auto r = co_await ag::as_result(plain(x + i));
        check(!r || r.value() == 2 * (x + i));
      }
      break;
    }
    case 1: {
      const auto r = co_await ag::as_result(ag::gather(std::views::iota(x, x + 4) | std::views::transform(work)));
      check(!r || r.value()[3] == 2 * (x + 3));
      break;
    }
    case 2: {
      const auto all = co_await ag::gather_results(std::views::iota(x, x + 20) | std::views::transform(work));
      check(all.size() == 20);
      break;
    }
    case 3: {
      const auto r = co_await ag::as_result(ag::race(late(x), work(x)));
      check(!r || std::get<1>(r.value()) == 2 * x);
      break;
    }
    case 4: {
      const auto r = co_await ag::as_result(ag::timeout(late(x), 30us));
      check(!r.has_value());
      break;
    }
    case 5: {
      const auto r = co_await ag::as_result(retried(x));
      check(!r || r.value() == 2 * x);
      break;
    }
    case 6: {
      const auto r = co_await ag::as_result(nested(x));
      check(!r || r.value() == 6 * x + 6);
      break;
    }
    case 7: {
      const auto all = co_await ag::gather_results(std::views::iota(x, x + 10) | std::views::transform(pooled));
      check(all.size() == 10);
      break;
    }
    case 8: {
      const auto spawn_all = [&x](ag::task_group& g) -> ag::task<> {
        for (int i = 0; i < 10; ++i) g.spawn(limited(x + i));
        co_return;
      };
      const auto r = co_await ag::as_result(ag::with_group(spawn_all));
      check(r.has_value() || r.error());
      break;
    }
    default: {
      static const auto graph = traced.build();
      const auto r = co_await ag::as_result(graph(x));
      check(!r.has_value() || r.value() == 8 * x);
      break;
    }
  }
}

// Ends by itself, by its deadline, or because somebody cancels it.
const ag::graph_fn agent{"agent", [](unsigned seed) -> ag::task<int> {
  dice d(seed);
  for (int i = 0; i < 50; ++i) co_await take_step(d);
  if (d.one_in(8)) throw std::runtime_error("as planned");
  co_return 50;
}, {.max_concurrency = 8}};

double resident_bytes() {
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

struct outcomes {
  std::int64_t returned = 0, failed = 0, timed_out = 0, cancelled = 0;
};
void count(outcomes& o, const ag::run_handle<int>& run) {
  try {
    check(run.get() == 50);
    ++o.returned;
  } catch (const ag::cancelled&) {
    ++o.cancelled;
  } catch (const ag::timed_out&) {
    ++o.timed_out;
  } catch (const std::runtime_error&) {
    ++o.failed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t calls = argc == 2 ? std::atoll(argv[1]) : 10'000'000;
  if (argc > 2 || calls < 1) {
    fmt::print(stderr, "usage: soak [CALLS]\n");
    return 2;
  }
  outcomes ended;
  double before = 0, growth = 0;
  {
    ag::runtime rt({.threads = 2});
    std::deque<ag::run_handle<int>> live;
    dice d(1);
    unsigned seed = 0;
    for (int tenth = 1; tenth <= 10; ++tenth) {
      while (bodies < calls / 10 * tenth || (tenth == 10 && bodies < calls)) {
        ag::run_options options;
        if (d.one_in(8)) options.deadline = std::chrono::microseconds(d(5'000));
        live.push_back(ag::start(rt, agent(++seed), options));
        if (d.one_in(8)) live[static_cast<std::size_t>(d(static_cast<int>(live.size())))].cancel();
        if (live.size() < runs_at_a_time) continue;
        count(ended, live.front());
        live.pop_front();
      }
      const double now = resident_bytes();
      if (tenth == 1 || bodies < warm_up) before = now;
      growth = std::max(growth, now - before);
      fmt::print("{:>9} calls, resident {:.1f} MiB\n", bodies.load(), now / mebibyte);
      std::fflush(stdout);
    }
    for (const ag::run_handle<int>& run : live) count(ended, run);
  }
  fmt::print("runs: {} returned, {} failed, {} by their deadline, {} cancelled\n", ended.returned, ended.failed,
      ended.timed_out, ended.cancelled);
  fmt::print("grown by {:.2f} MiB at most since the warm-up; {:.0f} are allowed. Wrong results: {}\n",
      growth / mebibyte, allowed_growth / mebibyte, wrong.load());
  return growth > allowed_growth || wrong > 0 ? 1 : 0;
}
