// What a durable run of a static graph is recognised by.

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <string>

#include "aethergraph/detail/graph_run.hpp"
#include "aethergraph/detail/plan.hpp"
#include "aethergraph/detail/tool_info.hpp"
#include "aethergraph/detail/utf8.hpp"
#include "aethergraph/task_graph.hpp"

namespace aethergraph::detail {

std::string structure_of(const plan& p, const task_graph& spec) {
  const auto& nodes = spec.nodes();
  const auto& joins = spec.joins();
  const auto name = [&](std::size_t n) { return n < nodes.size() ? nodes[n].id : joins[n - nodes.size()].path; };
  boost::json::array lines;
  auto node = nodes.begin();
  for (const plan_entry& e : p.entries) {
    if (!e.is_node()) continue;
    std::string line = node->id + " = " + node->tool;
    if (!e.tool->version.empty()) line += ", version " + e.tool->version;
    lines.emplace_back(valid_utf8(line));
    ++node;
  }
  for (const task_graph::edge_view& e : spec.edges()) {
    std::string line = name(e.from) + " -> " + name(e.to);
    if (e.kind == task_graph::edge_kind::data) line += " parameter " + std::to_string(e.parameter);
    else line += ' ' + std::string(to_string(e.kind));
    lines.emplace_back(valid_utf8(line));
  }
  return boost::json::serialize(lines);
}

}  // namespace aethergraph::detail
