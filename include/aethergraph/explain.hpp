// explain: why a run took as long as it did.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aethergraph/task_graph.hpp"
#include "aethergraph/timed_run.hpp"

namespace aethergraph {

/// Time in which a body could have run and did not.
struct lost_time {
  duration dependencies{};     ///< declared in a graph, until all that it depends on had ended
  duration slot{};             ///< until it had a slot of its run
  duration permit{};           ///< until it had a permit of its runtime
  duration pool{};             ///< until it had permits of its `resource_pool`
  duration rate{};             ///< until it had a token of its `rate_limit`
  duration delay{};            ///< between attempts
  duration failed_attempts{};  ///< in attempts that others followed

  [[nodiscard]] duration total() const noexcept {
    return dependencies + slot + permit + pool + rate + delay + failed_attempts;
  }
};

/// Why a run took as long as it did.
struct explanation {
  /// A part of the critical path.
  struct step {
    std::string node;   ///< whose time it is; empty: that of the run's own body
    node_phase what{};  ///< `body`: it computed, or awaited what is no node
    duration begin{};   ///< from the start of the run
    duration end{};
  };
  struct node_loss {
    std::string node;
    lost_time lost;
  };
  /// What a simulation of the recorded durations gives.
  struct forecast {
    std::size_t slots = 0;     ///< of the run itself
    duration now{};            ///< with these slots; what differs from the recorded total is what it does not know
    duration with_one_more{};  ///< with one more, in the run and in each that nests in it
    [[nodiscard]] duration gain() const noexcept { return now - with_one_more; }
  };

  std::string run;
  node_state state{};
  duration total{};
  /// The chain of bodies and waits that ended last, back to the start: without gaps, from 0 to `total`.
  std::vector<step> critical_path;
  duration working{};                     ///< of the critical path: bodies, in their last attempts
  lost_time lost_on_path;                 ///< the rest of it
  lost_time lost;                         ///< of all nodes together; those side by side count each
  std::vector<node_loss> nodes;           ///< those that lost any, in the order in which they were made
  std::optional<forecast> one_more_slot;  ///< nothing: it is not known how many slots the run has
  std::uint64_t folded = 0;               ///< older nodes that are in nothing of this

  /// As text for people.
  [[nodiscard]] std::string text() const;
};

/// Says what the time of a run went into, and what one more slot would give.
///
/// The critical path is found backwards from the end: the node that ended last, what its body did last, what it waited
/// for, what it was made after or depends on, and so on. What a body does between its calls, and what it awaits that is
/// no node (sleeps, sockets, semaphores), is its own time, `node_phase::body`.
///
/// The forecast starts nodes in the order of the run: calls first come, first served, nodes of a graph in the order of
/// their declaration, children on the slots of their callers. It assumes that each body takes as long as it did, does
/// between its calls what it did, and waits as long as it did for permits, pools, rates and delays: that no other
/// number of slots changes any of these, nor what is called at all. It knows no priorities. So it says what the cap
/// costs, and nothing of what more load would do to what the bodies use.
///
/// Errors: `option_error` if the run was not recorded with `record::times`, or if what a node is after is not there.
/// Complexity: n log n in the nodes and what they wait for.
/// Example: `fmt::print("{}", ag::explain(result.graph()).text());`
[[nodiscard]] explanation explain(const timed_run& r);
[[nodiscard]] explanation explain(const task_graph& g);

}  // namespace aethergraph
