// Random programs under many seeds: nested runs, tools awaiting tools, gather, race, failure, cancellation; recorded,
// observed, and hosted.

#include <aethergraph/aethergraph.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/door.hpp"
#include "support/event_check.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

/// What happened in one program, as its bodies saw it.
struct ledger {
  struct run {
    int cap = 0;
    int leaves_running = 0;  // bodies that await no call: each of them holds a slot of its own
    int most_leaves = 0;
  };
  std::vector<run> runs;
  std::vector<int> starts;  // by call
  std::vector<int> ends;
  int open_bodies = 0;
};

/// Grows a program from a seed, and notes what it does.
class random_program {
 public:
  explicit random_program(unsigned seed) : random_(seed) {}

  ag::task<int> body(int depth) { return steps(new_run(cap_), depth, 3); }
  ledger seen;
  int cap_ = 1;
  test::gauge* all_leaves_ = nullptr;  // of all programs of a runtime

 private:
  struct entry {
    ledger& seen;
    std::size_t call;
    explicit entry(ledger& l, std::size_t c) : seen(l), call(c) {
      ++seen.starts[c];
      ++seen.open_bodies;
    }
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;
    ~entry() {
      ++seen.ends[call];
      --seen.open_bodies;
    }
  };
  struct leaf {
    ledger& seen;
    std::size_t run;
    std::optional<test::gauge::inside> counted;
    leaf(ledger& l, std::size_t r, test::gauge* all) : seen(l), run(r) {
      if (all) counted.emplace(*all);
      auto& mine = seen.runs[run];
      mine.most_leaves = std::max(mine.most_leaves, ++mine.leaves_running);
    }
    leaf(const leaf&) = delete;
    leaf& operator=(const leaf&) = delete;
    ~leaf() { --seen.runs[run].leaves_running; }
  };

  std::size_t new_run(int cap) {
    seen.runs.push_back({cap});
    return seen.runs.size() - 1;
  }
  std::size_t new_call() {
    seen.starts.push_back(0);
    seen.ends.push_back(0);
    return seen.starts.size() - 1;
  }
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  ag::task<int> pause() {
    switch (below(3)) {
      case 0:
        break;
      case 1:
        co_await ag::sleep_for(0s);
        break;
      default:
        co_await ag::sleep_for(std::chrono::milliseconds(below(5)));
    }
    co_return 1;
  }

  ag::task<int> steps(std::size_t run, int depth, unsigned most) {
    int sum = 0;
    for (unsigned n = below(most) + 1; n > 0; --n) sum += co_await step(run, depth);
    co_return sum;
  }

  // The tools. A body either awaits calls, or is a leaf that only waits for time.
  ag::tool<int(std::size_t, std::size_t, int)> branch{
      "branch", [this](std::size_t call, std::size_t run, int depth) -> ag::task<int> {
    const entry here(seen, call);
    co_return co_await steps(run, depth - 1, 2);
  }};
  ag::tool<int(std::size_t, std::size_t, int)> leaf_tool{
      "leaf", [this](std::size_t call, std::size_t run, int) -> ag::task<int> {
    const entry here(seen, call);
    const leaf counted(seen, run, all_leaves_);
    co_await pause();
    if (below(40) == 0) throw std::runtime_error("failed on purpose");
    co_return 1;
  }};
  ag::tool<int(std::size_t, std::size_t, int)> plain{"plain", [this](std::size_t call, std::size_t run, int) {
    const entry here(seen, call);
    const leaf counted(seen, run, all_leaves_);
    return 1;
  }};

  auto some_call(std::size_t run, int depth) {
    const auto& t = depth > 0 && below(2) ? branch : below(3) ? leaf_tool : plain;
    return t(new_call(), run, depth);
  }
  auto some_calls(std::size_t run, int depth) {
    std::vector<decltype(some_call(run, depth))> calls;
    for (unsigned n = below(5); n > 0; --n) calls.push_back(some_call(run, depth));
    return calls;
  }

  ag::task<int> step(std::size_t run, int depth) {
    switch (below(9)) {
      case 0:
      case 1:
        co_return co_await some_call(run, depth);
      case 2: {
        const auto all = co_await ag::gather(some_calls(run, depth));
        co_return static_cast<int>(all.size());
      }
      case 3: {
        const auto all = co_await ag::gather_results(some_calls(run, depth));
        co_return static_cast<int>(all.size());
      }
      case 4: {
        const auto first = co_await ag::race(some_call(run, depth), some_call(run, depth), pause());
        co_return static_cast<int>(first.index());
      }
      case 5: {
        const auto r = co_await ag::as_result(ag::timeout(some_call(run, depth), std::chrono::milliseconds(below(4))));
        co_return r.has_value();
      }
      case 6: {
        co_return co_await ag::with_group([&](ag::task_group& g) -> ag::task<int> {
          for (unsigned n = below(4); n > 0; --n) g.spawn(some_call(run, depth));
          co_return co_await pause();
        });
      }
      case 7: {
        if (depth == 0) co_return co_await pause();
        const int cap = static_cast<int>(below(8)) + 1;
        const std::size_t inner = new_run(cap);
        const ag::graph_fn agent{"inner", [this](std::size_t r, int d) -> ag::task<int> { return steps(r, d, 3); }};
        co_return co_await ag::run_async(agent(inner, depth - 1), {.max_concurrency = cap});
      }
      default: {
        int sum = 0;
        co_await ag::as_completed(some_calls(run, depth), [&](int x) { sum += x; });
        co_return sum;
      }
    }
  }

  std::mt19937 random_;
};

void check(const ledger& seen) {
  CHECK(seen.open_bodies == 0);
  CHECK(seen.starts == seen.ends);
  CHECK(std::all_of(seen.starts.begin(), seen.starts.end(), [](int n) { return n <= 1; }));
  for (const ledger::run& run : seen.runs) {
    CHECK(run.leaves_running == 0);
    CHECK(run.most_leaves <= run.cap);
  }
}

/// The graph shows each call whose body has started, and no other as started.
void check(const ledger& seen, const ag::task_graph& graph) {
  int started = 0;
  for (const ag::task_graph::node_view& n : graph.nodes()) {
    CHECK(ag::has_ended(n.state));
    if (n.kind == ag::node_kind::call) started += n.attempts;
  }
  CHECK(started == std::accumulate(seen.starts.begin(), seen.starts.end(), 0));
  CHECK(graph.folded().total() == 0);
  CHECK(graph.topological_order().size() == graph.nodes().size());
}

void check(const test::event_check& events, const ag::task_graph& graph) {
  CHECK(events.wrong() == std::vector<std::string>());
  CHECK(events.is_complete());
  CHECK(events.differences(graph) == std::vector<std::string>());
}

/// How a program ended, and all that it did, in a form that can be compared.
struct trace {
  std::string outcome;
  std::vector<int> starts;
  ag::duration took{};
  friend bool operator==(const trace&, const trace&) = default;
};

/// Runs the program that the seed of a simulation grows.
trace run_program(ag::testing::simulation& sim) {
  const auto seed = static_cast<unsigned>(sim.seed());
  random_program program(seed);
  program.cap_ = static_cast<int>(seed % 8) + 1;
  ag::run_options options{.max_concurrency = program.cap_};
  if (seed % 5 == 0) options.deadline = std::chrono::milliseconds(seed % 11);
  const ag::record levels[] = {ag::record::off, ag::record::nodes, ag::record::times};
  options.record = levels[seed % 3];
  test::event_check events;
  const bool is_observed = seed % 2 == 0;
  if (is_observed) options.observer = &events;
  const auto r = sim.try_run(program.body(3), options);

  INFO("seed " << seed);
  trace t{"value", program.seen.starts, sim.elapsed()};
  if (!r.ok()) {
    try {
      std::rethrow_exception(r.error());
    } catch (const std::exception& e) {
      t.outcome = e.what();
    }
    const bool is_expected = t.outcome == "failed on purpose" || t.outcome.find("timed out") != std::string::npos;
    CHECK(is_expected);
  }
  CHECK(r.peak_concurrency() <= static_cast<std::size_t>(program.cap_));
  check(program.seen);
  if (is_observed || options.record != ag::record::off) check(program.seen, r.graph());
  else CHECK(r.graph().nodes().empty());
  if (is_observed) check(events, r.graph());
  return t;
}

}  // namespace

TEST_CASE("1,000 random programs keep their caps, end every call once and leave nothing running") {
  int values = 0;
  std::size_t calls = 0;
  const auto all = ag::testing::explore(1000, [&](ag::testing::simulation& sim) {
    const trace t = run_program(sim);
    values += t.outcome == "value";
    calls += t.starts.size();
  });
  if (all.seeds == 1) return;  // one of them was asked for
  // The programs must be worth exploring: some end well, some do not, they call tools, and they have choices.
  CHECK(all.interleavings > 500);
  CHECK(values > 300);
  CHECK(values < 990);
  CHECK(calls > 10'000);
}

TEST_CASE("a random program takes the same course for the same seed") {
  ag::testing::explore(100, [](ag::testing::simulation& sim) {
    ag::testing::simulation again(sim.seed());
    CHECK(run_program(sim) == run_program(again));
    CHECK(sim.interleaving() == again.interleaving());
  });
}

TEST_CASE("300 random programs side by side on a runtime over a borrowed io_context keep its cap and their own") {
  struct hosted_program {
    explicit hosted_program(unsigned seed, boost::asio::io_context& io) : program(seed), asks_to_stop(io) {}
    random_program program;
    boost::asio::steady_timer asks_to_stop;
    test::event_check events;
    ag::run_handle<int> handle;
    bool was_asked = false;
  };
  boost::asio::io_context io;
  ag::runtime rt(io, {.max_concurrency = 5});
  test::gauge leaves;
  std::list<hosted_program> all;
  for (unsigned seed = 1; seed <= 300; ++seed) {
    hosted_program& p = all.emplace_back(seed, io);
    p.program.cap_ = static_cast<int>(seed % 8) + 1;
    p.program.all_leaves_ = &leaves;
    p.handle = ag::start(rt, p.program.body(3), {.max_concurrency = p.program.cap_, .observer = &p.events});
    if (seed % 3 == 0) {
      p.asks_to_stop.expires_after(std::chrono::microseconds(200 * seed));
      p.asks_to_stop.async_wait([&p](boost::system::error_code) {
        p.was_asked = true;
        p.handle.cancel();
      });
    }
  }
  while (!rt.runs().empty()) {
    REQUIRE(io.run_one() > 0);
    if (all.front().handle.done()) continue;
    static_cast<void>(rt.dump());
    static_cast<void>(all.front().handle.graph().pretty());
  }
  io.run();

  int values = 0;
  int stopped = 0;
  for (const hosted_program& p : all) {
    INFO("run " << p.handle.id());
    REQUIRE(p.handle.done());
    try {
      p.handle.get();
      ++values;
    } catch (const ag::cancelled&) {
      CHECK(p.was_asked);
      ++stopped;
    } catch (const std::exception& e) {
      CHECK(std::string(e.what()) == "failed on purpose");
    }
    check(p.program.seen);
    check(p.program.seen, p.handle.graph());
    check(p.events, p.handle.graph());
  }
  CHECK(values > 50);
  CHECK(stopped > 5);
  CHECK(leaves.now() == 0);
  CHECK(leaves.most() == 5);
  CHECK(rt.permits_held() == 0);
}
