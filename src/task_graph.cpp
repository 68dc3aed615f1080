#include "aethergraph/task_graph.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "aethergraph/detail/graph_source.hpp"
#include "aethergraph/detail/message_of.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/detail/tool_info.hpp"

namespace aethergraph {

std::string_view to_string(node_state s) noexcept {
  constexpr std::array<std::string_view, 7> names{
      "waiting", "running", "stopping", "done", "failed", "cancelled", "skipped"};
  return names[static_cast<std::size_t>(s)];
}

namespace detail {

namespace {

constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

/// Makes the parts of a graph from a recording.
class view_maker {
 public:
  explicit view_maker(const recording& r) : recording_(r) {
    for (std::size_t i = 0; i < r.nodes.size(); ++i) index_.emplace(r.nodes[i].number, i);
    for (std::size_t i = 0; i < r.joins.size(); ++i) index_.emplace(r.joins[i].number | join_bit, i);
    node_paths_.resize(r.nodes.size());
    join_paths_.resize(r.joins.size());
  }

  std::vector<task_graph::node_view> nodes() {
    std::vector<task_graph::node_view> all;
    all.reserve(recording_.nodes.size());
    for (const auto& [number, r] : recording_.nodes) {
      task_graph::node_view v;
      v.id = id_of(number, *r.tool);
      v.tool = r.tool->name;
      v.label = r.tool->label;
      v.inputs = r.tool->inputs;
      v.outputs = r.tool->outputs;
      v.path = path_of(number);
      v.parent = parent_of(r.where);
      v.kind = r.kind;
      v.state = r.state;
      v.attempts = r.attempts;
      if (r.start != no_time) v.start = r.start - recording_.start;
      if (r.end != no_time) v.end = r.end - recording_.start;
      v.failure = r.cause;
      all.push_back(std::move(v));
    }
    return all;
  }

  /// Joins and edges. A join that nothing happens after is left out, once it has ended: it says nothing.
  void connect(std::vector<task_graph::join_view>& joins, std::vector<task_graph::edge_view>& edges) {
    // The last of each child of each join, which is what flows into it.
    struct tail {
      node_number join;
      std::uint32_t child;
      std::uint32_t position;  // no_index, as 0, of what is itself the child
      node_number what;
    };
    std::vector<tail> tails;
    auto note_tail = [&](node_number n, const place& p) {
      if (p.within & join_bit) tails.push_back({p.within, p.child, p.position + 1, n});
    };
    for (const auto& [number, r] : recording_.nodes) note_tail(number, r.where);
    for (const auto& [number, r] : recording_.joins) note_tail(number | join_bit, r.where);
    std::ranges::sort(tails, {}, [](const tail& t) { return std::tuple(t.join, t.child, t.position); });

    std::vector<bool> is_shown(recording_.joins.size());
    std::vector<node_number> shown;
    auto show = [&](node_number n) {
      const std::size_t i = (n & join_bit) ? index_of(n) : nowhere;
      if (i == nowhere || is_shown[i]) return;
      is_shown[i] = true;
      shown.push_back(n);
    };
    for (const auto& [number, r] : recording_.nodes) show(r.where.after);
    for (const auto& [number, r] : recording_.joins) {
      show(r.where.after);
      if (!r.has_ended) show(number | join_bit);
    }
    std::vector<std::pair<node_number, node_number>> links;
    for (std::size_t next = 0; next < shown.size(); ++next) {
      const node_number join = shown[next];
      for (auto t = std::ranges::lower_bound(tails, join, {}, &tail::join); t != tails.end() && t->join == join; ++t) {
        if (const auto after = std::next(t); after != tails.end() && after->join == join && after->child == t->child)
          continue;  // not the last of its child
        links.emplace_back(t->what, join);
        show(t->what);
      }
    }
    std::vector<std::size_t> position(recording_.joins.size(), nowhere);
    for (std::size_t i = 0; i < recording_.joins.size(); ++i) {
      if (!is_shown[i]) continue;
      position[i] = recording_.nodes.size() + joins.size();
      joins.push_back({path_of(recording_.joins[i].number | join_bit), parent_of(recording_.joins[i].record.where)});
    }
    for (const auto& [number, r] : recording_.nodes) links.emplace_back(r.where.after, number);
    for (const auto& [number, r] : recording_.joins) {
      // What precedes a join without children that precede it in turn leads to them; it leads to the join itself only
      // where there are none.
      const node_number join = number | join_bit;
      const auto first = std::ranges::lower_bound(tails, join, {}, &tail::join);
      if (first == tails.end() || first->join != join) links.emplace_back(r.where.after, join);
    }
    auto position_of = [&](node_number n) {
      const std::size_t i = n == no_node ? nowhere : index_of(n);
      return i == nowhere || !(n & join_bit) ? i : position[i];
    };
    for (const auto& [from, to] : links)
      if (const task_graph::edge_view e{position_of(from), position_of(to)}; e.from != nowhere && e.to != nowhere)
        edges.push_back(e);
    std::ranges::sort(edges, {}, [](const task_graph::edge_view& e) { return std::pair(e.from, e.to); });
  }

 private:
  static std::string id_of(node_number n, const tool_info& tool) { return fmt::format("{}#{}", tool.name, n); }

  std::size_t index_of(node_number n) const {
    const auto found = index_.find(n);
    return found == index_.end() ? nowhere : found->second;
  }
  const place& place_of(node_number n, std::size_t i) const {
    return (n & join_bit) ? recording_.joins[i].record.where : recording_.nodes[i].record.where;
  }

  /// The path of a node or join. What it stands in may have been folded: that part is then "…".
  const std::string& path_of(node_number n) {
    // From the outermost that has no path yet inwards, without recursion: nests may be deep.
    std::vector<node_number> todo{n};
    for (;;) {
      const node_number outer = place_of(todo.back(), index_of(todo.back())).within;
      const std::size_t i = outer == no_node ? nowhere : index_of(outer);
      if (i == nowhere || !path_at(outer, i).empty()) break;
      todo.push_back(outer);
    }
    for (; !todo.empty(); todo.pop_back()) {
      const std::size_t i = index_of(todo.back());
      path_at(todo.back(), i) = extend(place_of(todo.back(), i));
    }
    return path_at(n, index_of(n));
  }
  std::string& path_at(node_number n, std::size_t i) { return (n & join_bit) ? join_paths_[i] : node_paths_[i]; }
  std::string extend(const place& p) {
    std::string path;
    if (p.within != no_node) {
      const std::size_t i = index_of(p.within);
      path = i == nowhere ? std::string("…") : path_at(p.within, i);
    }
    append_place(path, p);
    return path;
  }

  std::string parent_of(place p) const {
    while (p.within & join_bit) {
      const std::size_t i = index_of(p.within);
      if (i == nowhere) return "…";
      p = recording_.joins[i].record.where;
    }
    if (p.within == no_node) return {};
    const std::size_t i = index_of(p.within);
    return i == nowhere ? std::string("…") : id_of(p.within, *recording_.nodes[i].record.tool);
  }

  const recording& recording_;
  std::unordered_map<node_number, std::size_t> index_;
  std::vector<std::string> node_paths_;
  std::vector<std::string> join_paths_;
};

}  // namespace

const graph_source::view& graph_source::look() const {
  std::call_once(once_, [this] {
    make_view(recorder_ ? recorder_->copy() : recording_);
    recorder_.reset();
    recording_ = {};
  });
  return view_;
}

void graph_source::make_view(const recording& r) const {
  view v;
  view_maker make(r);
  v.nodes = make.nodes();
  make.connect(v.joins, v.edges);
  v.folded = {r.folded.done, r.folded.failed, r.folded.cancelled, r.folded.skipped};
  for (std::size_t i = 0; i < v.nodes.size(); ++i) {
    v.by_name.emplace(v.nodes[i].id, i);
    v.by_name.emplace(v.nodes[i].path, i);
  }
  view_ = std::move(v);
}

}  // namespace detail

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
  } else if (const node_view* n = find(selector)) {
    ids.push_back(n->id);
  }
  return ids;
}

std::vector<std::string> task_graph::topological_order() const {
  // What happens after something is made later.
  std::vector<std::string> ids;
  ids.reserve(nodes().size());
  for (const node_view& n : nodes()) ids.push_back(n.id);
  return ids;
}

std::vector<std::string> task_graph::reachable(std::string_view id, bool forward) const {
  const node_view* from = find(id);
  if (!from)
    throw error(
        fmt::format("there is no node '{}' in the graph of '{}', which has {}", id, this->id(), nodes().size()));
  std::vector<std::vector<std::size_t>> next(nodes().size() + joins().size());
  for (const edge_view& e : edges()) next[forward ? e.from : e.to].push_back(forward ? e.to : e.from);
  std::vector<bool> is_reached(next.size());
  std::vector<std::size_t> todo{static_cast<std::size_t>(from - nodes().data())};
  while (!todo.empty()) {
    const std::size_t here = todo.back();
    todo.pop_back();
    for (const std::size_t n : next[here]) {
      if (is_reached[n]) continue;
      is_reached[n] = true;
      todo.push_back(n);
    }
  }
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < nodes().size(); ++i)
    if (is_reached[i]) ids.push_back(nodes()[i].id);
  return ids;
}

std::vector<std::string> task_graph::dependents(std::string_view id) const { return reachable(id, true); }
std::vector<std::string> task_graph::upstream(std::string_view id) const { return reachable(id, false); }

std::string task_graph::pretty() const {
  std::string text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "{}: {}\n", id(), to_string(state()));
  const std::vector<node_view>& all = nodes();
  std::vector<std::vector<std::size_t>> children(all.size() + 1);  // the last: of the run itself
  for (std::size_t i = 0; i < all.size(); ++i) {
    const node_view* parent = all[i].parent.empty() ? nullptr : find(all[i].parent);
    children[parent ? static_cast<std::size_t>(parent - all.data()) : all.size()].push_back(i);
  }
  std::vector<std::pair<std::size_t, std::size_t>> todo;  // nodes with their depths, the next one last
  auto enter = [&](std::size_t parent, std::size_t depth) {
    for (auto c = children[parent].rbegin(); c != children[parent].rend(); ++c) todo.emplace_back(*c, depth);
  };
  enter(all.size(), 1);
  while (!todo.empty()) {
    const auto [i, depth] = todo.back();
    todo.pop_back();
    const node_view& n = all[i];
    fmt::format_to(out, "{:{}}{} ({})", "", 2 * std::min<std::size_t>(depth, 40), n.id, n.path);
    if (!n.inputs.empty()) fmt::format_to(out, " of {}", fmt::join(n.inputs, ", "));
    if (!n.outputs.empty()) fmt::format_to(out, " gives {}", fmt::join(n.outputs, ", "));
    fmt::format_to(out, ": {}", to_string(n.state));
    if (n.start && n.end) fmt::format_to(out, " in {}", detail::to_text(*n.end - *n.start));
    if (n.failure) fmt::format_to(out, ": {}", detail::message_of(n.failure));
    text += '\n';
    enter(i, depth + 1);
  }
  if (const folded_nodes f = folded(); f.total() > 0)
    fmt::format_to(out, "  and {} older: {} done, {} failed, {} cancelled, {} skipped\n", f.total(), f.done, f.failed,
        f.cancelled, f.skipped);
  return text;
}

}  // namespace aethergraph
