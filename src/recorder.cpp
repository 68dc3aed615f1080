#include "aethergraph/detail/recorder.hpp"

#include <algorithm>
#include <new>

#include "aethergraph/detail/loop.hpp"
#include "aethergraph/detail/plan.hpp"
#include "aethergraph/detail/scope.hpp"

namespace aethergraph::detail {

namespace {
// How many blocks are folded at a time: dropping them moves what the others are found by.
constexpr std::size_t folded_blocks = 256;
}  // namespace

recorder::recorder(bool with_times, const loop& l, node_number reserved) noexcept
    : nodes_(reserved + 1), with_times_(with_times) {
  if (with_times) note_time(start_, l);
}

void recorder::note_time(time_point& t, const loop& l) noexcept { t = l.now(); }

node_state recorder::state_after(const node_record& r, const std::exception_ptr& cause) noexcept {
  const bool was_stopped = r.live->is_stopped() && (cause == r.live->stop_error() || is_cancellation(cause));
  if (r.state == node_state::waiting) return was_stopped ? node_state::skipped : node_state::failed;
  return was_stopped ? node_state::cancelled : node_state::failed;
}

node_number recorder::note_join_opened(sequence& s) noexcept {
  if (joins_.is_block_full() && joins_.last() - joins_.first() > kept_joins) fold_joins();
  const node_number n = joins_.add();
  if (join_record* r = joins_.at(n)) r->where = s.next();
  return n | join_bit;
}

void recorder::note_join_closed(node_number n, sequence& s) noexcept {
  const node_number last = s.last;
  s.leave(n);
  n &= ~join_bit;
  join_record* r = joins_.at(n);
  if (!r) {
    old_joins_.erase(n);
    return;
  }
  r->has_ended = true;
  r->has_inner_steps = last != r->where.after;
  r->where.after = last;
}

node_record* recorder::find_old(node_number n) noexcept {
  const auto found = old_live_.find(n);
  return found == old_live_.end() ? nullptr : &found->second;
}

// Folding first does what may fail for want of memory, beside the records, and then what cannot: so it leaves nothing
// half done, and is tried again.

void recorder::fold_nodes() noexcept {
  const std::size_t blocks = std::min(folded_blocks, nodes_.blocks());
  const node_number end = nodes_.first() + blocks * record_log<node_record>::block_size;
  std::map<node_number, node_record> live;
  std::map<node_number, node_record> failed;
  ended_counts others;
  try {
    for (node_number n = nodes_.first(); n < end; ++n) {
      const node_record& r = *nodes_.at(n);
      if (r.live) live.emplace_hint(live.end(), n, r);
      else if (r.state == node_state::failed) failed.emplace_hint(failed.end(), n, r);
      else others.add(r.state);
    }
  } catch (const std::bad_alloc&) {
    return;
  }
  ended_ -= blocks * record_log<node_record>::block_size - live.size();
  folded_.add(others);
  old_live_.merge(live);
  old_failed_.merge(failed);
  limit_failures();
  nodes_.drop_blocks(blocks);
  failed_attempts_.erase(failed_attempts_.begin(), failed_attempts_.lower_bound(end));
}

void recorder::fold_old(node_number n) noexcept {
  auto ended = old_live_.extract(n);
  if (ended.mapped().state == node_state::failed) {
    old_failed_.insert(std::move(ended));
    limit_failures();
  } else {
    folded_.add(ended.mapped().state);
  }
}

void recorder::limit_failures() noexcept {
  while (old_failed_.size() > kept_failures) {
    old_failed_.erase(old_failed_.begin());
    folded_.add(node_state::failed);
  }
}

void recorder::fold_joins() noexcept {
  const std::size_t blocks = std::min(folded_blocks, joins_.blocks());
  const node_number end = joins_.first() + blocks * record_log<join_record>::block_size;
  std::map<node_number, join_record> open;
  try {
    for (node_number n = joins_.first(); n < end; ++n)
      if (const join_record& r = *joins_.at(n); !r.has_ended) open.emplace_hint(open.end(), n, r);
  } catch (const std::bad_alloc&) {
    return;
  }
  old_joins_.merge(open);
  joins_.drop_blocks(blocks);
}

void append_place(std::string& path, const place& p) {
  if (p.within != no_node) path += (p.within & join_bit) ? '.' : '/';
  if (p.child != no_index) path += std::to_string(p.child);
  if (p.child != no_index && p.position != no_index) path += '.';
  if (p.position != no_index) path += std::to_string(p.position);
}

std::optional<place> recorder::place_of(node_number n) const noexcept {
  if (n & join_bit) {
    n &= ~join_bit;
    if (const join_record* r = joins_.at(n)) return r->where;
    const auto old = old_joins_.find(n);
    return old == old_joins_.end() ? std::nullopt : std::optional(old->second.where);
  }
  if (is_declared(n)) {
    const auto found = declared_.find(graph_of(n));
    if (found == declared_.end()) return std::nullopt;
    return place{.within = found->second.run, .position = entry_of(n) - found->second.declared->inputs};
  }
  if (const node_record* r = nodes_.at(n)) return r->where;
  for (const auto* all : {&old_live_, &old_failed_})
    if (const auto old = all->find(n); old != all->end()) return old->second.where;
  return std::nullopt;
}

std::vector<std::pair<node_number, node_record>> recorder::declared_in_flight() const {
  std::vector<std::pair<node_number, node_record>> all;
  for (const auto& [number, g] : declared_) {
    if (!g.live) continue;
    const std::vector<std::uint8_t> states = g.live->copy_states().states;
    for (std::uint32_t e = 0; e < states.size(); ++e) {
      const node_state s = entry_state::state(states[e]);
      if (!g.declared->entries[e].is_node() || (s != node_state::running && s != node_state::stopping)) continue;
      node_record r;
      r.tool = g.declared->entries[e].tool;
      r.live = &g.live->cancellation_scope();
      r.state = node_state::running;
      all.emplace_back(declared_number(number, e), r);
    }
  }
  return all;
}

std::string recorder::path(node_number n) const {
  std::vector<std::optional<place>> outwards;
  for (std::optional<place> p = place_of(n);; p = place_of(p->within)) {
    outwards.push_back(p);
    if (!p || p->within == no_node) break;
  }
  std::string text;
  for (auto p = outwards.rbegin(); p != outwards.rend(); ++p)
    if (*p) append_place(text, **p);
    else text = "…";
  return text;
}

std::uint32_t recorder::add_declared(const declared_nodes& d, node_number run) {
  declared_.emplace(next_declared_, declared_run{run, d.shared_graph(), &d, {}});
  return next_declared_++;
}

void recorder::end_declared(std::uint32_t graph, declared_states&& states) noexcept {
  const auto found = declared_.find(graph);
  if (found == declared_.end()) return;
  found->second.live = nullptr;
  found->second.ended = std::move(states);
  ended_declared_ += found->second.declared->size();
  for (auto g = declared_.begin(); ended_declared_ > kept_nodes && g != declared_.end();) {
    if (g->second.live || g == found) {
      ++g;
      continue;
    }
    const plan& p = *g->second.declared;
    for (std::uint32_t e = 0; e < p.size() && e < g->second.ended.states.size(); ++e)
      if (p.entries[e].is_node()) folded_.add(entry_state::state(g->second.ended.states[e]));
    ended_declared_ -= p.size();
    g = declared_.erase(g);
  }
}

recording recorder::copy() const {
  recording all;
  all.folded = folded_;
  all.start = start_;
  // Of old ones those that live and those that have failed, merged by number.
  auto live = old_live_.begin();
  auto failed = old_failed_.begin();
  while (live != old_live_.end() || failed != old_failed_.end()) {
    const bool is_live_next = failed == old_failed_.end() || (live != old_live_.end() && live->first < failed->first);
    auto& next = is_live_next ? live : failed;
    all.nodes.push_back({next->first, next->second, {}});
    ++next;
  }
  for (node_number n = nodes_.first(); n < nodes_.last(); ++n)
    if (const node_record* r = nodes_.at(n)) all.nodes.push_back({n, *r, {}});
  for (recording::node& n : all.nodes) {
    const scope* live_in = n.record.live;
    if (n.record.state == node_state::running && live_in && live_in->is_stopped())
      n.record.state = node_state::stopping;
    n.record.live = nullptr;
    if (const auto attempts = failed_attempts_.find(n.number); attempts != failed_attempts_.end())
      n.failed_attempts = attempts->second;
  }
  for (const auto& [number, g] : declared_)
    all.graphs.push_back({number, g.run, g.declared, g.live ? g.live->copy_states() : g.ended});
  for (const auto& [number, join] : old_joins_) all.joins.push_back({number, join});
  for (node_number n = joins_.first(); n < joins_.last(); ++n)
    if (const join_record* r = joins_.at(n)) all.joins.push_back({n, *r});
  return all;
}

}  // namespace aethergraph::detail
