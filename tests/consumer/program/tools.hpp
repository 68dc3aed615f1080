// Tools and an agent that both translation units use: inline variables, so one of each in the program.
#pragma once

#include <aethergraph/aethergraph.hpp>
#include <numeric>
#include <ranges>
#include <vector>

inline const aethergraph::tool twice{"twice", [](int x) -> aethergraph::task<int> { co_return 2 * x; }};
inline const aethergraph::tool total{
    "total", [](const std::vector<int>& xs) { return std::accumulate(xs.begin(), xs.end(), 0); }};
inline const aethergraph::graph_fn doubled_total{"doubled_total", [](std::vector<int> xs) -> aethergraph::task<int> {
  co_return co_await total(co_await aethergraph::gather(xs | std::views::transform(twice)));
}, {.max_concurrency = 2}};

int total_in_other_unit(std::vector<int> xs);
const void* address_of_twice_in_other_unit();
