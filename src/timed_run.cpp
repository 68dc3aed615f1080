// What the time of the nodes of a recorded run went into.
#include "aethergraph/timed_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "aethergraph/detail/graph_source.hpp"
#include "aethergraph/detail/message_of.hpp"
#include "aethergraph/detail/timed_order.hpp"
#include "aethergraph/error.hpp"

namespace aethergraph {

namespace detail {

std::vector<std::size_t> parents_of(const timed_run& r) {
  std::unordered_map<std::string_view, std::size_t> by_id;
  std::vector<std::size_t> parents;
  parents.reserve(r.nodes.size());
  for (std::size_t i = 0; i < r.nodes.size(); ++i) {
    const auto found = by_id.find(r.nodes[i].parent);
    parents.push_back(found == by_id.end() ? nowhere : found->second);
    by_id.emplace(r.nodes[i].id, i);
  }
  return parents;
}

const timed_phase* body_phase_of(const timed_node& n) noexcept {
  return !n.phases.empty() && n.phases.back().what == node_phase::body ? &n.phases.back() : nullptr;
}

order_in_time order_in_time_of(const timed_run& r) {
  const std::size_t nodes = r.nodes.size();
  const std::size_t all = nodes + r.joins.size();
  const auto after = [&](std::size_t i) -> const std::vector<std::size_t>& {
    return i < nodes ? r.nodes[i].after : r.joins[i - nodes];
  };
  std::vector<std::vector<std::size_t>> next(all);
  std::vector<std::size_t> open(all);
  for (std::size_t i = 0; i < all; ++i)
    for (const std::size_t a : after(i)) {
      if (a >= all)
        throw option_error(fmt::format("run '{}': '{}' comes after position {}, but there are {} nodes and joins", r.id,
            i < nodes ? r.nodes[i].id : fmt::format("join {}", i - nodes), a, all));
      next[a].push_back(i);
      ++open[i];
    }
  order_in_time found{std::vector<duration>(all), std::vector<std::size_t>(all, nowhere)};
  for (std::size_t i = 0; i < nodes; ++i)
    if (!r.nodes[i].phases.empty()) found.end[i] = r.nodes[i].phases.back().end;
  const auto rank = [&](std::size_t n) { return std::tuple(found.end[n], body_phase_of(r.nodes[n]) != nullptr, n); };
  std::vector<std::size_t> ahead;
  for (std::size_t i = 0; i < all; ++i)
    if (open[i] == 0) ahead.push_back(i);
  while (!ahead.empty()) {
    const std::size_t i = ahead.back();
    ahead.pop_back();
    for (const std::size_t a : after(i)) {
      const std::size_t n = a < nodes ? a : found.latest[a];
      if (n != nowhere && (found.latest[i] == nowhere || rank(n) > rank(found.latest[i]))) found.latest[i] = n;
    }
    const bool has_own_end = i < nodes && !r.nodes[i].phases.empty();
    if (!has_own_end && found.latest[i] != nowhere) found.end[i] = found.end[found.latest[i]];
    for (const std::size_t n : next[i])
      if (--open[n] == 0) ahead.push_back(n);
  }
  return found;
}

std::string short_text(duration d) {
  const auto in = [&](double unit) { return static_cast<double>(d.count()) / unit; };
  if (d.count() < 1'000) return fmt::format("{}ns", d.count());
  if (d.count() < 1'000'000) return fmt::format("{:.4g}us", in(1e3));
  if (d.count() < 1'000'000'000) return fmt::format("{:.4g}ms", in(1e6));
  return in(1e9) < 1000 ? fmt::format("{:.4g}s", in(1e9)) : fmt::format("{:.0f}s", in(1e9));
}

namespace {

bool is_running_of_body(node_phase p) noexcept { return p >= node_phase::failed_attempt; }

/// Makes the phases of one node of what was recorded of it.
// Invariant: they follow one another without gaps, and all but the last have ended.
class phase_list {
 public:
  explicit phase_list(std::vector<timed_phase>& all) : all_(all) {}

  void begin(node_phase what, duration at) {
    if (!all_.empty()) end(at);
    all_.push_back({what, at, at});
  }
  void end(duration at) {
    if (all_.empty()) return;
    all_.back().end = std::max(all_.back().begin, at);
  }
  /// An attempt that another phase follows has failed; waits that took no time were none.
  void settle() {
    for (std::size_t i = 0; i + 1 < all_.size(); ++i)
      if (all_[i].what == node_phase::body) all_[i].what = node_phase::failed_attempt;
    const auto is_empty = [](const timed_phase& p) { return p.begin == p.end && !is_running_of_body(p.what); };
    if (!std::all_of(all_.begin(), all_.end(), is_empty)) std::erase_if(all_, is_empty);
  }

 private:
  std::vector<timed_phase>& all_;
};

}  // namespace
}  // namespace detail

std::optional<duration> timed_node::started() const noexcept {
  for (const timed_phase& p : phases)
    if (detail::is_running_of_body(p.what)) return p.begin;
  return {};
}

timed_run task_graph::times() const {
  if (!source_ || !source_->look().times)
    throw option_error(fmt::format(
        "the run '{}' was not recorded with times; run it with the option `.record = ag::record::times`", id()));
  const auto& seen = source_->look();
  const detail::recorded_times& known = *seen.times;
  const auto since_start = [&](detail::time_point t) { return duration(t - seen.start); };

  timed_run r;
  r.id = id();
  r.state = state();
  r.folded = folded().total();
  if (seen.end != detail::no_time) r.total = since_start(seen.end);
  const auto slots_of = [&](detail::node_number run) -> std::optional<std::size_t> {
    const auto found = known.slots.find(run);
    return found == known.slots.end() ? std::nullopt : std::optional(found->second);
  };
  r.slots = slots_of(detail::no_node);
  r.joins.resize(joins().size());
  r.nodes.reserve(nodes().size());
  for (std::size_t i = 0; i < nodes().size(); ++i) {
    const node_view& v = nodes()[i];
    const detail::node_number number = seen.numbers[i];
    timed_node& n = r.nodes.emplace_back();
    n.id = v.id;
    n.path = v.path;
    n.tool = v.tool;
    n.parent = v.parent;
    if (v.failure) n.failure = detail::message_of(v.failure);
    n.kind = v.kind;
    n.state = v.state;
    n.attempts = v.attempts;
    n.is_declared = detail::is_declared(number);
    if (v.kind == node_kind::run) n.slots = slots_of(number);
    // Here what was noted; what a node waited for before that is added below.
    detail::phase_list phases(n.phases);
    bool is_body_known = false;
    if (const auto noted = known.phases.find(number); noted != known.phases.end())
      for (const detail::recorded_times::phase& p : noted->second) {
        phases.begin(p.what, since_start(p.begin));
        is_body_known = is_body_known || p.what == node_phase::body;
      }
    if (v.start && !is_body_known) phases.begin(node_phase::body, *v.start);
    phases.end(v.end.value_or(r.total));
  }
  for (const edge_view& e : edges())
    (e.to < r.nodes.size() ? r.nodes[e.to].after : r.joins[e.to - r.nodes.size()]).push_back(e.from);

  const std::vector<std::size_t> parents = detail::parents_of(r);
  const detail::order_in_time order = detail::order_in_time_of(r);
  for (std::size_t i = 0; i < r.nodes.size(); ++i) {
    timed_node& n = r.nodes[i];
    const std::vector<timed_phase> noted = std::exchange(n.phases, {});
    const timed_phase* const outer =
        parents[i] == detail::nowhere ? nullptr : detail::body_phase_of(r.nodes[parents[i]]);
    const bool is_element = outer && r.nodes[parents[i]].kind == node_kind::map;
    std::optional<duration> made;
    if (n.is_declared || is_element) made = outer ? outer->begin : duration::zero();
    else if (const auto* const t = known.of(seen.numbers[i]); t && t->made != detail::no_time)
      made = since_start(t->made);
    detail::phase_list phases(n.phases);
    // When it ended, or what it waited for still goes on; nothing of a declared node that never started.
    std::optional<duration> end = nodes()[i].end;
    if (!has_ended(n.state)) end = r.total;
    if (made) {
      duration ready = *made;
      if (n.is_declared) {
        phases.begin(node_phase::dependencies, *made);
        if (order.latest[i] != detail::nowhere) ready = std::max(ready, order.end[order.latest[i]]);
        if (!noted.empty()) ready = std::min(ready, noted.front().begin);
        phases.end(ready);
      }
      if (!noted.empty() || end) phases.begin(node_phase::slot, ready);
    }
    for (const timed_phase& p : noted) phases.begin(p.what, p.begin);
    if (end) phases.end(*end);
    phases.settle();
  }
  return r;
}

}  // namespace aethergraph
