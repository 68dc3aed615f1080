// What every competitor does for each item, and the check that it did.
//
// A benchmark is called "topic/who", and may have one argument, its size. The report compares all that have the same
// topic and size; `who` begins with "aethergraph" where it is ours. docs/design/performance.md says more.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

namespace bench {

/// The work of one item. The compiler can neither leave it out nor compute it in advance.
inline int work_on(int x) {
  benchmark::DoNotOptimize(x);
  return x + 1;
}

/// Checks the items of one iteration, whose sum must be that of `work_on` over 0 … items - 1.
inline void check_sum(benchmark::State& state, std::int64_t items, std::int64_t sum) {
  if (sum != items * (items + 1) / 2) state.SkipWithError(("wrong sum " + std::to_string(sum)).c_str());
}

/// Items of all iterations; the report divides by it.
inline void count_items(benchmark::State& state, std::int64_t items_per_iteration) {
  state.SetItemsProcessed(state.iterations() * items_per_iteration);
}

/// How many items an iteration has.
inline int size_of(const benchmark::State& state) { return static_cast<int>(state.range(0)); }

/// The sizes at which a cost must be the same: `->Apply(bench::sizes)`.
inline void sizes(benchmark::internal::Benchmark* b) { b->RangeMultiplier(10)->Range(1'000, 1'000'000); }
/// For competitors whose million takes too long.
inline void small_sizes(benchmark::internal::Benchmark* b) { b->RangeMultiplier(10)->Range(1'000, 100'000); }

}  // namespace bench
