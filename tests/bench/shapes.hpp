// Shapes of graphs, for every library that runs graphs.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace bench {

constexpr int nothing = -1;

/// A graph as the numbers of the nodes that each one reads, which come before it: at most two, then `nothing`. The
/// value of a node is the sum of those that it reads, plus 1; that of the last is the result.
using shape = std::vector<std::array<int, 2>>;

inline shape chain(int nodes) {
  shape s;
  for (int i = 0; i < nodes; ++i) s.push_back({i - 1, nothing});
  return s;
}
/// Each node reads two of the level below.
inline shape tree(int nodes) {
  shape s(static_cast<std::size_t>(nodes), {nothing, nothing});
  for (int i = nodes / 2; i < nodes; ++i) {
    const int left = 2 * (i - nodes / 2);
    s[static_cast<std::size_t>(i)] = {left, std::min(left + 1, i - 1)};
  }
  return s;
}
/// As square as can be.
inline shape grid(int nodes) {
  const int side = static_cast<int>(std::sqrt(nodes));
  shape s;
  for (int i = 0; i < side * side; ++i) {
    const int above = i >= side ? i - side : nothing, before = i % side > 0 ? i - 1 : nothing;
    if (above != nothing) s.push_back({above, before});
    else s.push_back({before, nothing});
  }
  return s;
}
/// Layers of 100 nodes, each of which reads two random ones of the layer before.
inline shape layers(int nodes) {
  constexpr int width = 100;
  std::minstd_rand random(1);
  shape s;
  for (int i = 0; i < nodes; ++i) {
    const int before = (i / width - 1) * width;
    if (before < 0) s.push_back({nothing, nothing});
    else s.push_back({before + static_cast<int>(random() % width), before + static_cast<int>(random() % width)});
  }
  return s;
}

/// The sum that a node works on, from the values of those before it.
inline std::uint32_t sum_for(const std::array<int, 2>& reads, const std::vector<std::uint32_t>& values) {
  std::uint32_t sum = 0;
  for (const int r : reads)
    if (r != nothing) sum += values[static_cast<std::size_t>(r)];
  return sum;
}

inline std::uint32_t expected(const shape& s) {
  std::vector<std::uint32_t> values;
  values.reserve(s.size());
  for (const auto& reads : s) values.push_back(sum_for(reads, values) + 1);
  return values.back();
}

}  // namespace bench
