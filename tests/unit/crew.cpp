// Parallel runs: plain functions on worker threads, with the books kept as if on the strand.

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/detail/crew.hpp>
#include <algorithm>
#include <atomic>
#include <barrier>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <mutex>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// How many bodies are at it, and were at most.
struct meter {
  void enter() {
    const int n = ++now;
    for (int p = peak; n > p && !peak.compare_exchange_weak(p, n);) {
    }
  }
  void leave() { --now; }
  std::atomic<int> now = 0, peak = 0;
};

template <class Tool>
ag::graph<int(int)> fan_of(const Tool& tool, int width) {
  static const ag::tool sum{"sum", [](std::vector<int> all) {
    int s = 0;
    for (const int x : all) s += x;
    return s;
  }};
  const ag::graphify traced{"fan", [&](ag::node<int> x) {
    std::vector<ag::node<int>> all;
    for (int i = 0; i < width; ++i) all.push_back(tool(x));
    return sum(all);
  }};
  return traced.build();
}

}  // namespace

TEST_CASE("in a parallel run plain functions of a graph run at the same time") {
  std::barrier together(2);
  const ag::tool meets{"meets", [&](int x) {
    together.arrive_and_wait();  // which one thread alone would wait for in vain
    return x + 1;
  }};
  CHECK(ag::run(fan_of(meets, 2)(1), {.parallel = true}) == 4);
}

TEST_CASE("in a parallel run plain functions that an agent calls run at the same time") {
  std::barrier together(2);
  const ag::tool meets{"meets", [&](int x) {
    together.arrive_and_wait();
    return x + 1;
  }};
  const auto body = [&]() -> ag::task<int> {
    const auto [a, b] = co_await ag::gather(meets(1), meets(2));
    co_return a + b;
  };
  CHECK(ag::run(body(), {.parallel = true}) == 5);
}

TEST_CASE("a parallel run keeps its cap") {
  for (const int cap : {1, 2, 3, 64}) {
    meter m;
    const ag::tool measured{"measured", [&m](int x) {
      m.enter();
      std::this_thread::yield();
      m.leave();
      return x;
    }};
    const auto graph = ag::try_run(fan_of(measured, 300)(1), {.max_concurrency = cap, .parallel = true});
    CHECK(graph.value() == 300);
    CHECK(m.peak <= cap);
    CHECK(graph.peak_concurrency() <= static_cast<std::size_t>(cap));
    const auto body = [&]() -> ag::task<> {
      co_await ag::gather(std::views::iota(0, 300) | std::views::transform([&](int i) { return measured(i); }));
    };
    const auto agent = ag::try_run(body(), {.max_concurrency = cap, .parallel = true});
    CHECK(agent.ok());
    CHECK(m.peak <= cap);
    CHECK(agent.peak_concurrency() <= static_cast<std::size_t>(cap));
  }
}

TEST_CASE("a nested run of a parallel run is parallel, too") {
  std::barrier together(2);
  const ag::tool meets{"meets", [&](int x) {
    together.arrive_and_wait();
    return x;
  }};
  const ag::graph_fn inner{"inner", [&](int x) -> ag::task<int> {
    co_await ag::gather(meets(x), meets(x));
    co_return x;
  }};
  const auto outer = [&]() -> ag::task<int> { co_return co_await ag::run_async(inner(7)); };
  CHECK(ag::run(outer(), {.parallel = true}) == 7);
}

TEST_CASE("coroutines of a parallel run stay on its strand") {
  const auto here = std::this_thread::get_id();
  std::atomic<bool> is_here = true;
  const ag::tool plain{"plain", [](int x) { return x + 1; }};
  const ag::tool coroutine{"coroutine", [&](int x) -> ag::task<int> {
    if (std::this_thread::get_id() != here) is_here = false;
    co_return x + 1;
  }};
  const ag::graphify chain{"chain", [&](ag::node<int> x) {
    for (int i = 0; i < 100; ++i) x = coroutine(plain(x));
    return x;
  }};
  CHECK(ag::run(chain(0), {.parallel = true}) == 200);
  CHECK(is_here);
}

TEST_CASE("what a function throws on a worker thread stops a graph, which names it") {
  const ag::tool fails{"fails", [](int x) -> int {
    if (x == 1) throw std::runtime_error("no");
    return x;
  }};
  const auto r = ag::try_run(fan_of(fails, 20)(1), {.parallel = true});
  REQUIRE_FALSE(r.ok());
  CHECK_THROWS_AS(r.value(), ag::graph_error);
  CHECK_FALSE(r.failures().empty());
  for (const auto& n : r.graph().nodes()) CHECK(ag::has_ended(n.state));
}

TEST_CASE("in a parallel run all that depends on no failure is done with skip_dependents") {
  const ag::tool odd{"odd", [](int x) {
    if (x % 2 == 0) throw std::runtime_error("even");
    return x;
  }};
  const ag::tool next{"next", [](int x) { return x + 1; }};
  const ag::graphify g{"g", [&](ag::node<int> x) {
    std::vector<ag::node<int>> all{next(x)};
    for (int i = 0; i < 200; ++i) all.push_back(next(odd(i)));
    return all;
  }};
  const auto graph = g.build();
  const auto states = [&](bool is_parallel) {
    std::vector<ag::node_state> s;
    const auto r = ag::try_run(graph(0), {.on_error = ag::on_error::skip_dependents, .parallel = is_parallel});
    for (const auto& n : r.graph().nodes()) s.push_back(n.state);
    return s;
  };
  CHECK(states(true) == states(false));
}

TEST_CASE("a function on a worker thread sees that the run was asked to stop, in an agent and in a graph") {
  const ag::tool waits{"waits", [](ag::context& ctx, int x) -> int {
    while (!ctx.stop_requested()) std::this_thread::sleep_for(1ms);
    if (x > 0) throw ag::cancelled("seen");
    return x;
  }};
  const auto agent = ag::try_run(waits(1), {.deadline = 20ms, .parallel = true});
  CHECK_THROWS_AS(agent.value(), ag::timed_out);
  const auto graph = ag::try_run(fan_of(waits, 3)(1), {.deadline = 20ms, .parallel = true});
  CHECK_THROWS_AS(graph.value(), ag::timed_out);
}

TEST_CASE("a function that waits to be asked to stop is not in the way of the failure because of which it is asked") {
  const ag::tool waits{"waits", [](ag::context& ctx, int x) -> int {
    while (!ctx.stop_requested()) std::this_thread::sleep_for(1ms);
    return x;
  }};
  const ag::tool fails{"fails", [](int) -> int {
    std::this_thread::sleep_for(5ms);
    throw std::runtime_error("no");
  }};
  const auto agent = [&]() -> ag::task<int> {
    const auto [a, b] = co_await ag::gather(waits(1), fails(2));
    co_return a + b;
  };
  const auto the_other_way = [&]() -> ag::task<int> {
    const auto [a, b] = co_await ag::gather(fails(1), waits(2));
    co_return a + b;
  };
  const ag::tool sum{"sum", [](int a, int b) { return a + b; }};
  const ag::graphify graph{"both", [&](ag::node<int> x) { return sum(fails(x), waits(x)); }};
  for (int i = 0; i < 10; ++i) {
    CHECK_THROWS_AS(ag::run(agent(), {.parallel = true}), std::runtime_error);
    CHECK_THROWS_AS(ag::run(the_other_way(), {.parallel = true}), std::runtime_error);
    CHECK_THROWS_AS(ag::run(graph(i), {.parallel = true}), std::runtime_error);
  }
}

TEST_CASE("a run whose functions take long leaves the worker threads to other runs in between") {
  ag::runtime rt({.workers = 1});
  std::atomic<bool> has_other_come = false;
  std::atomic<int> done = 0;
  const ag::tool slow{"slow", [&](int x) {
    while (!has_other_come) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(3ms);
    ++done;
    return x;
  }};
  const ag::tool looks{"looks", [&](int) { return done.load(); }};
  const auto all = fan_of(slow, 100);
  auto first = ag::start(rt, all(1), {.max_concurrency = 100, .parallel = true});
  auto second = ag::start(rt, looks(0), {.parallel = true});
  std::this_thread::sleep_for(20ms);  // the job is there
  has_other_come = true;
  CHECK(second.get() < 32);  // in turns of 10 ms it comes after a few of the 100
  CHECK(first.get() == 100);
}

TEST_CASE("a graph that was asked to stop starts no more functions on worker threads") {
  std::atomic<int> started = 0;
  const ag::tool slow{"slow", [&](int x) {
    ++started;
    std::this_thread::sleep_for(5ms);
    return x;
  }};
  const auto r = ag::try_run(fan_of(slow, 1000)(1), {.deadline = 20ms, .parallel = true});
  CHECK_THROWS_AS(r.value(), ag::timed_out);
  CHECK(started < 1000);
  for (const auto& n : r.graph().nodes()) CHECK(n.state != ag::node_state::waiting);
}

TEST_CASE("timers and Asio's operations go on while worker threads compute") {
  std::atomic<bool> has_slept = false;
  const ag::tool computes{"computes", [&](int x) {
    for (int i = 0; i < 10'000 && !has_slept; ++i) std::this_thread::sleep_for(1ms);
    return has_slept ? x : -1;
  }};
  const auto body = [&]() -> ag::task<int> {
    const auto naps = [&]() -> ag::task<> {
      co_await ag::sleep_for(5ms);
      has_slept = true;
    };
    const auto [x, nothing] = co_await ag::gather(computes(4), naps());
    co_return x;
  };
  CHECK(ag::run(body(), {.parallel = true}) == 4);
  ag::runtime rt({.workers = 1});
  CHECK(ag::run(rt, body(), {.parallel = true}) == 4);
}

TEST_CASE("an observer of a parallel run is told on the strand") {
  struct strict final : ag::observer {
    void on_event(const ag::event&) override {
      if (std::this_thread::get_id() != here) is_here = false;
      ++events;
    }
    std::thread::id here = std::this_thread::get_id();
    bool is_here = true;
    int events = 0;
  } watch;
  const ag::tool next{"next", [](int x) { return x + 1; }};
  CHECK(ag::run(fan_of(next, 100)(1), {.observer = &watch, .parallel = true}) == 200);
  CHECK(watch.is_here);
  CHECK(watch.events == 3 * 101 + 2);
}

TEST_CASE("parallel runs on a borrowed io_context, many at a time") {
  asio::io_context io;
  const ag::tool next{"next", [](int x) { return x + 1; }};
  const auto graph = fan_of(next, 50);
  std::vector<std::future<int>> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(ag::run_async(io.get_executor(), graph(i), {.parallel = true}, asio::use_future));
  io.run();
  for (int i = 0; i < 20; ++i) CHECK(all[static_cast<std::size_t>(i)].get() == 50 * (i + 1));
}

TEST_CASE("an io_context that goes first awaits the function on a worker thread") {
  std::atomic<bool> is_at_it = false, may_end = false, has_ended = false;
  const ag::tool slow{"slow", [&](int x) {
    is_at_it = true;
    while (!may_end) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(10ms);
    has_ended = true;
    return x;
  }, {.workers = true}};
  {
    asio::io_context io;
    ag::run_async(io.get_executor(), slow(1), {}, [](std::exception_ptr, int) {});
    while (!is_at_it) io.run_one_for(1ms);
    may_end = true;
  }
  CHECK(has_ended);
}

TEST_CASE("a simulation is one thread, also of a parallel run") {
  const auto here = std::this_thread::get_id();
  const ag::tool t{"t", [here](int) { return std::this_thread::get_id() == here; }};
  const auto body = [&]() -> ag::task<bool> { co_return co_await t(1); };
  CHECK(ag::testing::simulation(1).run(body(), {.parallel = true}));
}

TEST_CASE("several threads have parallel runs at the same time") {
  const ag::tool next{"next", [](int x) { return x + 1; }};
  const auto graph = fan_of(next, 100);
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i) right += ag::run(graph(t), {.parallel = true}) == 100 * (t + 1);
      });
  }
  CHECK(right == 200);
}
