// node_state, node_kind, node_phase: what a node of a run is, where it stands, and what its time goes into.
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

/// What the time of a node goes into.
enum class node_phase : std::uint8_t {
  dependencies,    ///< it was declared, and waits for what it depends on
  slot,            ///< it waits for a slot of its run
  permit,          ///< for a permit of its runtime, while it holds a slot
  pool,            ///< for permits of a `resource_pool`
  rate,            ///< for a token of a `rate_limit`
  delay,           ///< for the time of its next attempt
  failed_attempt,  ///< a running of its body that another attempt followed
  body             ///< the last running of its body
};

/// The enumerator's name.
[[nodiscard]] std::string_view to_string(node_phase p) noexcept;
[[nodiscard]] std::string_view to_string(node_state s) noexcept;
[[nodiscard]] std::string_view to_string(node_kind k) noexcept;

/// Whether a node in this state has ended.
[[nodiscard]] constexpr bool has_ended(node_state s) noexcept { return s >= node_state::done; }

}  // namespace aethergraph
