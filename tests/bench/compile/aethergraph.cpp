// Calls of a tool, eight of them at a time, and the sum of their results.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <numeric>
#include <ranges>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds(1));
  co_return 2 * x;
}};
const ag::graph_fn batch{"batch", [](int n) -> ag::task<int> {
  const auto all = co_await ag::gather(std::views::iota(0, n) | std::views::transform(work));
  co_return std::accumulate(all.begin(), all.end(), 0);
}};

int main() { fmt::print("{}\n", ag::run(batch(100), {.max_concurrency = 8})); }
