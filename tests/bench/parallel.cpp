// Computation on all cores: a grid and divide-and-conquer with nodes of 1, 10 and 100 microseconds, by oneTBB and by
// two threads that do half of it each and never meet. In real time; an item is a node.
#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#define TBB_PREVIEW_FLOW_GRAPH_FEATURES 0
#include <tbb/flow_graph.h>
#include <tbb/task_group.h>

#include "shapes.hpp"
#include "work.hpp"

namespace ag = aethergraph;

namespace {

std::uint32_t compute(int rounds, std::uint32_t x) {
  for (int i = 0; i < rounds; ++i) {
    x = x * 1664525 + 1013904223;
    benchmark::DoNotOptimize(x);
  }
  return x;
}

// Rounds, not time: a thread that waits for the processor has not computed.
int rounds_of(int microseconds) {
  static const double rounds_per_microsecond = [] {
    constexpr int rounds = 1'000'000;
    double best = 0;
    for (int i = 0; i < 10; ++i) {
      const auto start = std::chrono::steady_clock::now();
      compute(rounds, 1);
      const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
      best = std::max(best, rounds / time.count());
    }
    return best;
  }();
  return static_cast<int>(rounds_per_microsecond * microseconds);
}

// Nodes of an iteration, which takes 5 to 50 ms on one core.
int nodes_for(int microseconds) { return microseconds == 1 ? 4'096 : microseconds == 10 ? 1'024 : 256; }

template <int Microseconds>
void two_threads(benchmark::State& state) {
  const int rounds = rounds_of(Microseconds), nodes = nodes_for(Microseconds);
  const auto half = [=] {
    std::uint32_t x = 0;
    for (int i = 0; i < nodes / 2; ++i) x = compute(rounds, x);
    benchmark::DoNotOptimize(x);
  };
  for (auto _ : state) {
    std::thread other(half);
    half();
    other.join();
  }
  bench::count_items(state, nodes);
}
template <int Microseconds>
void one_thread(benchmark::State& state) {
  const int rounds = rounds_of(Microseconds), nodes = nodes_for(Microseconds);
  for (auto _ : state) {
    std::uint32_t x = 0;
    for (int i = 0; i < nodes; ++i) x = compute(rounds, x);
    benchmark::DoNotOptimize(x);
  }
  bench::count_items(state, nodes);
}

// --- grid
template <int Microseconds>
void tbb_grid(benchmark::State& state) {
  using message = tbb::flow::continue_msg;
  using node = tbb::flow::continue_node<message>;
  const int rounds = rounds_of(Microseconds);
  const bench::shape s = bench::grid(nodes_for(Microseconds));
  tbb::flow::graph g;
  std::vector<std::uint32_t> values(s.size());
  std::vector<std::unique_ptr<node>> all;
  for (std::size_t i = 0; i < s.size(); ++i) {
    all.push_back(std::make_unique<node>(
        g, [&, i](const message&) { values[i] = compute(rounds, bench::sum_for(s[i], values)); }));
    for (const int r : s[i])
      if (r != bench::nothing) tbb::flow::make_edge(*all[static_cast<std::size_t>(r)], *all[i]);
  }
  for (auto _ : state) {
    all.front()->try_put({});
    g.wait_for_all();
  }
  bench::count_items(state, std::ssize(s));
}

const ag::tool first{"first", [](int rounds) { return compute(rounds, 0); }};
const ag::tool one{"one", [](int rounds, std::uint32_t a) { return compute(rounds, a); }};
const ag::tool two{"two", [](int rounds, std::uint32_t a, std::uint32_t b) { return compute(rounds, a + b); }};
using values = std::vector<ag::node<std::uint32_t>>;

const ag::graphify grid{"grid", [](ag::node<int> rounds, int nodes) {
  values all;
  for (const auto& [a, b] : bench::grid(nodes))
    all.push_back(a == bench::nothing ? first(rounds)
                  : b == bench::nothing
                      ? one(rounds, all[static_cast<std::size_t>(a)])
                      : two(rounds, all[static_cast<std::size_t>(a)], all[static_cast<std::size_t>(b)]));
  return all.back();
}};

// --- divide and conquer: half of the nodes are leaves, the others put two results together
std::uint32_t tbb_divide(int rounds, int leaves) {
  if (leaves == 1) return compute(rounds, 0);
  std::uint32_t left = 0, right = 0;
  tbb::task_group group;
  group.run([&] { left = tbb_divide(rounds, leaves / 2); });
  right = tbb_divide(rounds, leaves - leaves / 2);
  group.wait();
  return compute(rounds, left + right);
}
template <int Microseconds>
void tbb_divide_and_conquer(benchmark::State& state) {
  const int rounds = rounds_of(Microseconds), leaves = nodes_for(Microseconds) / 2;
  for (auto _ : state) benchmark::DoNotOptimize(tbb_divide(rounds, leaves));
  bench::count_items(state, 2 * leaves - 1);
}
ag::node<std::uint32_t> divide(ag::node<int> rounds, int leaves) {
  if (leaves == 1) return first(rounds);
  const auto left = divide(rounds, leaves / 2), right = divide(rounds, leaves - leaves / 2);
  return two(rounds, left, right);
}
const ag::graphify divide_and_conquer{
    "divide_and_conquer", [](ag::node<int> rounds, int nodes) { return divide(rounds, nodes / 2); }};

template <auto& Graph, int Microseconds>
void ours(benchmark::State& state) {
  const int rounds = rounds_of(Microseconds), nodes = nodes_for(Microseconds);
  const auto graph = Graph.build(nodes);
  for (auto _ : state) benchmark::DoNotOptimize(ag::run(graph(rounds), {.max_concurrency = 64, .parallel = true}));
  bench::count_items(state, nodes);
}
// As long as the library refuses the option there is nothing to measure.
bool is_parallel_supported() {
  try {
    ag::run(grid.build(1)(1), {.parallel = true});
    return true;
  } catch (const ag::option_error&) {
    return false;
  }
}

template <int Microseconds>
void add() {
  const auto add_one = [](const char* topic, const char* who, void (*f)(benchmark::State&)) {
    const std::string name = std::string(topic) + ", nodes of " + std::to_string(Microseconds) + " us/" + who;
    benchmark::RegisterBenchmark(name.c_str(), f)->UseRealTime();
  };
  for (const char* topic : {"parallel grid", "parallel divide and conquer"}) {
    add_one(topic, "threads", two_threads<Microseconds>);
    add_one(topic, "one_thread", one_thread<Microseconds>);
  }
  add_one("parallel grid", "onetbb", tbb_grid<Microseconds>);
  add_one("parallel divide and conquer", "onetbb", tbb_divide_and_conquer<Microseconds>);
  if (!is_parallel_supported()) return;
  add_one("parallel grid", "aethergraph", ours<grid, Microseconds>);
  add_one("parallel divide and conquer", "aethergraph", ours<divide_and_conquer, Microseconds>);
}
[[maybe_unused]] const bool are_added = (add<1>(), add<10>(), add<100>(), true);

}  // namespace
