// task_graph as pictures: for Graphviz and for Mermaid.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "aethergraph/detail/message_of.hpp"
#include "aethergraph/detail/utf8.hpp"
#include "aethergraph/task_graph.hpp"

namespace aethergraph {

namespace {

constexpr std::size_t none = static_cast<std::size_t>(-1);

struct look_of_state {
  node_state state;
  std::string_view fill;
};
constexpr std::array<look_of_state, 7> looks{{
    {node_state::waiting, "#ffffff"},
    {node_state::running, "#bfdbfe"},
    {node_state::stopping, "#fed7aa"},
    {node_state::done, "#bbf7d0"},
    {node_state::failed, "#fca5a5"},
    {node_state::cancelled, "#e9d5ff"},
    {node_state::skipped, "#e5e7eb"},
}};
std::string_view fill_of(node_state s) noexcept { return looks[static_cast<std::size_t>(s)].fill; }

/// A name without those of the sub-graphs that it is drawn in.
std::string_view within(std::string_view name, std::string_view cluster) {
  const bool is_prefix =
      !cluster.empty() && name.size() > cluster.size() + 1 && name.starts_with(cluster) && name[cluster.size()] == '/';
  return is_prefix ? name.substr(cluster.size() + 1) : name;
}

/// What is drawn inside of what: sub-graphs as boxes, and likewise what the body of a node made, together with it.
// Invariant: an inner box stands behind the outer one. boxes_.front() is the picture itself.
class layout {
 public:
  struct box {
    std::string label;
    std::vector<std::size_t> members;  // positions of nodes and joins
    std::vector<std::size_t> inner;
  };

  explicit layout(const task_graph& g)
      : graph_(g), box_of_node_(g.nodes().size(), 0), own_box_(g.nodes().size(), none) {
    boxes_.emplace_back();
    for (std::size_t i = 0; i < g.nodes().size(); ++i) {
      const task_graph::node_view& n = g.nodes()[i];
      box_of_node_[i] = box_of(n.parent, n.cluster);
    }
    std::vector<std::size_t> box_of_join;
    for (const task_graph::join_view& j : g.joins()) box_of_join.push_back(box_of(j.parent, j.cluster));
    for (std::size_t i = 0; i < box_of_node_.size(); ++i) boxes_[box_of_node_[i]].members.push_back(i);
    for (std::size_t i = 0; i < box_of_join.size(); ++i)
      boxes_[box_of_join[i]].members.push_back(box_of_node_.size() + i);
  }

  /// Calls enter(box, number, depth), member(position, depth) and leave(depth), each box after the members of the outer
  /// one. Without recursion: nests may be deep.
  template <class Enter, class Member, class Leave>
  void walk(Enter enter, Member member, Leave leave) const {
    struct step {
      std::size_t box;
      std::size_t next;  // of the inner ones
    };
    std::vector<step> open{{0, 0}};
    for (const std::size_t m : boxes_.front().members) member(m, 1);
    while (!open.empty()) {
      const box& here = boxes_[open.back().box];
      if (open.back().next == here.inner.size()) {
        open.pop_back();
        if (!open.empty()) leave(open.size());
        continue;
      }
      const std::size_t inner = here.inner[open.back().next++];
      enter(boxes_[inner], inner, open.size());
      open.push_back({inner, 0});
      for (const std::size_t m : boxes_[inner].members) member(m, open.size());
    }
  }

 private:
  std::size_t box_of(const std::string& parent, const std::string& cluster) {
    std::size_t at = parent.empty() ? 0 : box_of_parent(parent);
    std::size_t begin = parent.empty() ? 0 : parent.size() + 1;
    if (!parent.empty() && !cluster.starts_with(parent + "/")) return at;
    // The names of sub-graphs may have slashes in them; what ends one is "#", digits and a slash.
    for (std::size_t end = begin; begin < cluster.size(); begin = ++end) {
      while (end < cluster.size() && !is_end_of_name(cluster, end)) ++end;
      at = named_box(cluster.substr(0, end), std::string_view(cluster).substr(begin, end - begin), at);
    }
    return at;
  }
  static bool is_end_of_name(std::string_view cluster, std::size_t at) {
    if (cluster[at] != '/') return false;
    const std::size_t before = cluster.find_last_not_of("0123456789", at - 1);
    return at > 0 && before != std::string_view::npos && before + 1 < at && cluster[before] == '#';
  }
  std::size_t box_of_parent(const std::string& parent) {
    const task_graph::node_view* const n = graph_.find(parent);
    if (!n) return named_box(parent, parent, 0);  // it has been folded
    const auto i = static_cast<std::size_t>(n - graph_.nodes().data());
    if (own_box_[i] == none) {
      own_box_[i] = new_box(within(n->id, n->cluster), box_of_node_[i]);
      box_of_node_[i] = own_box_[i];
    }
    return own_box_[i];
  }
  std::size_t named_box(const std::string& name, std::string_view label, std::size_t outer) {
    const auto [known, is_new] = by_name_.emplace(name, 0);
    if (is_new) known->second = new_box(label, outer);
    return known->second;
  }
  std::size_t new_box(std::string_view label, std::size_t outer) {
    boxes_.push_back({std::string(label), {}, {}});
    boxes_[outer].inner.push_back(boxes_.size() - 1);
    return boxes_.size() - 1;
  }

  const task_graph& graph_;
  std::vector<box> boxes_;
  std::vector<std::size_t> box_of_node_;
  std::vector<std::size_t> own_box_;  // of what a node made
  std::unordered_map<std::string, std::size_t> by_name_;
};

std::vector<std::string> lines_of(const task_graph::node_view& n) {
  const std::string_view id = within(n.id, n.cluster);
  std::vector<std::string> lines{std::string(id)};
  if (!id.starts_with(n.tool + "#")) lines.push_back(n.tool);
  if (!n.alias.empty()) lines.push_back(fmt::format("@{}", within(n.alias, n.cluster)));
  if (!n.label.empty()) lines.push_back(fmt::format("#{}", n.label));
  return lines;
}

std::vector<std::string> lines_of(const task_graph::join_view& j) {
  std::string name(to_string(j.kind));
  switch (j.kind) {
    case task_graph::join_kind::join:
      return {};
    case task_graph::join_kind::input:
    case task_graph::join_kind::output:
      name = within(j.path, j.cluster);
      break;
    case task_graph::join_kind::make:
    case task_graph::join_kind::any_of:
      break;
  }
  std::vector<std::string> lines{std::move(name)};
  if (!j.type.empty()) lines.push_back(j.type);  // a store does not know it
  return lines;
}

/// The name of the parameter that an edge ends in; empty if it has none.
std::string_view parameter_of(const task_graph& g, const task_graph::edge_view& e) {
  if (e.kind != task_graph::edge_kind::data || e.to >= g.nodes().size()) return {};
  const std::vector<std::string>& names = g.nodes()[e.to].inputs;
  return e.parameter < names.size() ? std::string_view(names[e.parameter]) : std::string_view();
}

std::string title_of(const task_graph& g) {
  std::string title = g.signature();
  if (g.state() != node_state::waiting) title += fmt::format(": {}", to_string(g.state()));
  if (const std::uint64_t n = g.folded().total(); n > 0) title += fmt::format(", and {} older nodes", n);
  return title;
}

void indent(std::string& text, std::size_t depth) { text.append(2 * std::min<std::size_t>(depth, 20), ' '); }

// --- Graphviz

/// The inside of a quoted string that is shown as it is. Graphviz takes backslashes for escapes and "&…;" for HTML.
std::string dot_text(std::string_view s) {
  std::string text;
  for (const char c : detail::valid_utf8(s)) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') (text += '\\') += c;
    else if (c == '&') text += "&amp;";
    else if (c == '\n') text += "\\n";
    else if (u < 0x20) ((text += "\xE2\x90") += static_cast<char>(0x80 + u));  // U+2400: the pictures of control codes
    else if (u == 0x7F) text += "\xE2\x90\xA1";
    else text += c;
  }
  return text;
}

std::string dot_text(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& l : lines) {
    if (!text.empty()) text += "\\n";
    text += dot_text(l);
  }
  return text;
}

std::string dot_tooltip(const task_graph::node_view& n) {
  std::string text(to_string(n.state));
  if (n.attempts > 1) text += fmt::format(" after {} attempts", n.attempts);
  if (n.failure) text += fmt::format(": {}", detail::message_of(n.failure));
  return dot_text(text);
}

void write_dot_node(std::string& text, const task_graph::node_view& n, std::size_t i) {
  text += fmt::format("n{} [label=\"{}\"", i, dot_text(lines_of(n)));
  switch (n.kind) {
    case node_kind::call:
      break;
    case node_kind::run:
      text += ", shape=component";
      break;
    case node_kind::map:
      text += ", shape=box3d";
      break;
  }
  if (n.state != node_state::waiting)
    text += fmt::format(", fillcolor=\"{}\", tooltip=\"{}\"", fill_of(n.state), dot_tooltip(n));
  text += "];\n";
}

void write_dot_join(std::string& text, const task_graph::join_view& j, std::size_t i) {
  constexpr std::array<std::string_view, 5> shapes{"point", "ellipse", "hexagon", "diamond", "ellipse"};
  text += fmt::format("j{} [label=\"{}\", shape={}, style=solid];\n", i, dot_text(lines_of(j)),
      shapes[static_cast<std::size_t>(j.kind)]);
}

// --- Mermaid

/// The inside of a quoted label. All that may mean something to Mermaid, to Markdown or in HTML is given by its number.
std::string mermaid_text(std::string_view s) {
  constexpr std::string_view harmless = " _-.,/()=+@!?'";
  std::string text;
  for (const char c : detail::valid_utf8(s)) {
    const auto u = static_cast<unsigned char>(c);
    const bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || u >= 0x80;
    if (is_word || harmless.find(c) != std::string_view::npos) text += c;
    else if (c == '\n') text += "<br/>";
    else text += fmt::format("#{};", u < 0x20 ? 0x2400 + u : u == 0x7F ? 0x2421 : u);
  }
  return text;
}

std::string mermaid_text(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& l : lines) {
    if (!text.empty()) text += "<br/>";
    text += mermaid_text(l);
  }
  return text.empty() ? std::string(" ") : text;
}

}  // namespace

std::string task_graph::to_dot() const {
  std::string text = "digraph aethergraph {\n";
  text += fmt::format("  graph [label=\"{}\", labelloc=t, fontname=\"sans-serif\"];\n", dot_text(title_of(*this)));
  text += "  node [shape=box, style=filled, fillcolor=\"#ffffff\", fontname=\"sans-serif\"];\n";
  text += "  edge [fontname=\"sans-serif\", fontsize=10];\n";
  const std::size_t count = nodes().size();
  layout(*this).walk([&](const layout::box& b, std::size_t number, std::size_t depth) {
    indent(text, depth);
    text += fmt::format("subgraph cluster_{} {{\n", number);
    indent(text, depth + 1);
    text += fmt::format("label=\"{}\";\n", dot_text(b.label));
  }, [&](std::size_t i, std::size_t depth) {
    indent(text, depth);
    if (i < count) write_dot_node(text, nodes()[i], i);
    else write_dot_join(text, joins()[i - count], i - count);
  }, [&](std::size_t depth) {
    indent(text, depth);
    text += "}\n";
  });
  const auto name = [&](std::size_t i) { return i < count ? fmt::format("n{}", i) : fmt::format("j{}", i - count); };
  for (const edge_view& e : edges()) {
    text += fmt::format("  {} -> {}", name(e.from), name(e.to));
    if (e.kind == edge_kind::order) text += " [style=dashed]";
    else if (e.kind == edge_kind::condition) text += " [style=dotted]";
    else if (const std::string_view p = parameter_of(*this, e); !p.empty())
      text += fmt::format(" [label=\"{}\"]", dot_text(p));
    text += ";\n";
  }
  return text + "}\n";
}

std::string task_graph::to_mermaid() const {
  std::string text = "flowchart TB\n";
  const std::size_t count = nodes().size();
  std::array<bool, looks.size()> is_used{};
  using brackets = std::pair<std::string_view, std::string_view>;
  constexpr std::array<brackets, 3> of_nodes{{{"[", "]"}, {"[[", "]]"}, {"[/", "/]"}}};
  constexpr std::array<brackets, 5> of_joins{{{"((", "))"}, {"([", "])"}, {"{{", "}}"}, {"{", "}"}, {"([", "])"}}};
  layout(*this).walk([&](const layout::box& b, std::size_t number, std::size_t depth) {
    indent(text, depth);
    text += fmt::format("subgraph c{}[\"{}\"]\n", number, mermaid_text(std::vector{b.label}));
  }, [&](std::size_t i, std::size_t depth) {
    indent(text, depth);
    if (i < count) {
      const node_view& n = nodes()[i];
      const auto& [open, close] = of_nodes[static_cast<std::size_t>(n.kind)];
      text += fmt::format("n{}{}\"{}\"{}", i, open, mermaid_text(lines_of(n)), close);
      if (n.state != node_state::waiting) text += fmt::format(":::{}", to_string(n.state));
      is_used[static_cast<std::size_t>(n.state)] = true;
    } else {
      const join_view& j = joins()[i - count];
      const auto& [open, close] = of_joins[static_cast<std::size_t>(j.kind)];
      text += fmt::format("j{}{}\"{}\"{}", i - count, open, mermaid_text(lines_of(j)), close);
    }
    text += '\n';
  }, [&](std::size_t depth) {
    indent(text, depth);
    text += "end\n";
  });
  const auto name = [&](std::size_t i) { return i < count ? fmt::format("n{}", i) : fmt::format("j{}", i - count); };
  for (const edge_view& e : edges()) {
    std::string_view arrow = "-->";
    std::string label;
    if (e.kind == edge_kind::order) arrow = "-.->";
    else if (e.kind == edge_kind::condition) (arrow = "-.->"), (label = "if");
    else label = mermaid_text(parameter_of(*this, e));
    text += fmt::format("  {} {}", name(e.from), arrow);
    if (!label.empty()) text += fmt::format("|\"{}\"|", label);
    text += fmt::format(" {}\n", name(e.to));
  }
  for (const look_of_state& l : looks)
    if (l.state != node_state::waiting && is_used[static_cast<std::size_t>(l.state)])
      text += fmt::format("  classDef {} fill:{},color:#000000\n", to_string(l.state), l.fill);
  return text;
}

}  // namespace aethergraph
