// Where in its run something happens: the numbers of nodes and joins, and the sequences in which they are made.
#pragma once

#include <cstdint>

namespace aethergraph::detail {

/// A node or a join of a run. Nodes are numbered 1, 2, … in the order in which they are made, joins likewise.
using node_number = std::uint64_t;
inline constexpr node_number join_bit = node_number{1} << 63;  // set: a join
inline constexpr node_number no_node = 0;                      // the run itself, or nothing

inline constexpr std::uint32_t no_index = ~std::uint32_t{0};

/// Where a node or join stands in its run, the same in every interleaving. As text: `within`/position in the body of a
/// node, `join`.child for a child of a combinator, and `join`.child.position for what such a child awaits.
struct place {
  node_number within = no_node;  // the node whose body, or the join whose child, this belongs to
  node_number after = no_node;   // what ended before it in the same sequence
  std::uint32_t child = no_index;
  std::uint32_t position = no_index;
};

/// Awaits that follow one another: those of one body, or of one child of a combinator. Or, parallel, the children of a
/// combinator, which all follow what came before it.
struct sequence {
  node_number within = no_node;
  node_number last = no_node;  // what ended last; of a parallel one, what came before it
  std::uint32_t child = no_index;
  std::uint32_t next_position = 0;  // no_index: it is parallel

  [[nodiscard]] bool is_parallel() const noexcept { return next_position == no_index; }

  /// The place of what is made next.
  [[nodiscard]] place next() noexcept { return {within, last, child, is_parallel() ? no_index : next_position++}; }
  /// Something that was made in this sequence has ended.
  void leave(node_number n) noexcept {
    if (!is_parallel()) last = n;
  }
};

}  // namespace aethergraph::detail
