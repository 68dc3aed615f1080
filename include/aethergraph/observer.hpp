// observer, event: what happens in runs, as it happens.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include "aethergraph/fwd.hpp"
#include "aethergraph/node_state.hpp"

namespace aethergraph {

namespace detail {
class run_state;
}

/// What an event says. Of one run they come in this order: `run_started`; then for each node `node_made`,
/// `node_started` unless its body never does (skipped, or refused for bad options), `node_stopping` and
/// `node_attempt_failed` any number of times (after the latter it starts again, or ends), `node_ended`; then
/// `run_ended`.
enum class event_kind : std::uint8_t {
  run_started,         ///< the run has begun; its body has not
  node_made,           ///< a tool was called or a nested run begun: it waits for its slot, or will start right now
  node_started,        ///< its body is about to start
  node_stopping,       ///< its body was asked to stop and has not ended; repeated, after 1 s, 2 s, 4 s… until it has
  node_ended,          ///< it has ended in the state that the event names; whoever awaits it has not gone on yet
  run_ended,           ///< the body and all nodes have ended
  node_attempt_failed  ///< an attempt has failed, with `failure()`, and another one will follow: `node_started` again
};

/// The enumerator's name.
[[nodiscard]] std::string_view to_string(event_kind k) noexcept;

/// One event of a run. It refers to the run: copy what is to be kept.
class event {
 public:
  [[nodiscard]] event_kind kind() const noexcept { return kind_; }
  /// When it happened, by the run's clock (a simulation's is virtual).
  [[nodiscard]] std::chrono::steady_clock::time_point time() const noexcept { return time_; }

  /// The identity of the run whose event this is, such as "batch_agent#17".
  [[nodiscard]] std::string run_id() const;
  [[nodiscard]] std::string_view run_name() const noexcept;

  /// The number of the root run in this process, the same for all that nests in it: with `number()` it identifies a
  /// node. Where the root run records nothing, that of the observed run takes its place, here and below.
  [[nodiscard]] std::uint64_t root_number() const noexcept;

  /// Whether it is about a node, and not about the run itself.
  [[nodiscard]] bool is_node_event() const noexcept {
    return kind_ != event_kind::run_started && kind_ != event_kind::run_ended;
  }
  /// The number of the node within its root run: 1, 2, … in the order in which nodes are made; 0 for a run.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  /// The identity of the node within its root run, such as "fetch#3"; for a run its own.
  [[nodiscard]] std::string id() const;
  /// The path of the node, the same in every replay; empty for a run.
  [[nodiscard]] std::string path() const;
  /// The name of the tool, or of the agent of a nested run; for a run its own.
  [[nodiscard]] std::string_view tool() const noexcept { return tool_; }
  [[nodiscard]] node_kind node() const noexcept { return node_kind_; }
  /// Where the node (or the run) stands now.
  [[nodiscard]] node_state state() const noexcept { return state_; }
  /// Why it is not `done`, once it has ended; null if it is.
  [[nodiscard]] const std::exception_ptr& failure() const noexcept { return failure_; }

 private:
  friend detail::run_state;
  event(const detail::run_state& run, event_kind kind, std::chrono::steady_clock::time_point time, std::uint64_t number,
      std::string_view tool, node_kind node, node_state state, const std::exception_ptr& failure) noexcept
      : run_(run),
        failure_(failure),
        time_(time),
        number_(number),
        tool_(tool),
        kind_(kind),
        node_kind_(node),
        state_(state) {}

  const detail::run_state& run_;
  const std::exception_ptr& failure_;
  std::chrono::steady_clock::time_point time_;
  std::uint64_t number_;
  std::string_view tool_;
  event_kind kind_;
  node_kind node_kind_;
  node_state state_;
};

/// Receives the events of the runs that it is given to, as `run_options::observer` (that run and all that nests in it)
/// or on a `runtime` (all its runs).
///
/// Thread safety: called on the strand of the run, so never by two threads at once for one run; an observer of several
/// runs is called by several threads. It must outlive the runs.
/// Errors: one that throws is detached from the run, which logs it and goes on.
class observer {
 public:
  observer() = default;
  observer(const observer&) = delete;
  observer& operator=(const observer&) = delete;
  virtual ~observer() = default;

  /// Must not block. It must not resume, cancel or await anything of the run.
  virtual void on_event(const event& e) = 0;
};

}  // namespace aethergraph
