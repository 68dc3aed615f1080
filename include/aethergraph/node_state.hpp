// node_state, node_kind: what a node of a run is, and where it stands.
#pragma once

#include <cstdint>
#include <string_view>

namespace aethergraph {

/// Where a node stands. It ends in exactly one of the last four.
enum class node_state : std::uint8_t {
  waiting,    ///< called, but its body has not started: it waits for a slot
  running,    ///< its body has started
  stopping,   ///< its body has started, was asked to stop, and has not ended yet
  done,       ///< returned, even if it was asked to stop
  failed,     ///< threw something else than the request to stop, or was refused (for bad options)
  cancelled,  ///< started, was asked to stop, and ended by that
  skipped     ///< never started, since it was asked to stop before
};

enum class node_kind : std::uint8_t {
  call,  ///< one call of a tool
  run,   ///< a nested run
  map    ///< a call for each element of a range, in a static graph
};

/// The enumerator's name.
[[nodiscard]] std::string_view to_string(node_state s) noexcept;
[[nodiscard]] std::string_view to_string(node_kind k) noexcept;

/// Whether a node in this state has ended.
[[nodiscard]] constexpr bool has_ended(node_state s) noexcept { return s >= node_state::done; }

}  // namespace aethergraph
