// Static graphs: time a node of chains, fans, trees, grids and layers, the cost of tracing a node, a whole run of a
// small graph. onetbb.cpp has the same.
#include <aethergraph/aethergraph.hpp>
#include <cstdint>
#include <vector>

#include "shapes.hpp"
#include "work.hpp"

namespace ag = aethergraph;

namespace {

// Plain functions and coroutines of 0, 1 and 2 inputs.
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
ag::graph<std::uint32_t()> build(const bench::shape& s) {
  static const ag::graphify traced{"traced", [](const bench::shape* of) {
    using t = tools<IsCoroutine>;
    std::vector<ag::node<std::uint32_t>> all;
    all.reserve(of->size());
    for (const auto& [a, b] : *of)
      all.push_back(a == bench::nothing   ? ag::node<std::uint32_t>(t::first())
                    : b == bench::nothing ? t::one(all[static_cast<std::size_t>(a)])
                                          : t::two(all[static_cast<std::size_t>(a)], all[static_cast<std::size_t>(b)]));
    return all.back();
  }};
  return traced.build(&s);
}

template <bench::shape (*Shape)(int), bool IsCoroutine>
void ours(benchmark::State& state) {
  const bench::shape s = Shape(bench::size_of(state));
  const std::uint32_t sum = bench::expected(s);
  const auto graph = build<IsCoroutine>(s);
  for (auto _ : state)
    if (ag::run(graph()) != sum) state.SkipWithError("wrong sum");
  bench::count_items(state, std::ssize(s));
}

#define AETHERGRAPH_SHAPE(SHAPE)                                                                                    \
  BENCHMARK(ours<bench::SHAPE, false>)->Name("graph " #SHAPE "/aethergraph")->Apply(bench::sizes)->Arg(10'000'000); \
  BENCHMARK(ours<bench::SHAPE, true>)->Name("graph " #SHAPE "/aethergraph_coroutines")->Apply(bench::sizes)
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
void fan(benchmark::State& state) {
  const int nodes = bench::size_of(state);
  const ag::graphify wide{"fan", [](ag::node<std::uint32_t> x, int n) {
    std::vector<ag::node<std::uint32_t>> all;
    for (int i = 0; i < n; ++i) all.push_back(tools<IsCoroutine>::one(x));
    return collect(all);
  }};
  const auto graph = wide.build(nodes);
  for (auto _ : state)
    if (ag::run(graph(0)) != static_cast<std::uint32_t>(nodes)) state.SkipWithError("wrong sum");
  bench::count_items(state, nodes);
}
BENCHMARK(fan<false>)->Name("graph fan/aethergraph")->Apply(bench::sizes)->Arg(10'000'000);
BENCHMARK(fan<true>)->Name("graph fan/aethergraph_coroutines")->Apply(bench::sizes);

// --- small ones, and what they cost before they run
template <bool IsRecorded>
void small_run(benchmark::State& state) {
  const ag::graphify three{"three", [](ag::node<std::uint32_t> x) {
    auto a = tools<false>::one(x);
    auto b = tools<false>::one(x);
    return tools<false>::two(a, b);
  }};
  const auto graph = three.build();
  std::uint32_t x = 0;
  for (auto _ : state) x = ag::run(graph(x), {.record = IsRecorded}) & 0xffff;
  benchmark::DoNotOptimize(x);
  bench::count_items(state, 1);
}
BENCHMARK(small_run<true>)->Name("graph of 3 nodes/aethergraph");
BENCHMARK(small_run<false>)->Name("graph of 3 nodes/aethergraph_unrecorded");

void tracing(benchmark::State& state) {
  const bench::shape s = bench::layers(bench::size_of(state));
  for (auto _ : state) benchmark::DoNotOptimize(build<false>(s));
  bench::count_items(state, std::ssize(s));
}
BENCHMARK(tracing)->Name("graph tracing/aethergraph")->Apply(bench::sizes);

}  // namespace
