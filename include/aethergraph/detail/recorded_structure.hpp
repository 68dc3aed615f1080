// recorded_structure: what a store knows of the shape of a static graph, and of changes of it that are accepted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "aethergraph/run_store.hpp"
#include "aethergraph/task_graph.hpp"

namespace aethergraph::detail {

/// What `structure_of` wrote, read again. Empty of an agent.
struct recorded_structure {
  struct node {
    std::string id;
    std::string tool;
  };
  std::vector<node> nodes;
  std::vector<std::string> joins;
  std::vector<task_graph::edge_view> edges;
  /// All that was said of a node or join: what it is, and what leads to it.
  std::map<std::string, std::set<std::string>, std::less<>> lines;
};
/// Errors: `store_error` for what is none.
[[nodiscard]] recorded_structure read_structure(std::string_view json);

/// What stands before a structure that another one may replace, as may another version of the program.
inline constexpr char accepts_changes = '*';
/// Puts another structure and version in place of those that were recorded, and forgets what they make void. Both are
/// the same program with the same arguments. Errors: `store_error`.
void accept_changes(run_store& store, const stored_run& recorded, const run_claim& now);

/// The id of the node of the root's static graph that a fact belongs to; empty: it stands in none.
[[nodiscard]] std::string node_of_path(std::string_view path);

}  // namespace aethergraph::detail
