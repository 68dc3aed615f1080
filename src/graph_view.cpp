// Makes what a task_graph shows of what was recorded and declared.

#include <fmt/format.h>

#include <algorithm>
#include <boost/core/demangle.hpp>
#include <iterator>
#include <queue>
#include <tuple>

#include "aethergraph/detail/graph_source.hpp"
#include "aethergraph/detail/joined.hpp"
#include "aethergraph/detail/message_of.hpp"
#include "aethergraph/detail/plan.hpp"
#include "aethergraph/detail/tool_info.hpp"
#include "aethergraph/detail/visitor.hpp"

namespace aethergraph::detail {

namespace {

constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

std::string type_name(const std::type_info& t) {
  std::string name = boost::core::demangle(t.name());
  // The names that people write.
  static constexpr std::pair<std::string_view, std::string_view> shorter[] = {
      {"std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string"},
      {"std::__cxx11::", "std::"}, {"std::monostate", "void"}, {" >", ">"}};
  for (const auto& [from, to] : shorter)
    for (std::size_t at = name.find(from); at != std::string::npos; at = name.find(from, at + to.size()))
      name.replace(at, from.size(), to);
  // "std::vector<std::string >" is how it is spelled by now.
  for (std::size_t at = name.find(" >"); at != std::string::npos; at = name.find(" >", at)) name.erase(at, 1);
  // Default allocators say nothing.
  constexpr std::string_view allocator = ", std::allocator<";
  for (std::size_t at = name.find(allocator); at != std::string::npos; at = name.find(allocator)) {
    std::size_t end = at + allocator.size();
    for (int depth = 1; depth > 0 && end < name.size(); ++end)
      depth += name[end] == '<' ? 1 : name[end] == '>' ? -1 : 0;
    if (end < name.size() && name[end] == ' ') ++end;
    name.erase(at, end - at);
  }
  return name;
}

/// Makes the parts of a graph from a recording.
class view_maker {
 public:
  explicit view_maker(const recording& r) : recording_(r) {
    for (std::size_t i = 0; i < r.nodes.size(); ++i) index_.emplace(r.nodes[i].number, i);
    for (std::size_t i = 0; i < r.joins.size(); ++i) index_.emplace(r.joins[i].number | join_bit, i);
    for (std::size_t i = 0; i < r.graphs.size(); ++i) graph_index_.emplace(r.graphs[i].number, i);
    node_paths_.resize(r.nodes.size());
    join_paths_.resize(r.joins.size());
    node_position_.resize(r.nodes.size(), nowhere);
    entry_position_.resize(r.graphs.size());
    graph_of_run_.resize(r.nodes.size(), nowhere);
  }

  /// In the order in which they were made: those of a static graph when its run was.
  std::vector<task_graph::node_view> nodes() {
    std::vector<task_graph::node_view> all;
    all.reserve(recording_.nodes.size());
    for (std::size_t g = 0; g < recording_.graphs.size(); ++g) {
      const std::size_t run = recording_.graphs[g].run == no_node ? nowhere : index_of(recording_.graphs[g].run);
      if (run != nowhere && !is_declared(recording_.graphs[g].run)) graph_of_run_[run] = g;
      else add_declared(g, all);
    }
    for (std::size_t i = 0; i < recording_.nodes.size(); ++i) {
      const auto& [number, r, failed_attempts] = recording_.nodes[i];
      task_graph::node_view v;
      v.id = fmt::format("{}#{}", r.tool->name, number);
      v.tool = r.tool->name;
      v.label = r.tool->label;
      v.inputs = r.tool->inputs;
      v.outputs = r.tool->outputs;
      v.path = path_of(number);
      v.parent = parent_of(r.where);
      v.kind = r.kind;
      v.state = r.state;
      v.attempts = r.attempts;
      if (const auto* const times = recording_.times ? recording_.times->of(number) : nullptr) {
        if (times->start != no_time) v.start = times->start - recording_.start;
        if (times->end != no_time) v.end = times->end - recording_.start;
      }
      v.failure = r.cause;
      v.failed_attempts = failed_attempts;
      node_position_[i] = all.size();
      note_number(number);
      all.push_back(std::move(v));
      if (graph_of_run_[i] != nowhere) add_declared(graph_of_run_[i], all);
    }
    node_count_ = all.size();
    return all;
  }

  /// Joins and edges. A join that nothing happens after is left out, once it has ended: it says nothing.
  void connect(std::vector<task_graph::join_view>& joins, std::vector<task_graph::edge_view>& edges) {
    for (std::size_t g = 0; g < recording_.graphs.size(); ++g) connect_declared(g, joins, edges);
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
    for (const auto& [number, r, failed_attempts] : recording_.nodes) note_tail(number, r.where);
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
    for (const auto& [number, r, failed_attempts] : recording_.nodes) show(r.where.after);
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
      position[i] = node_count_ + joins.size();
      joins.push_back({path_of(recording_.joins[i].number | join_bit), parent_of(recording_.joins[i].record.where),
          task_graph::join_kind::join, {}, {}});
    }
    for (const auto& [number, r, failed_attempts] : recording_.nodes) links.emplace_back(r.where.after, number);
    for (const auto& [number, r] : recording_.joins) {
      // What precedes a join leads to its children; it leads to the join itself only where there are none, or where it
      // happened after they had begun.
      const node_number join = number | join_bit;
      const auto first = std::ranges::lower_bound(tails, join, {}, &tail::join);
      if (first == tails.end() || first->join != join || r.has_inner_steps) links.emplace_back(r.where.after, join);
    }
    auto position_of = [&](node_number n) {
      const std::size_t i = n == no_node ? nowhere : index_of(n);
      return i == nowhere ? nowhere : (n & join_bit) ? position[i] : node_position_[i];
    };
    for (const auto& [from, to] : links)
      if (const task_graph::edge_view e{position_of(from), position_of(to), {}, 0};
          e.from != nowhere && e.to != nowhere)
        edges.push_back(e);
    std::ranges::sort(edges, {},
        [](const task_graph::edge_view& e) { return std::tuple(e.from, e.to, static_cast<int>(e.kind), e.parameter); });
    // Who reads a value twice for one parameter waits for it once.
    const auto repeated = std::ranges::unique(edges, [](const auto& a, const auto& b) {
      return a.from == b.from && a.to == b.to && a.kind == b.kind && a.parameter == b.parameter;
    });
    edges.erase(repeated.begin(), repeated.end());
  }

  std::string signature() const {
    if (recording_.graphs.empty() || recording_.graphs.front().run != no_node) return {};
    const plan& p = *recording_.graphs.front().declared;
    std::string text = p.what.name + "(";
    for (std::uint32_t i = 0; i < p.inputs; ++i) {
      if (i > 0) text += ", ";
      if (i < p.input_names.size()) text += p.input_names[i] + ": ";
      text += type_name(*p.entries[i].ops->type);
    }
    text += ") -> ";
    if (!p.what.outputs.empty()) text += fmt::format("{}: ", joined(p.what.outputs, ", "));
    return text + type_name(*p.result_ops->type);
  }

  /// Of the nodes, if times are recorded.
  std::vector<node_number> take_numbers() noexcept { return std::move(numbers_); }

 private:
  void note_number(node_number n) {
    if (recording_.times) numbers_.push_back(n);
  }

  std::string prefix_of(const recording::graph& g) const {
    if (g.run == no_node) return {};
    if (is_declared(g.run)) {
      const auto outer = graph_index_.find(graph_of(g.run));
      if (outer == graph_index_.end()) return "…/";
      const recording::graph& o = recording_.graphs[outer->second];
      return prefix_of(o) + o.declared->id_of(entry_of(g.run)) + "/";
    }
    const std::size_t run = index_of(g.run);
    return run == nowhere ? std::string("…/") : fmt::format("{}#{}/", recording_.nodes[run].record.tool->name, g.run);
  }

  void add_declared(std::size_t index, std::vector<task_graph::node_view>& all) {
    const recording::graph& g = recording_.graphs[index];
    const plan& p = *g.declared;
    const std::string prefix = prefix_of(g);
    const std::string run = prefix.empty() ? prefix : prefix.substr(0, prefix.size() - 1);
    std::vector<std::size_t>& position = entry_position_[index];
    position.assign(p.size(), nowhere);
    const std::vector<std::uint32_t> failed = failed_upstream(g);
    std::unordered_map<std::uint32_t, std::exception_ptr> causes;
    for (const declared_states::failure& f : g.states.causes) causes.insert_or_assign(f.entry, f.cause);
    for (std::uint32_t e = 0; e < p.size(); ++e) {
      const plan_entry& here = p.entries[e];
      if (!here.is_node()) continue;
      const entry_names* const names = p.names_of(e);
      const std::uint8_t bits = e < g.states.states.size() ? g.states.states[e] : std::uint8_t{0};
      task_graph::node_view v;
      v.id = prefix + p.id_of(e);
      v.tool = here.tool->name;
      v.label = names && !names->label.empty() ? names->label : here.tool->label;
      if (names && !names->alias.empty()) v.alias = p.prefix_of(here.cluster) + names->alias;
      v.cluster = cluster_name(prefix, p, here.cluster);
      v.inputs = here.tool->inputs;
      v.outputs = here.tool->outputs;
      v.path = path_of(declared_number(g.number, e));
      v.parent = run;
      v.kind = kind_of(here.ops->kind);
      v.state = entry_state::state(bits);
      const bool has_started = v.state != node_state::waiting && v.state != node_state::skipped;
      if (const auto failed_before = g.states.failed_attempts.find(e); failed_before != g.states.failed_attempts.end())
        v.failed_attempts = failed_before->second;
      v.attempts = has_started ? 1 + static_cast<int>(v.failed_attempts.size()) : 0;
      if (!g.states.when.empty()) {
        if (g.states.when[e].start != no_time) v.start = g.states.when[e].start - recording_.start;
        if (g.states.when[e].end != no_time) v.end = g.states.when[e].end - recording_.start;
      }
      if (const auto c = causes.find(e); c != causes.end()) v.failure = c->second;
      else if (v.state == node_state::skipped) v.failure = why_skipped(g, bits, failed.empty() ? 0 : failed[e]);
      position[e] = all.size();
      note_number(declared_number(g.number, e));
      all.push_back(std::move(v));
    }
  }

  static std::string cluster_name(const std::string& prefix, const plan& p, std::uint32_t c) {
    std::string name = prefix + p.prefix_of(c);
    if (!name.empty()) name.pop_back();
    return name;
  }

  /// For each entry that was skipped since something failed: an entry that did, as its number + 1.
  static std::vector<std::uint32_t> failed_upstream(const recording::graph& g) {
    const bool is_any =
        std::ranges::any_of(g.states.states, [](std::uint8_t b) { return (b & entry_state::after_failure) != 0; });
    if (!is_any) return {};
    const plan& p = *g.declared;
    std::vector<std::uint32_t> found(p.size());
    std::vector<std::uint32_t> ahead;
    for (std::uint32_t e = 0; e < p.size(); ++e) {
      const node_state s = entry_state::state(g.states.states[e]);
      if (s != node_state::failed && s != node_state::cancelled) continue;
      found[e] = e + 1;
      ahead.push_back(e);
    }
    while (!ahead.empty()) {
      const std::uint32_t e = ahead.back();
      ahead.pop_back();
      for (std::uint32_t s = p.first_successor[e]; s < p.first_successor[e + std::size_t{1}]; ++s) {
        const std::uint32_t next = p.successors[s] & ~plan::tolerant;
        if (found[next] != 0) continue;
        found[next] = found[e];
        ahead.push_back(next);
      }
    }
    return found;
  }

  std::exception_ptr why_skipped(const recording::graph& g, std::uint8_t bits, std::uint32_t failed) const {
    if ((bits & entry_state::after_failure) && failed != 0)
      return std::make_exception_ptr(
          error(fmt::format("it depends on '{}', which failed", g.declared->id_of(failed - 1))));
    if (bits & entry_state::after_condition)
      return std::make_exception_ptr(error("its condition, or that of what it reads, was false"));
    return g.states.stop;
  }

  void connect_declared(
      std::size_t index, std::vector<task_graph::join_view>& joins, std::vector<task_graph::edge_view>& edges) {
    const recording::graph& g = recording_.graphs[index];
    const plan& p = *g.declared;
    const std::string prefix = prefix_of(g);
    const std::string run = prefix.empty() ? prefix : prefix.substr(0, prefix.size() - 1);
    std::vector<std::size_t>& position = entry_position_[index];
    const auto add_join = [&](task_graph::join_kind kind, std::string path, const std::type_info& type,
                              std::uint32_t c) {
      joins.push_back({std::move(path), run, kind, type_name(type), cluster_name(prefix, p, c)});
      return node_count_ + joins.size() - 1;
    };
    using kinds = task_graph::join_kind;
    for (std::uint32_t e = 0; e < p.size(); ++e) {
      const plan_entry& here = p.entries[e];
      const entry_kind k = here.ops->kind;
      if (here.is_node() || k == entry_kind::constant) continue;
      position[e] = add_join(k == entry_kind::input  ? kinds::input
                             : k == entry_kind::make ? kinds::make
                                                     : kinds::any_of,
          prefix + p.id_of(e), *here.ops->type, here.cluster);
    }
    using edge_kinds = task_graph::edge_kind;
    std::uint32_t reader = 0;
    visitor read([&](std::uint32_t parameter, value_ref r) {
      if (position[r.entry] == nowhere) return;
      const bool is_condition = parameter == plan::condition_parameter;
      edges.push_back({position[r.entry], position[reader], is_condition ? edge_kinds::condition : edge_kinds::data,
          is_condition ? 0 : parameter});
    });
    for (; reader < p.size(); ++reader)
      if (position[reader] != nowhere) p.visit_reads(reader, read);
    for (const order_edge& o : p.orders)
      if (position[o.before] != nowhere && position[o.after] != nowhere)
        edges.push_back({position[o.before], position[o.after], edge_kinds::order, 0});
    std::size_t output = 0;
    visitor result([&](std::uint32_t, value_ref r) {
      const std::size_t number = output++;
      if (position[r.entry] == nowhere) return;
      const std::string name =
          number < p.what.outputs.size() ? p.what.outputs[number] : fmt::format("output#{}", number + 1);
      const std::size_t to = add_join(kinds::output, prefix + name, *p.entries[r.entry].ops->type, 0);
      edges.push_back({position[r.entry], to, edge_kinds::data, 0});
    });
    p.result_ops->visit(p.result, result);
  }

  std::size_t index_of(node_number n) const {
    if (is_declared(n)) {
      const auto g = graph_index_.find(graph_of(n));
      return g == graph_index_.end() ? nowhere : g->second;
    }
    const auto found = index_.find(n);
    return found == index_.end() ? nowhere : found->second;
  }
  place place_of(node_number n) const {
    const std::size_t i = index_of(n);
    if (is_declared(n))
      return {.within = recording_.graphs[i].run, .position = entry_of(n) - recording_.graphs[i].declared->inputs};
    return (n & join_bit) ? recording_.joins[i].record.where : recording_.nodes[i].record.where;
  }

  /// The path of a node or join. What it stands in may have been folded: that part is then "…".
  const std::string& path_of(node_number n) {
    // From the outermost that has no path yet inwards, without recursion: nests may be deep.
    std::vector<node_number> ahead{n};
    for (;;) {
      const node_number outer = place_of(ahead.back()).within;
      if (outer == no_node || index_of(outer) == nowhere || !path_at(outer).empty()) break;
      ahead.push_back(outer);
    }
    for (; !ahead.empty(); ahead.pop_back()) path_at(ahead.back()) = extend(place_of(ahead.back()));
    return path_at(n);
  }
  std::string& path_at(node_number n) {
    if (is_declared(n)) return entry_paths_[n];
    const std::size_t i = index_of(n);
    return (n & join_bit) ? join_paths_[i] : node_paths_[i];
  }
  std::string extend(const place& p) {
    std::string path;
    if (p.within != no_node) path = index_of(p.within) == nowhere ? std::string("…") : path_at(p.within);
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
    if (i == nowhere) return "…";
    if (is_declared(p.within))
      return prefix_of(recording_.graphs[i]) + recording_.graphs[i].declared->id_of(entry_of(p.within));
    return fmt::format("{}#{}", recording_.nodes[i].record.tool->name, p.within);
  }

  const recording& recording_;
  std::unordered_map<node_number, std::size_t> index_;
  std::unordered_map<std::uint32_t, std::size_t> graph_index_;
  std::vector<std::string> node_paths_;
  std::vector<std::string> join_paths_;
  std::unordered_map<node_number, std::string> entry_paths_;
  std::vector<std::size_t> graph_of_run_;   // of each recorded node
  std::vector<std::size_t> node_position_;  // likewise, in the view
  std::vector<std::vector<std::size_t>> entry_position_;
  std::vector<node_number> numbers_;
  std::size_t node_count_ = 0;
};

/// Each node after those that it waits for, directly or by way of joins; else as they were made.
std::vector<std::size_t> order_of(const std::vector<task_graph::edge_view>& edges, std::size_t nodes, std::size_t all) {
  std::vector<std::size_t> open(all);
  for (const task_graph::edge_view& e : edges) ++open[e.to];
  // The edges stand in the order of where they come from.
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < all; ++i)
    if (open[i] == 0) ready.push(i);
  std::vector<std::size_t> order;
  order.reserve(nodes);
  while (!ready.empty()) {
    const std::size_t n = ready.top();
    ready.pop();
    if (n < nodes) order.push_back(n);
    for (auto e = std::ranges::lower_bound(edges, n, {}, &task_graph::edge_view::from);
        e != edges.end() && e->from == n; ++e)
      if (--open[e->to] == 0) ready.push(e->to);
  }
  return order;
}

}  // namespace

graph_source::graph_source(std::shared_ptr<const plan> p) : id_(p->what.name), state_(node_state::waiting) {
  recording_ = std::make_unique<recording>();
  recording_->graphs.push_back({0, no_node, std::move(p), {}});
}

graph_source::graph_source(std::string id, node_state state, view&& v) : id_(std::move(id)), state_(state) {
  std::call_once(once_, [&] {
    auto made = std::make_unique<view>(std::move(v));
    complete(*made);
    view_ = std::move(made);
  });
}

const graph_source::view& graph_source::look() const {
  std::call_once(once_, [this] {
    view_ = std::make_unique<const view>(make_view(recorder_    ? recorder_->copy()
                                                   : recording_ ? *recording_
                                                                : recording{}));
    recorder_.reset();
    recording_.reset();
  });
  return *view_;
}

graph_source::view graph_source::make_view(const recording& r) {
  view v;
  view_maker make(r);
  v.nodes = make.nodes();
  make.connect(v.joins, v.edges);
  v.signature = make.signature();
  v.times = r.times;
  v.numbers = make.take_numbers();
  v.start = r.start;
  v.end = r.times && r.times->end != no_time ? r.times->end : r.seen;
  v.folded = {r.folded.done, r.folded.failed, r.folded.cancelled, r.folded.skipped};
  complete(v);
  return v;
}

void graph_source::complete(view& v) {
  v.order = order_of(v.edges, v.nodes.size(), v.nodes.size() + v.joins.size());
  for (std::size_t i = 0; i < v.nodes.size(); ++i) {
    v.by_name.emplace(v.nodes[i].id, i);
    v.by_name.emplace(v.nodes[i].path, i);
  }
}

}  // namespace aethergraph::detail
