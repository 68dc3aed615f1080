#include "aethergraph/task_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "aethergraph/detail/graph_run.hpp"
#include "aethergraph/detail/graph_source.hpp"
#include "aethergraph/detail/joined.hpp"
#include "aethergraph/detail/message_of.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/detail/tool_info.hpp"
#include "aethergraph/run_result.hpp"

namespace aethergraph {

std::string_view to_string(task_graph::edge_kind k) noexcept {
  constexpr std::array<std::string_view, 4> names{"happens_after", "data", "order", "condition"};
  return names[static_cast<std::size_t>(k)];
}
std::string_view to_string(task_graph::join_kind k) noexcept {
  constexpr std::array<std::string_view, 5> names{"join", "input", "make", "any_of", "output"};
  return names[static_cast<std::size_t>(k)];
}

task_graph detail::spec_of(const std::shared_ptr<const plan>& p) {
  return graph_source::make_graph(std::make_shared<const graph_source>(p));
}

task_graph detail::make_graph(std::shared_ptr<const graph_source> s) noexcept {
  return graph_source::make_graph(std::move(s));
}

task_graph::task_graph(std::shared_ptr<const detail::graph_source> source) noexcept : source_(std::move(source)) {}

const std::string& task_graph::id() const noexcept {
  static const std::string none;
  return source_ ? source_->id_ : none;
}

node_state task_graph::state() const noexcept { return source_ ? source_->state_ : node_state::waiting; }

const std::vector<task_graph::node_view>& task_graph::nodes() const {
  static const std::vector<node_view> none;
  return source_ ? source_->look().nodes : none;
}

const std::vector<task_graph::join_view>& task_graph::joins() const {
  static const std::vector<join_view> none;
  return source_ ? source_->look().joins : none;
}

const std::vector<task_graph::edge_view>& task_graph::edges() const {
  static const std::vector<edge_view> none;
  return source_ ? source_->look().edges : none;
}

task_graph::folded_nodes task_graph::folded() const { return source_ ? source_->look().folded : folded_nodes{}; }

const task_graph::node_view* task_graph::find(std::string_view id_or_path) const {
  if (!source_) return nullptr;
  const auto& by_name = source_->look().by_name;
  const auto found = by_name.find(id_or_path);
  return found == by_name.end() ? nullptr : &nodes()[found->second];
}

std::vector<std::string> task_graph::select(std::string_view selector) const {
  constexpr std::string_view tool = "tool:";
  std::vector<std::string> ids;
  if (selector.starts_with(tool)) {
    for (const node_view& n : nodes())
      if (n.tool.starts_with(selector.substr(tool.size()))) ids.push_back(n.id);
  } else if (selector.starts_with('#')) {
    for (const node_view& n : nodes())
      if (!n.label.empty() && n.label == selector.substr(1)) ids.push_back(n.id);
  } else if (selector.starts_with('@')) {
    for (const node_view& n : nodes())
      if (!n.alias.empty() && n.alias == selector.substr(1)) ids.push_back(n.id);
  } else if (const node_view* n = find(selector)) {
    ids.push_back(n->id);
  }
  return ids;
}

std::vector<std::string> task_graph::topological_order() const {
  std::vector<std::string> ids;
  if (!source_) return ids;
  ids.reserve(nodes().size());
  for (const std::size_t n : source_->look().order) ids.push_back(nodes()[n].id);
  return ids;
}

std::string task_graph::signature() const {
  if (!source_) return {};
  const std::string& s = source_->look().signature;
  return s.empty() ? id() : s;
}

std::vector<std::string> task_graph::reachable(std::string_view id, bool forward) const {
  const node_view* from = find(id);
  if (!from)
    throw error(
        fmt::format("there is no node '{}' in the graph of '{}', which has {}", id, this->id(), nodes().size()));
  std::vector<std::vector<std::size_t>> next(nodes().size() + joins().size());
  for (const edge_view& e : edges()) next[forward ? e.from : e.to].push_back(forward ? e.to : e.from);
  std::vector<bool> is_reached(next.size());
  std::vector<std::size_t> ahead{static_cast<std::size_t>(from - nodes().data())};
  while (!ahead.empty()) {
    const std::size_t here = ahead.back();
    ahead.pop_back();
    for (const std::size_t n : next[here]) {
      if (is_reached[n]) continue;
      is_reached[n] = true;
      ahead.push_back(n);
    }
  }
  std::vector<std::string> ids;
  for (const std::size_t i : source_->look().order)
    if (is_reached[i]) ids.push_back(nodes()[i].id);
  return ids;
}

std::vector<std::string> task_graph::dependents(std::string_view id) const { return reachable(id, true); }
std::vector<std::string> task_graph::upstream(std::string_view id) const { return reachable(id, false); }

std::string task_graph::pretty() const {
  std::string text;
  text += fmt::format("{}: {}\n", id(), to_string(state()));
  const std::vector<node_view>& all = nodes();
  std::vector<std::vector<std::size_t>> children(all.size() + 1);  // the last: of the run itself
  for (std::size_t i = 0; i < all.size(); ++i) {
    const node_view* parent = all[i].parent.empty() ? nullptr : find(all[i].parent);
    children[parent ? static_cast<std::size_t>(parent - all.data()) : all.size()].push_back(i);
  }
  std::vector<std::pair<std::size_t, std::size_t>> ahead;  // nodes with their depths, the next one last
  auto enter = [&](std::size_t parent, std::size_t depth) {
    for (auto c = children[parent].rbegin(); c != children[parent].rend(); ++c) ahead.emplace_back(*c, depth);
  };
  enter(all.size(), 1);
  while (!ahead.empty()) {
    const auto [i, depth] = ahead.back();
    ahead.pop_back();
    const node_view& n = all[i];
    text += fmt::format("{:{}}{} ({})", "", 2 * std::min<std::size_t>(depth, 40), n.id, n.path);
    if (!n.alias.empty()) text += fmt::format(" @{}", n.alias);
    if (!n.label.empty()) text += fmt::format(" #{}", n.label);
    if (!n.inputs.empty()) text += fmt::format(" of {}", detail::joined(n.inputs, ", "));
    if (!n.outputs.empty()) text += fmt::format(" gives {}", detail::joined(n.outputs, ", "));
    text += fmt::format(": {}", to_string(n.state));
    if (n.start && n.end) text += fmt::format(" in {}", detail::to_text(*n.end - *n.start));
    if (n.failure) text += fmt::format(": {}", detail::message_of(n.failure));
    text += '\n';
    enter(i, depth + 1);
  }
  if (const folded_nodes f = folded(); f.total() > 0)
    text += fmt::format("  and {} older: {} done, {} failed, {} cancelled, {} skipped\n", f.total(), f.done, f.failed,
        f.cancelled, f.skipped);
  return text;
}

}  // namespace aethergraph
