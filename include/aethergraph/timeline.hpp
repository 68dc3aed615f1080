// timeline: what ran when, for trace viewers and as text.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "aethergraph/task_graph.hpp"
#include "aethergraph/timed_run.hpp"

namespace aethergraph {

/// The nodes of a run along its time.
///
/// Thread safety: immutable; any thread. Complexity: n log n in the nodes.
/// Example: `ag::timeline(result.graph()).to_gantt()`
class timeline {
 public:
  /// Errors: `option_error` if the run was not recorded with `record::times`.
  explicit timeline(const task_graph& g) : run_(g.times()) {}
  explicit timeline(timed_run r) : run_(std::move(r)) {}

  /// JSON in the trace-event format of Chrome, which Perfetto opens. Each node that started is a complete event from
  /// its first attempt to its end, in a lane that no other node uses meanwhile; below it its attempts and the delays
  /// between them, if it had more than one; what it waited for before is among its arguments. A node that never started
  /// is an instant event in a lane of its own kind.
  [[nodiscard]] std::string to_trace_events() const;

  /// As text for people: a line a node, indented below the node that made it, and a legend.
  /// Parameters: how many columns a line may have; less than 41 is taken for 41.
  [[nodiscard]] std::string to_gantt(std::size_t width = 100) const;

 private:
  timed_run run_;
};

}  // namespace aethergraph
