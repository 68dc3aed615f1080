// What a recorded node takes while the run lives: the bytes that the general allocator has given out for it.
#include <malloc.h>

#include <aethergraph/aethergraph.hpp>
#include <cstddef>
#include <thread>

#include "work.hpp"

namespace ag = aethergraph;

namespace {

constexpr int items = 90'000;  // fewer than are kept

std::size_t bytes_in_use() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

const ag::tool work{"work", [](int x) { return bench::work_on(x); }};

const ag::graph_fn growth{"growth", []() -> ag::task<std::size_t> {
  co_await work(0);
  const std::size_t before = bytes_in_use();
  for (int i = 1; i < items; ++i) co_await work(i);
  co_return bytes_in_use() - before;
}};

void recorded_node(benchmark::State& state) {
  std::size_t bytes = 0;
  for (auto _ : state) {
    // On a thread of its own, which has no freed frames at hand that the records could take.
    std::thread([&bytes] { bytes = ag::run(growth()); }).join();
  }
  bench::count_items(state, items);
  state.counters["bytes_per_item"] = static_cast<double>(bytes) / items;
}
BENCHMARK(recorded_node)->Name("recorded node/aethergraph")->MeasureProcessCPUTime();

}  // namespace
