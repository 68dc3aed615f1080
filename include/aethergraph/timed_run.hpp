// timed_run: what the time of each node of a run went into, wherever that is known from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aethergraph/fwd.hpp"
#include "aethergraph/node_state.hpp"

namespace aethergraph {

/// A part of a node's time. Times are from the start of the run.
struct timed_phase {
  node_phase what{};
  duration begin{};
  duration end{};  ///< of what goes on: when it was looked at
};

/// One node. Plain data, which may as well come from elsewhere than a `task_graph`.
struct timed_node {
  std::string id;
  std::string path;
  std::string tool;
  std::string parent;   ///< the id of the node whose body made it; empty: the body of the run itself
  std::string failure;  ///< what it says of why it is not `done`; empty if it is
  node_kind kind{};
  node_state state{};
  int attempts = 0;
  bool is_declared = false;  ///< of a static graph: among those that wait for a slot, the first declared goes first
  std::optional<std::size_t> slots;  ///< of a nested run: how many it has
  /// From when it was called, or declared, until it ended; without gaps, the earliest first. Empty: nothing is known.
  std::vector<timed_phase> phases;
  std::vector<std::size_t> after;  ///< what it depends on, or was made after; positions as in `timed_run::joins`

  /// When its body started first; nothing if it never did.
  [[nodiscard]] std::optional<duration> started() const noexcept;
};

/// A run with its nodes.
struct timed_run {
  std::string id;
  node_state state{};
  duration total{};                  ///< from its start to its end; of one that goes on, until it was looked at
  std::optional<std::size_t> slots;  ///< how many it has
  std::vector<timed_node> nodes;     ///< in the order in which they were made
  /// Where nodes come together before others go on: for each, what it waits for. Positions in `nodes`; from
  /// `nodes.size()` on, in `joins`.
  std::vector<std::vector<std::size_t>> joins;
  std::uint64_t folded = 0;  ///< older nodes that are not listed
};

}  // namespace aethergraph
