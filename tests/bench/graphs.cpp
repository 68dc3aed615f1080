// Static graphs: time a node of chains, fans, trees, grids and layers, against oneTBB's flow graph on one thread; the
// cost of tracing a node; a whole run of a small graph.
#include <aethergraph/aethergraph.hpp>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#define TBB_PREVIEW_FLOW_GRAPH_FEATURES 0
#include <tbb/flow_graph.h>
#include <tbb/global_control.h>

#include "work.hpp"

namespace ag = aethergraph;

namespace {

constexpr int nodes = 100'000;

/// A graph as the numbers of the nodes that each one reads, which come before it: at most two.
struct shape {
  std::vector<std::vector<int>> reads;
};

shape chain() {
  shape s;
  s.reads.emplace_back();
  for (int i = 1; i < nodes; ++i) s.reads.push_back({i - 1});
  return s;
}
shape tree() {  // each node reads two of the level below
  shape s;
  s.reads.resize(nodes);
  for (int i = nodes / 2; i < nodes; ++i) {
    const int left = 2 * (i - nodes / 2);
    s.reads[static_cast<std::size_t>(i)] = {left, std::min(left + 1, i - 1)};
  }
  return s;
}
shape grid() {
  constexpr int side = 316;
  shape s;
  for (int row = 0; row < side; ++row)
    for (int column = 0; column < side; ++column) {
      std::vector<int> reads;
      if (row > 0) reads.push_back((row - 1) * side + column);
      if (column > 0) reads.push_back(row * side + column - 1);
      s.reads.push_back(std::move(reads));
    }
  return s;
}
shape layers() {
  constexpr int width = 100;
  std::minstd_rand random(1);
  shape s;
  for (int i = 0; i < nodes; ++i) {
    const int layer = i / width;
    if (layer == 0) s.reads.emplace_back();
    else
      s.reads.push_back({(layer - 1) * width + static_cast<int>(random() % width),
          (layer - 1) * width + static_cast<int>(random() % width)});
  }
  return s;
}

std::int64_t expected(const shape& s) {
  std::vector<std::uint32_t> values;
  for (const std::vector<int>& reads : s.reads) {
    std::uint32_t sum = 1;
    for (const int r : reads) sum += values[static_cast<std::size_t>(r)];
    values.push_back(sum);
  }
  return values.back();
}

// --- ours: plain functions and coroutines of 0, 1 and 2 inputs
template <bool IsCoroutine>
struct tools;
template <>
struct tools<false> {
  static inline const ag::tool first{"first", [] { return std::uint32_t(bench::work_on(0)); }};
  static inline const ag::tool one{
      "one", [](std::uint32_t a) { return std::uint32_t(bench::work_on(static_cast<int>(a))); }};
  static inline const ag::tool two{
      "two", [](std::uint32_t a, std::uint32_t b) { return std::uint32_t(bench::work_on(static_cast<int>(a + b))); }};
};
template <>
struct tools<true> {
  static inline const ag::tool first{
      "first", []() -> ag::task<std::uint32_t> { co_return std::uint32_t(bench::work_on(0)); }};
  static inline const ag::tool one{"one",
      [](std::uint32_t a) -> ag::task<std::uint32_t> { co_return std::uint32_t(bench::work_on(static_cast<int>(a))); }};
  static inline const ag::tool two{"two", [](std::uint32_t a, std::uint32_t b) -> ag::task<std::uint32_t> {
    co_return std::uint32_t(bench::work_on(static_cast<int>(a + b)));
  }};
};

template <bool IsCoroutine>
ag::graph<std::uint32_t()> build(const shape& s) {
  static const ag::graphify traced{"traced", [](const shape* of) {
    using t = tools<IsCoroutine>;
    std::vector<ag::node<std::uint32_t>> all;
    all.reserve(of->reads.size());
    for (const std::vector<int>& r : of->reads)
      all.push_back(r.empty()       ? ag::node<std::uint32_t>(t::first())
                    : r.size() == 1 ? t::one(all[static_cast<std::size_t>(r[0])])
                                    : t::two(all[static_cast<std::size_t>(r[0])], all[static_cast<std::size_t>(r[1])]));
    return all.back();
  }};
  return traced.build(&s);
}

template <shape (*Shape)(), bool IsCoroutine>
void ours(benchmark::State& state) {
  const shape s = Shape();
  const std::int64_t sum = expected(s);
  const auto graph = build<IsCoroutine>(s);
  for (auto _ : state)
    if (ag::run(graph()) != sum) state.SkipWithError("wrong sum");
  bench::count_items(state, static_cast<int>(s.reads.size()));
}

// --- oneTBB: the usual way to run a graph of dependencies, a continue_node each, which leaves its value in an array
template <shape (*Shape)()>
void tbb_flow(benchmark::State& state) {
  const shape s = Shape();
  const std::int64_t sum = expected(s);
  const oneapi::tbb::global_control one_thread(oneapi::tbb::global_control::max_allowed_parallelism, 1);
  using node = oneapi::tbb::flow::continue_node<oneapi::tbb::flow::continue_msg>;
  oneapi::tbb::flow::graph g;
  std::vector<std::uint32_t> values(s.reads.size());
  std::vector<std::unique_ptr<node>> all;
  std::vector<node*> sources;
  for (std::size_t i = 0; i < s.reads.size(); ++i) {
    all.push_back(std::make_unique<node>(g, [&s, &values, i](const oneapi::tbb::flow::continue_msg&) {
      std::uint32_t total = 0;
      for (const int r : s.reads[i]) total += values[static_cast<std::size_t>(r)];
      values[i] = std::uint32_t(bench::work_on(static_cast<int>(total)));
    }));
    for (const int r : s.reads[i]) oneapi::tbb::flow::make_edge(*all[static_cast<std::size_t>(r)], *all[i]);
    if (s.reads[i].empty()) sources.push_back(all.back().get());
  }
  for (auto _ : state) {
    for (node* n : sources) n->try_put({});
    g.wait_for_all();
    if (values.back() != sum) state.SkipWithError("wrong sum");
  }
  bench::count_items(state, static_cast<int>(s.reads.size()));
}

#define AETHERGRAPH_SHAPE(SHAPE)                                                          \
  BENCHMARK(ours<SHAPE, false>)->Name("graph, " #SHAPE "/ag::graphify, plain functions"); \
  BENCHMARK(ours<SHAPE, true>)->Name("graph, " #SHAPE "/ag::graphify, coroutines");       \
  BENCHMARK(tbb_flow<SHAPE>)->Name("graph, " #SHAPE "/oneTBB flow graph, continue_node, one thread")
AETHERGRAPH_SHAPE(chain);
AETHERGRAPH_SHAPE(tree);
AETHERGRAPH_SHAPE(grid);
AETHERGRAPH_SHAPE(layers);

// --- fan-out and fan-in
const ag::tool collect{"collect", [](const std::vector<std::uint32_t>& all) {
  std::uint32_t sum = 0;
  for (const std::uint32_t v : all) sum += v;
  return sum;
}};
template <bool IsCoroutine>
void our_fan(benchmark::State& state) {
  static const ag::graphify fan{"fan", [](ag::node<std::uint32_t> x) {
    std::vector<ag::node<std::uint32_t>> all;
    for (int i = 0; i < nodes; ++i) all.push_back(tools<IsCoroutine>::one(x));
    return collect(all);
  }};
  const auto graph = fan.build();
  for (auto _ : state)
    if (ag::run(graph(0)) != nodes) state.SkipWithError("wrong sum");
  bench::count_items(state, nodes);
}
BENCHMARK(our_fan<false>)->Name("graph, fan/ag::graphify, plain functions");
BENCHMARK(our_fan<true>)->Name("graph, fan/ag::graphify, coroutines");
void tbb_fan(benchmark::State& state) {
  const oneapi::tbb::global_control one_thread(oneapi::tbb::global_control::max_allowed_parallelism, 1);
  using node = oneapi::tbb::flow::continue_node<oneapi::tbb::flow::continue_msg>;
  using message = oneapi::tbb::flow::continue_msg;
  oneapi::tbb::flow::graph g;
  std::vector<std::uint32_t> values(nodes);
  std::uint32_t sum = 0;
  oneapi::tbb::flow::broadcast_node<message> source(g);
  node sink(g, [&](const message&) {
    sum = 0;
    for (const std::uint32_t v : values) sum += v;
  });
  std::vector<std::unique_ptr<node>> all;
  for (std::size_t i = 0; i < nodes; ++i) {
    all.push_back(
        std::make_unique<node>(g, [&values, i](const message&) { values[i] = std::uint32_t(bench::work_on(0)); }));
    oneapi::tbb::flow::make_edge(source, *all.back());
    oneapi::tbb::flow::make_edge(*all.back(), sink);
  }
  for (auto _ : state) {
    source.try_put({});
    g.wait_for_all();
    if (sum != nodes) state.SkipWithError("wrong sum");
  }
  bench::count_items(state, nodes);
}
BENCHMARK(tbb_fan)->Name("graph, fan/oneTBB flow graph, continue_node, one thread");

// --- small ones, and what they cost before they run
const ag::graphify three{"three", [](ag::node<std::uint32_t> x) {
  auto a = tools<false>::one(x);
  auto b = tools<false>::one(x);
  return tools<false>::two(a, b);
}};
void small_run(benchmark::State& state) {
  const auto graph = three.build();
  std::uint32_t x = 0;
  for (auto _ : state) x = ag::run(graph(x)) & 0xffff;
  benchmark::DoNotOptimize(x);
  bench::count_items(state, 1);
}
BENCHMARK(small_run)->Name("built graph of 3 nodes/ag::run");
void small_run_unrecorded(benchmark::State& state) {
  const auto graph = three.build();
  std::uint32_t x = 0;
  for (auto _ : state) x = ag::run(graph(x), {.record = false}) & 0xffff;
  benchmark::DoNotOptimize(x);
  bench::count_items(state, 1);
}
BENCHMARK(small_run_unrecorded)->Name("built graph of 3 nodes/ag::run, record off");
void tracing(benchmark::State& state) {
  const shape s = layers();
  for (auto _ : state) benchmark::DoNotOptimize(build<false>(s));
  bench::count_items(state, nodes);
}
BENCHMARK(tracing)->Name("tracing and compiling a node/ag::graphify, layers");

}  // namespace
