// What a task_graph is made from, and the graph itself once somebody has looked.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "aethergraph/detail/recording.hpp"
#include "aethergraph/task_graph.hpp"

namespace aethergraph::detail {

/// The records of a run. Most graphs are never looked at, so that nothing is made of them before.
class graph_source {
 public:
  /// Of a run that has ended. `r` may be null: nothing was recorded.
  graph_source(std::string id, node_state state, std::unique_ptr<recorder> r)
      : id_(std::move(id)), state_(state), recorder_(std::move(r)) {}
  /// Of a run that goes on.
  graph_source(std::string id, node_state state, recording&& r)
      : id_(std::move(id)), state_(state), recording_(std::make_unique<recording>(std::move(r))) {}

  /// Of a graph that does not run.
  explicit graph_source(std::shared_ptr<const plan> p);

  /// A graph that shares this.
  [[nodiscard]] static task_graph make_graph(std::shared_ptr<const graph_source> s) noexcept {
    return task_graph(std::move(s));
  }

  struct view {
    std::vector<task_graph::node_view> nodes;
    std::vector<task_graph::join_view> joins;
    std::vector<task_graph::edge_view> edges;
    task_graph::folded_nodes folded;
    std::unordered_map<std::string_view, std::size_t> by_name;  // ids, paths and "@aliases", which lie in `nodes`
    std::vector<std::size_t> order;                             // of nodes: each after those that it waits for
    std::string signature;                                      // of a static graph
    std::shared_ptr<const recorded_times> times;                // null: they are not recorded
    std::vector<node_number> numbers;                           // of nodes, by which `times` knows them, if it is there
    time_point start{};                                         // of the run, likewise
    time_point end = no_time;                                   // likewise; of one that goes on, when it was looked at
  };
  /// Of a run that is known from elsewhere: all of the view but `by_name` and `order`, its edges in the order of where
  /// they come from.
  graph_source(std::string id, node_state state, view&& v);

 private:
  friend task_graph;

  /// Errors: `std::bad_alloc`.
  [[nodiscard]] const view& look() const;
  [[nodiscard]] static view make_view(const recording& r);
  static void complete(view& v);

  std::string id_;
  node_state state_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<recorder> recorder_;    // until somebody looks
  mutable std::unique_ptr<recording> recording_;  // likewise
  mutable std::unique_ptr<const view> view_;      // from then on
};

}  // namespace aethergraph::detail
