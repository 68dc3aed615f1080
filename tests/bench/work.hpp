// What every competitor does for each item, and the check that it did.
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

/// Counts the items of one iteration, whose sum must be that of `work_on` over 0 … items - 1.
inline void check_sum(benchmark::State& state, int items, std::int64_t sum) {
  const std::int64_t n = items;
  if (sum != n * (n + 1) / 2) state.SkipWithError(("wrong sum " + std::to_string(sum)).c_str());
}

/// Items of all iterations; the table divides by it.
inline void count_items(benchmark::State& state, int items_per_iteration) {
  state.SetItemsProcessed(state.iterations() * items_per_iteration);
}

}  // namespace bench
