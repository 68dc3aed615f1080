// The nodes that a static graph has declared before its run, as the run and whoever looks at it see them.
#pragma once

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aethergraph/detail/frame_allocator.hpp"
#include "aethergraph/detail/sequence.hpp"
#include "aethergraph/detail/timer_queue.hpp"
#include "aethergraph/node_state.hpp"

namespace aethergraph::detail {

class plan;
class scope;

/// The number of a declared node: which graph of its root run, and which entry of that.
inline constexpr node_number declared_bit = node_number{1} << 62;
[[nodiscard]] constexpr node_number declared_number(std::uint32_t graph, std::uint32_t entry) noexcept {
  return declared_bit | (node_number{graph} << 32) | entry;
}
[[nodiscard]] constexpr bool is_declared(node_number n) noexcept { return (n & declared_bit) && !(n & join_bit); }
[[nodiscard]] constexpr std::uint32_t graph_of(node_number n) noexcept {
  return static_cast<std::uint32_t>((n & ~declared_bit) >> 32);
}
[[nodiscard]] constexpr std::uint32_t entry_of(node_number n) noexcept { return static_cast<std::uint32_t>(n); }

/// The time of what has not happened, or was not looked at: a run's clock may begin at zero.
inline constexpr time_point no_time = time_point::min();

/// A byte an entry: its node_state, and why it was or will be skipped.
struct entry_state {
  static constexpr std::uint8_t state_bits = 0x07;
  static constexpr std::uint8_t is_handed_out = 0x08;    // it waits, but no longer in the graph: for a permit, say
  static constexpr std::uint8_t value_is_due = 0x10;     // it is done, but its value has not been taken over yet
  static constexpr std::uint8_t is_admitted = 0x20;      // its condition was true
  static constexpr std::uint8_t after_failure = 0x40;    // something that it depends on failed
  static constexpr std::uint8_t after_condition = 0x80;  // a condition was false, its own or that of what it reads
  [[nodiscard]] static constexpr node_state state(std::uint8_t bits) noexcept {
    return static_cast<node_state>(bits & state_bits);
  }
};

/// Where each entry of a graph stands: copied while it runs, kept when it has ended.
struct declared_states {
  struct failure {
    std::uint32_t entry;
    std::exception_ptr cause;
  };
  struct times {
    time_point start = no_time;
    time_point end = no_time;
  };
  std::vector<std::uint8_t, frame_cached<std::uint8_t>> states;  // entry_state; empty: none has started
  std::vector<failure> causes;  // of those that failed or were cancelled, in the order in which they ended
  std::map<std::uint32_t, std::vector<std::exception_ptr>> failed_attempts;  // before the last
  std::vector<times> when;                                                   // an element an entry, or empty
  std::exception_ptr stop;  // why what has not started was skipped; null: nothing was asked to stop
};

/// What runs a static graph, as its run sees it. On the run's strand.
class declared_nodes {
 public:
  /// Takes the number of the node that is about to be made, or 0: it is none of the declared ones.
  [[nodiscard]] node_number take_starting() noexcept { return std::exchange(starting_, no_node); }
  virtual void note_started(std::uint32_t entry) noexcept = 0;
  virtual void note_ended(std::uint32_t entry, const std::exception_ptr& cause) noexcept = 0;
  /// Errors: `std::bad_alloc`.
  virtual void note_attempt_failed(std::uint32_t entry, const std::exception_ptr& cause) = 0;
  /// How many attempts of this one have failed.
  [[nodiscard]] virtual std::size_t failed_attempts(std::uint32_t entry) const noexcept = 0;
  [[nodiscard]] virtual const plan& graph() const noexcept = 0;
  [[nodiscard]] virtual std::shared_ptr<const plan> shared_graph() const noexcept = 0;
  [[nodiscard]] virtual declared_states copy_states() const = 0;
  /// All has ended: the run's recorder gets the states, since what runs the graph is about to go.
  virtual void leave_states() noexcept = 0;
  /// What its nodes run in.
  [[nodiscard]] virtual const scope& cancellation_scope() const noexcept = 0;

 protected:
  ~declared_nodes() = default;
  node_number starting_ = no_node;
};

}  // namespace aethergraph::detail
