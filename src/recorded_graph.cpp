#include "aethergraph/recorded_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "aethergraph/detail/declared_nodes.hpp"
#include "aethergraph/detail/graph_source.hpp"
#include "aethergraph/detail/recorded_structure.hpp"
#include "aethergraph/recorded_error.hpp"

namespace aethergraph {

namespace detail {
namespace {

using system_time = std::chrono::system_clock::time_point;

/// The path of the body that this stands in; empty: that of the run.
std::string_view outer_path(std::string_view path) {
  const std::size_t end = path.find_last_of("/:");
  if (end == std::string_view::npos) return {};
  path = path.substr(0, end);
  return path.substr(0, path.find('~', path.find_last_of("/:") + 1));
}

/// Where it stands within that body: "2.1.0" as numbers. Empty of a node of a graph.
std::vector<std::uint64_t> steps_of(std::string_view path) {
  const std::size_t begin = path.find_last_of("/:");
  std::vector<std::uint64_t> steps;
  if (begin != std::string_view::npos) {
    if (path[begin] == ':') return steps;
    path.remove_prefix(begin + 1);
  }
  for (const char* at = path.data(); at < path.data() + path.size(); ++at) {
    std::uint64_t n = 0;
    at = std::from_chars(at, path.data() + path.size(), n).ptr;
    steps.push_back(n);
  }
  return steps;
}

/// What is known of one node.
struct stored_node {
  std::string path;
  std::string id;
  std::string tool;
  const fact* end = nullptr;  // null: it has not ended, or that is no fact
  node_kind kind = node_kind::call;
  bool is_declared = false;
  bool has_children = false;
  bool was_followed = false;  // something came after it
  system_time made = system_time::max();
  system_time started = system_time::max();
  system_time ended{};
};

/// Makes the view of a run of what a store knows.
class view_of_stored {
 public:
  view_of_stored(const stored_run& info, const std::vector<fact>& facts)
      : info_(info), structure_(read_structure(info.structure)) {
    for (const recorded_structure::node& n : structure_.nodes) {
      stored_node& made = at(path_of_node(n.id));
      made.id = n.id;
      made.tool = n.tool;
      made.is_declared = true;
    }
    for (const fact& f : facts)
      if (f.kind == fact_kind::call || f.kind == fact_kind::run) add(f);
    // Inner paths follow outer ones. What a body made, it made after it was started, perhaps by another process.
    for (auto n = by_path_.rbegin(); n != by_path_.rend(); ++n) {
      stored_node& here = n->second;
      if (here.tool.empty()) here.tool = "body";
      if (here.id.empty()) here.id = fmt::format("{}#{}", here.tool, here.path);
      here.started = std::min(here.started, here.end ? here.ended : here.made);
      here.made = std::min(here.made, here.started);
      stored_node* const outer = outer_of(here);
      if (!outer || here.made == system_time::max()) continue;
      outer->started = std::min(outer->started, here.made);
      if (!outer->end) outer->ended = std::max(outer->ended, here.ended);
    }
    place();
  }

  graph_source::view make() {
    connect();
    graph_source::view v;
    auto times = std::make_shared<recorded_times>();
    times->first = 1;
    if (info_.slots > 0) times->slots[no_node] = info_.slots;
    node_number last = 0;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const stored_node& n = *nodes_[i];
      v.nodes.push_back(view_of(n));
      v.numbers.push_back(n.is_declared ? declared_number(0, static_cast<std::uint32_t>(i)) : ++last);
      if (!n.is_declared)
        times->nodes.push_back({.made = n.made == system_time::max() ? no_time : since_start(n.made)});
      if (!n.end || n.made == system_time::max()) continue;
      std::vector<recorded_times::phase>& phases = times->phases[v.numbers.back()];
      // What it depends on has ended when that is safe, which takes longer than to compute it.
      if (n.is_declared) phases.push_back({node_phase::dependencies, time_point()});
      phases.push_back({node_phase::slot, since_start(n.made)});
      for (const recorded_phase& p : n.end->phases) phases.push_back({p.what, since_start(p.begin)});
      if (n.end->attempts > 0) phases.push_back({node_phase::body, since_start(n.started)});
    }
    v.joins = std::move(joins_);
    v.edges = std::move(edges_);
    v.end = since_start(end_of_run());
    v.times = std::move(times);
    return v;
  }

 private:
  stored_node& at(std::string_view path) {
    const auto found = by_path_.find(path);
    if (found != by_path_.end()) return found->second;
    stored_node& made = by_path_[std::string(path)];
    made.path = path;
    return made;
  }
  stored_node* outer_of(const stored_node& n) {
    const auto found = by_path_.find(outer_path(n.path));
    return found == by_path_.end() ? nullptr : &found->second;
  }

  void add(const fact& f) {
    stored_node& n = at(f.path);
    n.tool = f.name;
    n.end = &f;
    n.kind = f.kind == fact_kind::run ? node_kind::run : node_kind::call;
    n.ended = f.ended;
    if (f.made != system_time()) n.made = f.made;
    if (f.started != system_time()) n.started = f.started;
    for (std::string_view inner = f.path, path = outer_path(inner); !path.empty(); path = outer_path(inner = path)) {
      stored_node& outer = at(path);
      // The elements of a map are calls of its own tool.
      if (!outer.end && outer.kind != node_kind::map)
        outer.kind = inner == f.path && outer.tool == f.name ? node_kind::map : node_kind::run;
      if (std::exchange(outer.has_children, true)) break;
    }
  }

  /// In the order in which they were made, those of the static graph first.
  void place() {
    for (const recorded_structure::node& n : structure_.nodes) nodes_.push_back(&at(path_of_node(n.id)));
    for (auto& [path, n] : by_path_)
      if (!n.is_declared) nodes_.push_back(&n);
    std::sort(nodes_.begin() + static_cast<std::ptrdiff_t>(structure_.nodes.size()), nodes_.end(),
        [](const stored_node* a, const stored_node* b) {
      return std::tie(a->made, a->path) < std::tie(b->made, b->path);
    });
  }

  void connect() {
    std::vector<bool> is_read(structure_.joins.size());
    std::vector<bool> is_made(structure_.joins.size());
    const std::size_t declared = structure_.nodes.size();
    for (task_graph::edge_view e : structure_.edges) {
      if (e.from < declared)
        nodes_[e.from]->was_followed |= e.to < declared && nodes_[e.to]->made != system_time::max();
      else is_read[e.from - declared] = true;
      if (e.to >= declared) is_made[e.to - declared] = true;
      for (std::size_t* const end : {&e.from, &e.to})
        if (*end >= declared) *end += nodes_.size() - declared;
      edges_.push_back(e);
    }
    for (std::size_t i = 0; i < structure_.joins.size(); ++i) {
      using kinds = task_graph::join_kind;
      const std::string& name = structure_.joins[i];
      const bool is_choice = name.find("any_of#") != std::string::npos;
      joins_.push_back({name, {},
          !is_made[i]   ? kinds::input
          : !is_read[i] ? kinds::output
          : is_choice   ? kinds::any_of
                        : kinds::make,
          {}, {}});
    }
    connect_sequences();
    std::ranges::sort(edges_, {}, [](const auto& e) { return std::pair(e.from, e.to); });
  }

  using steps = std::vector<std::uint64_t>;
  using sequence = std::map<steps, std::size_t>;  // the nodes of one body, by where they stand in it
  struct group {
    system_time end{};
    std::size_t position = 0;  // of its only node, or of the join of all of them
  };

  void connect_sequences() {
    std::map<std::string, sequence, std::less<>> bodies;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const stored_node* const outer = outer_of(*nodes_[i]);
      if (outer && outer->kind == node_kind::map) continue;
      if (steps where = steps_of(nodes_[i]->path); !where.empty())
        bodies[std::string(outer_path(nodes_[i]->path))].emplace(std::move(where), i);
    }
    for (const auto& [path, all] : bodies) {
      std::map<steps, group> groups;
      for (const auto& [where, i] : all)
        if (const group* const before = before_of(all, groups, where, nodes_[i]->made))
          edges_.push_back({before->position, i});
    }
  }

  /// What ended last before this, of what stands before it: in its own sequence, or in the one around that. Children of
  /// a combinator do not come after each other, unless they did.
  const group* before_of(const sequence& all, std::map<steps, group>& groups, steps where, system_time made) {
    for (; !where.empty(); where.pop_back()) {
      auto before = all.lower_bound(where);
      if (before == all.begin()) continue;
      const steps& last = (--before)->first;
      if (last.size() < where.size() || !std::equal(where.begin(), where.end() - 1, last.begin())) continue;
      const group& g =
          group_of(all, groups, steps(last.begin(), last.begin() + static_cast<std::ptrdiff_t>(where.size())));
      if (g.end <= made) return &g;
    }
    return nullptr;
  }
  const group& group_of(const sequence& all, std::map<steps, group>& groups, const steps& where) {
    const auto [known, is_new] = groups.try_emplace(where);
    group& g = known->second;
    if (!is_new) return g;
    std::vector<std::size_t> members;
    for (auto n = all.lower_bound(where);
        n != all.end() && n->first.size() >= where.size() && std::equal(where.begin(), where.end(), n->first.begin());
        ++n) {
      members.push_back(n->second);
      g.end = std::max(g.end, nodes_[n->second]->ended);
      nodes_[n->second]->was_followed = true;
    }
    g.position = members.front();
    if (members.size() == 1) return g;
    g.position = nodes_.size() + joins_.size();
    const stored_node* const outer = outer_of(*nodes_[members.front()]);
    joins_.push_back({fmt::format("{}", fmt::join(where, ".")), outer ? outer->id : std::string(),
        task_graph::join_kind::join, {}, {}});
    for (const std::size_t m : members) edges_.push_back({m, g.position});
    return g;
  }

  task_graph::node_view view_of(const stored_node& n) {
    task_graph::node_view v;
    v.id = n.id;
    v.tool = n.tool;
    v.path = n.path;
    if (const stored_node* const outer = outer_of(n)) v.parent = outer->id;
    if (n.is_declared) v.cluster = cluster_of(n.id);
    v.kind = n.kind;
    v.state = state_of(n);
    v.attempts = n.end ? n.end->attempts : n.has_children ? 1 : 0;
    const bool has_started = v.state != node_state::waiting && v.state != node_state::skipped;
    if (has_started && n.started != system_time::max()) v.start = duration(n.started - info_.created);
    if (has_ended(v.state) && n.ended != system_time()) v.end = duration(n.ended - info_.created);
    if (n.end && n.end->state != node_state::done) v.failure = decode_failure(n.end->value);
    return v;
  }

  node_state state_of(const stored_node& n) const {
    if (n.end) return n.end->state;
    const bool is_over = has_ended(info_.status);
    if (n.has_children) {
      if (info_.status == run_status::done || n.was_followed) return node_state::done;
      return is_over ? node_state::cancelled : node_state::running;
    }
    return is_over ? node_state::skipped : node_state::waiting;
  }

  /// "clean#2" of "clean#2/load#1".
  static std::string cluster_of(const std::string& id) {
    for (std::size_t end = id.rfind('/'); end != std::string::npos && end > 0; end = id.rfind('/', end - 1)) {
      const std::size_t mark = id.find_last_not_of("0123456789", end - 1);
      if (mark != std::string::npos && mark + 1 < end && id[mark] == '#') return id.substr(0, end);
    }
    return {};
  }

  system_time end_of_run() const {
    system_time end = info_.owner.empty() ? info_.created : std::chrono::system_clock::now();
    if (info_.status != run_status::running) end = std::max(end, info_.changed);
    for (const stored_node* n : nodes_) end = std::max(end, n->ended);
    return end;
  }
  time_point since_start(system_time t) const { return time_point() + duration(t - info_.created); }

  const stored_run& info_;
  const recorded_structure structure_;
  std::map<std::string, stored_node, std::less<>> by_path_;
  std::vector<stored_node*> nodes_;  // as they are shown
  std::vector<task_graph::join_view> joins_;
  std::vector<task_graph::edge_view> edges_;
};

node_state state_of_run(run_status s) noexcept {
  switch (s) {
    case run_status::running:
      return node_state::running;
    case run_status::parked:
      return node_state::waiting;
    case run_status::done:
      return node_state::done;
    case run_status::failed:
      return node_state::failed;
    case run_status::cancelled:
      break;
  }
  return node_state::cancelled;
}

}  // namespace
}  // namespace detail

task_graph recorded_graph(run_store& store, std::string_view run_id) {
  const std::optional<stored_run> info = store.find(run_id);
  if (!info) throw store_error(fmt::format("there is no run '{}' in the store", run_id));
  const std::vector<fact> facts = store.facts(run_id);
  auto view = detail::view_of_stored(*info, facts).make();
  return detail::graph_source::make_graph(
      std::make_shared<const detail::graph_source>(info->id, detail::state_of_run(info->status), std::move(view)));
}

timed_run recorded_times(run_store& store, std::string_view run_id) { return recorded_graph(store, run_id).times(); }

}  // namespace aethergraph
