// In what two graphs differ.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "aethergraph/task_graph.hpp"

namespace aethergraph {

namespace {

using by_id = std::unordered_map<std::string_view, const task_graph::node_view*>;

by_id nodes_by_id(const task_graph& g) {
  by_id all;
  for (const task_graph::node_view& n : g.nodes()) all.emplace(n.id, &n);
  return all;
}

std::string quoted(const std::string& name) { return name.empty() ? "none" : fmt::format("'{}'", name); }
std::string listed_names(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("({})", fmt::join(names, ", "));
}

/// "fetch#2: tool was load, is fetch; …", or nothing.
std::string change_of(const task_graph::node_view& a, const task_graph::node_view& b) {
  std::vector<std::string> changes;
  const auto compare = [&](std::string_view what, const auto& was, const auto& is, auto show) {
    if (was != is) changes.push_back(fmt::format("{} was {}, is {}", what, show(was), show(is)));
  };
  const auto plain = [](const std::string& name) { return name; };
  compare("tool", a.tool, b.tool, plain);
  compare("kind", a.kind, b.kind, [](node_kind k) { return to_string(k); });
  compare("alias", a.alias, b.alias, quoted);
  compare("label", a.label, b.label, quoted);
  compare("inputs", a.inputs, b.inputs, listed_names);
  compare("outputs", a.outputs, b.outputs, listed_names);
  compare("parent", a.parent, b.parent, quoted);
  return changes.empty() ? std::string() : fmt::format("{}: {}", a.id, fmt::join(changes, "; "));
}

/// All edges between nodes that both graphs have, as text, in the order in which the graph lists them.
///
/// What is made of values has no name of its own, so that its place in the graph would make a difference where there is
/// none. So an edge leads through it, from who gives the values to who reads them.
class edge_texts {
 public:
  edge_texts(const task_graph& g, const by_id& other) : graph_(g), other_(other), count_(g.nodes().size()) {
    const std::vector<task_graph::edge_view>& edges = g.edges();
    out_.resize(count_ + g.joins().size());
    for (const task_graph::edge_view& e : edges) out_[e.from].push_back(&e);
  }

  std::vector<std::string> make() const {
    std::vector<std::string> texts;
    std::set<std::string> known;  // a value may come by several ways
    for (std::size_t from = 0; from < out_.size(); ++from) {
      const std::string name = name_of(from);
      if (name.empty()) continue;
      follow(from, [&](const task_graph::edge_view& last, bool is_choice, bool is_condition) {
        const std::string to = name_of(last.to);
        if (to.empty()) return;
        std::string text = fmt::format("{} -> {}{}", name, to, remark(last, is_choice, is_condition));
        if (known.insert(text).second) texts.push_back(std::move(text));
      });
    }
    return texts;
  }

 private:
  [[nodiscard]] bool is_passed_through(std::size_t i) const {
    if (i < count_) return false;
    const task_graph::join_kind k = graph_.joins()[i - count_].kind;
    return k == task_graph::join_kind::make || k == task_graph::join_kind::any_of;
  }
  /// Of an end of an edge; empty if no edge of it is compared.
  [[nodiscard]] std::string name_of(std::size_t i) const {
    if (is_passed_through(i)) return {};
    if (i >= count_) {
      const task_graph::join_view& j = graph_.joins()[i - count_];
      return fmt::format("{} {}", to_string(j.kind), j.path);
    }
    const std::string& id = graph_.nodes()[i].id;
    return other_.contains(id) ? id : std::string();
  }
  /// Calls fn for the last edge of each way from here to what has a name.
  template <class Fn>
  void follow(std::size_t from, Fn fn) const {
    struct step {
      std::size_t at;
      bool is_choice;     // it has come by an any_of
      bool is_condition;  // it decided whether that was made
      auto operator<=>(const step&) const = default;
    };
    std::vector<step> ahead{{from, false, false}};
    std::set<step> seen;
    for (std::size_t next = 0; next < ahead.size(); ++next) {
      const step here = ahead[next];
      for (const task_graph::edge_view* e : out_[here.at]) {
        if (!is_passed_through(e->to)) {
          fn(*e, here.is_choice, here.is_condition);
          continue;
        }
        const step there{e->to, here.is_choice || graph_.joins()[e->to - count_].kind == task_graph::join_kind::any_of,
            here.is_condition || e->kind == task_graph::edge_kind::condition};
        if (seen.insert(there).second) ahead.push_back(there);
      }
    }
  }
  /// What an edge is besides its ends, in brackets.
  [[nodiscard]] std::string remark(const task_graph::edge_view& e, bool is_choice, bool is_condition) const {
    std::vector<std::string> all;
    if (e.kind == task_graph::edge_kind::order || e.kind == task_graph::edge_kind::condition)
      all.emplace_back(to_string(e.kind));
    else if (is_condition) all.emplace_back(to_string(task_graph::edge_kind::condition));
    if (e.kind == task_graph::edge_kind::data && e.to < count_) {
      const std::vector<std::string>& names = graph_.nodes()[e.to].inputs;
      if (e.parameter < names.size()) all.push_back(names[e.parameter]);
      else if (e.parameter > 0) all.push_back(fmt::format("parameter {}", e.parameter + 1));
    }
    if (is_choice) all.emplace_back(to_string(task_graph::join_kind::any_of));
    return all.empty() ? std::string() : fmt::format(" ({})", fmt::join(all, ", "));
  }

  const task_graph& graph_;
  const by_id& other_;
  const std::size_t count_;
  std::vector<std::vector<const task_graph::edge_view*>> out_;
};

/// Those of `all` that are not among the others.
std::vector<std::string> without(const std::vector<std::string>& all, const std::vector<std::string>& others) {
  const std::set<std::string_view> known(others.begin(), others.end());
  std::vector<std::string> rest;
  std::ranges::copy_if(all, std::back_inserter(rest), [&](const std::string& s) { return !known.contains(s); });
  return rest;
}

}  // namespace

graph_difference diff(const task_graph& before, const task_graph& after) {
  const by_id old_nodes = nodes_by_id(before);
  const by_id new_nodes = nodes_by_id(after);
  graph_difference d;
  for (const task_graph::node_view& n : before.nodes()) {
    const auto now = new_nodes.find(n.id);
    if (now == new_nodes.end()) d.removed.push_back(n.id);
    else if (std::string change = change_of(n, *now->second); !change.empty()) d.changed.push_back(std::move(change));
  }
  for (const task_graph::node_view& n : after.nodes())
    if (!old_nodes.contains(n.id)) d.added.push_back(n.id);
  const std::vector<std::string> old_edges = edge_texts(before, new_nodes).make();
  const std::vector<std::string> new_edges = edge_texts(after, old_nodes).make();
  d.removed_edges = without(old_edges, new_edges);
  d.added_edges = without(new_edges, old_edges);
  return d;
}

std::string graph_difference::pretty() const {
  std::string text;
  const auto add = [&](std::string_view mark, const std::vector<std::string>& all) {
    for (const std::string& one : all) text += fmt::format("{} {}\n", mark, one);
  };
  add("-", removed);
  add("+", added);
  add("~", changed);
  add("-", removed_edges);
  add("+", added_edges);
  return text;
}

}  // namespace aethergraph
