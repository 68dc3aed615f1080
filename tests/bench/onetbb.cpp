// oneTBB's side of graphs.cpp, on one thread: the usual way to run a graph of dependencies, a continue_node each, which
// leaves its value in an array.
#include <cstdint>
#include <memory>
#include <vector>

#define TBB_PREVIEW_FLOW_GRAPH_FEATURES 0
#include <tbb/flow_graph.h>
#include <tbb/global_control.h>

#include "shapes.hpp"
#include "work.hpp"

namespace {

using message = tbb::flow::continue_msg;
using node = tbb::flow::continue_node<message>;

std::uint32_t work_on(std::uint32_t x) { return std::uint32_t(bench::work_on(static_cast<int>(x))); }

template <bench::shape (*Shape)(int)>
void flow(benchmark::State& state) {
  const bench::shape s = Shape(bench::size_of(state));
  const std::uint32_t sum = bench::expected(s);
  const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
  tbb::flow::graph g;
  std::vector<std::uint32_t> values(s.size());
  std::vector<std::unique_ptr<node>> all;
  std::vector<node*> sources;
  for (std::size_t i = 0; i < s.size(); ++i) {
    all.push_back(std::make_unique<node>(
        g, [&s, &values, i](const message&) { values[i] = work_on(bench::sum_for(s[i], values)); }));
    for (const int r : s[i])
      if (r != bench::nothing) tbb::flow::make_edge(*all[static_cast<std::size_t>(r)], *all[i]);
    if (s[i][0] == bench::nothing) sources.push_back(all.back().get());
  }
  for (auto _ : state) {
    for (node* n : sources) n->try_put({});
    g.wait_for_all();
    if (values.back() != sum) state.SkipWithError("wrong sum");
  }
  bench::count_items(state, std::ssize(s));
}
BENCHMARK(flow<bench::chain>)->Name("graph chain/onetbb")->Apply(bench::sizes);
BENCHMARK(flow<bench::tree>)->Name("graph tree/onetbb")->Apply(bench::sizes);
BENCHMARK(flow<bench::grid>)->Name("graph grid/onetbb")->Apply(bench::sizes);
BENCHMARK(flow<bench::layers>)->Name("graph layers/onetbb")->Apply(bench::sizes);

void fan(benchmark::State& state) {
  const auto nodes = static_cast<std::size_t>(state.range(0));
  const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
  tbb::flow::graph g;
  std::vector<std::uint32_t> values(nodes);
  std::uint32_t sum = 0;
  tbb::flow::broadcast_node<message> source(g);
  node sink(g, [&](const message&) {
    sum = 0;
    for (const std::uint32_t v : values) sum += v;
  });
  std::vector<std::unique_ptr<node>> all;
  for (std::size_t i = 0; i < nodes; ++i) {
    all.push_back(std::make_unique<node>(g, [&values, i](const message&) { values[i] = work_on(0); }));
    tbb::flow::make_edge(source, *all.back());
    tbb::flow::make_edge(*all.back(), sink);
  }
  for (auto _ : state) {
    source.try_put({});
    g.wait_for_all();
    if (sum != nodes) state.SkipWithError("wrong sum");
  }
  bench::count_items(state, static_cast<std::int64_t>(nodes));
}
BENCHMARK(fan)->Name("graph fan/onetbb")->Apply(bench::sizes);

void small_run(benchmark::State& state) {
  const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
  tbb::flow::graph g;
  std::uint32_t x = 0, left = 0, right = 0;
  tbb::flow::broadcast_node<message> source(g);
  node a(g, [&](const message&) { left = work_on(x); });
  node b(g, [&](const message&) { right = work_on(x); });
  node c(g, [&](const message&) { x = work_on(left + right) & 0xffff; });
  tbb::flow::make_edge(source, a);
  tbb::flow::make_edge(source, b);
  tbb::flow::make_edge(a, c);
  tbb::flow::make_edge(b, c);
  for (auto _ : state) {
    source.try_put({});
    g.wait_for_all();
  }
  benchmark::DoNotOptimize(x);
  bench::count_items(state, 1);
}
BENCHMARK(small_run)->Name("graph of 3 nodes/onetbb");

}  // namespace
