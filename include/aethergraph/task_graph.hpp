// task_graph: the nodes of a run, what they wait for, and how they ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aethergraph/fwd.hpp"
#include "aethergraph/node_state.hpp"
#include "aethergraph/timed_run.hpp"

namespace aethergraph {

namespace detail {
class graph_source;
}

/// What is known of the nodes of one run: its tool calls and the runs that nest in it. For inspection only.
///
/// It is a snapshot: of a run that goes on, what was true at one moment. Cheap to copy.
/// Thread safety: immutable; any thread.
class task_graph {
 public:
  struct node_view {
    std::string id;                    ///< the node's identity within its run, such as "fetch#3"
    std::string tool;                  ///< the name of the tool, or of the agent of a nested run
    std::string alias;                 ///< its further name, if it has one; of a static graph
    std::string label;                 ///< the tool's label, or its own, if it has one
    std::string cluster;               ///< the sub-graph that it is in, such as "clean#2"; of a static graph
    std::vector<std::string> inputs;   ///< the names of its parameters, if it has such
    std::vector<std::string> outputs;  ///< the names of what comes out, likewise
    std::string path;               ///< where it stands, the same in every replay: "1.2/0", see docs/guide/observing.md
    std::string parent;             ///< the id of the node whose body made it; empty: the body of the run itself
    node_kind kind{};               ///< a call, or a nested run
    node_state state{};             ///< where it stands
    int attempts = 0;               ///< how often its body was started
    std::optional<duration> start;  ///< when its body started, from the start of the run; only with `record::times`
    std::optional<duration> end;    ///< when it ended, likewise
    std::vector<std::exception_ptr> failed_attempts;  ///< what attempts before the last one threw
    std::exception_ptr failure;                       ///< why it is not `done`, once it has ended; null if it is
  };

  enum class join_kind : std::uint8_t {
    join,    ///< where the children of a combinator come together
    input,   ///< a parameter of a static graph
    make,    ///< a struct, tuple or container of values
    any_of,  ///< the first of its values that was not skipped
    output   ///< a result of a static graph
  };

  /// What is no node, but what others come together in, or flow from and to.
  struct join_view {
    std::string path;    ///< where it stands; of an input or output, its name
    std::string parent;  ///< the id of the node whose body made it; empty: the body of the run itself
    join_kind kind = join_kind::join;
    std::string type;     ///< of the value, in a static graph
    std::string cluster;  ///< as that of a node
  };

  enum class edge_kind : std::uint8_t {
    happens_after,  ///< it was made when the other one had ended
    data,           ///< it reads the other one's value
    order,          ///< it was told to wait, by `.after`
    condition       ///< the other one's value decides whether it starts
  };

  /// `to` does not begin before `from` has ended. Positions in `nodes()`; from `nodes().size()` on, in `joins()`.
  struct edge_view {
    std::size_t from = 0;
    std::size_t to = 0;
    edge_kind kind = edge_kind::happens_after;
    std::size_t parameter = 0;  ///< of a `data` edge to a node: which of its parameters, from 0 on
  };

  /// How many nodes are no longer listed: of a run that lives for long, the oldest that have ended are only counted.
  struct folded_nodes {
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t skipped = 0;
    [[nodiscard]] std::uint64_t total() const noexcept { return done + failed + cancelled + skipped; }
  };

  /// A graph without nodes.
  task_graph() noexcept = default;

  /// The identity of the run, such as "batch_agent#17".
  [[nodiscard]] const std::string& id() const noexcept;
  /// How the run stands: running, stopping, done, failed or cancelled.
  [[nodiscard]] node_state state() const noexcept;

  /// The nodes, in the order in which they were made: of those that have ended the newest, 100,000 at most; up to
  /// 10,000 older ones that failed; and every one that has not ended.
  [[nodiscard]] const std::vector<node_view>& nodes() const;
  /// The joins that something happened after, and those that have not ended; in the order in which they were made.
  [[nodiscard]] const std::vector<join_view>& joins() const;
  /// What happened after what: as many edges as there are nodes, about, since a gather of n and what comes after it
  /// meet in one join.
  [[nodiscard]] const std::vector<edge_view>& edges() const;
  [[nodiscard]] folded_nodes folded() const;

  /// The node with this id or path, or null.
  [[nodiscard]] const node_view* find(std::string_view id_or_path) const;
  /// The ids of nodes: "tool:prefix" those whose tool's name begins so, "#label" those with a label, "@alias" the one
  /// with that alias, else the one with this id or path.
  [[nodiscard]] std::vector<std::string> select(std::string_view selector) const;
  /// What goes in and comes out, with names and types, such as "scale(vals: std::vector<int>) -> int". Of a graph that
  /// was recorded, the identity of the run.
  [[nodiscard]] std::string signature() const;
  /// All ids, each after those that it waits for.
  [[nodiscard]] std::vector<std::string> topological_order() const;
  /// The ids of all nodes that happened after this one, directly or by way of others, in topological order.
  /// Errors: `error` for an unknown id.
  [[nodiscard]] std::vector<std::string> dependents(std::string_view id) const;
  /// The ids of all nodes that this one happened after, likewise.
  [[nodiscard]] std::vector<std::string> upstream(std::string_view id) const;

  /// The same with what the time of each node went into. Errors: `option_error` if it was not recorded with
  /// `record::times`.
  [[nodiscard]] timed_run times() const;

  /// As text for people: a line a node, indented below the node that made it.
  [[nodiscard]] std::string pretty() const;
  /// For Graphviz: sub-graphs as clusters, states as colours.
  [[nodiscard]] std::string to_dot() const;
  /// A Mermaid flowchart, likewise.
  [[nodiscard]] std::string to_mermaid() const;
  /// As JSON, in the form that docs/reference/task_graph.schema.json describes: the same for the same graph.
  [[nodiscard]] std::string to_json() const;

 private:
  friend detail::graph_source;
  explicit task_graph(std::shared_ptr<const detail::graph_source> source) noexcept;
  [[nodiscard]] std::vector<std::string> reachable(std::string_view id, bool forward) const;

  std::shared_ptr<const detail::graph_source> source_;
};

/// In what two graphs differ, by the ids of their nodes.
struct graph_difference {
  std::vector<std::string> removed;  ///< nodes that only the first one has
  std::vector<std::string> added;    ///< nodes that only the second one has
  std::vector<std::string> changed;  ///< nodes of both, and what of them differs: "fetch#2: tool was load, is fetch"
  std::vector<std::string> removed_edges;  ///< "load#1 -> parse#2" of nodes that both have, likewise
  std::vector<std::string> added_edges;

  [[nodiscard]] bool empty() const noexcept {
    return removed.empty() && added.empty() && changed.empty() && removed_edges.empty() && added_edges.empty();
  }
  /// As text for people: a line a difference.
  [[nodiscard]] std::string pretty() const;
};

/// Compares the structure of two graphs: nodes by id, their tools, names and edges; not how they ended.
[[nodiscard]] graph_difference diff(const task_graph& before, const task_graph& after);

/// The enumerator's name.
[[nodiscard]] std::string_view to_string(task_graph::edge_kind k) noexcept;
[[nodiscard]] std::string_view to_string(task_graph::join_kind k) noexcept;

}  // namespace aethergraph
