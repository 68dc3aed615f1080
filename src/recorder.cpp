#include "aethergraph/detail/recorder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <new>
#include <string_view>

#include "aethergraph/detail/loop.hpp"
#include "aethergraph/detail/plan.hpp"
#include "aethergraph/detail/recording.hpp"
#include "aethergraph/detail/scope.hpp"

namespace aethergraph::detail {

namespace {
// How many blocks are folded at a time: dropping them moves what the others are found by.
constexpr std::size_t folded_blocks = 256;
}  // namespace

template class record_log<node_record>;
template class record_log<join_record>;

struct recorder::older_records {
  std::map<node_number, node_record> live;    // have not ended
  std::map<node_number, node_record> failed;  // have
  std::map<node_number, join_record> joins;   // are open
  ended_counts folded;
  std::map<node_number, std::vector<std::exception_ptr>> failed_attempts;  // before the last; of nodes that are held
};

struct recorder::declared_runs {
  struct declared_run {
    node_number run;
    const declared_nodes* live;            // null once it has ended
    std::shared_ptr<const plan> declared;  // from then on
    declared_states ended;
  };
  using map =
      std::map<std::uint32_t, declared_run, std::less<>, frame_cached<std::pair<const std::uint32_t, declared_run>>>;
  map all;
};

void recorder::delete_declared(declared_runs* d) noexcept { delete d; }
recorder::declared_runs& recorder::have_declared() {
  if (!declared_) declared_.reset(new declared_runs);
  return *declared_;
}
void recorder::delete_times(recorded_times* t) noexcept { delete t; }

void recorder::delete_older(older_records* o) noexcept { delete o; }

recorder::recorder(bool with_times, const loop& l, node_number reserved) : nodes_(reserved + 1) {
  if (with_times) [[unlikely]]
    begin_times(l);
}

void recorder::begin_times(const loop& l) {
  start_ = l.now();
  times_.reset(new recorded_times);
  times_->first = nodes_.first();
}

recorder::~recorder() = default;

const recorded_times::node_times* recorded_times::of(node_number n) const noexcept {
  if (n - first < nodes.size()) return &nodes[n - first];  // wraps round for those before it
  const auto found = old.find(n);
  return found == old.end() ? nullptr : &found->second;
}

// What there is no memory for is missing in what is shown of times, and nothing else depends on it.

void recorder::note_time(node_number n, moment m, time_point at) noexcept {
  using times = recorded_times::node_times;
  time_point times::* const what = m == moment::made      ? &times::made
                                   : m == moment::started ? &times::start
                                                          : &times::end;
  recorded_times& t = *times_;
  if (n < t.first) {
    if (const auto found = t.old.find(n); found != t.old.end()) found->second.*what = at;
    return;
  }
  try {
    if (n - t.first >= t.nodes.size()) t.nodes.resize(n - t.first + 1);
    t.nodes[n - t.first].*what = at;
  } catch (const std::bad_alloc&) {
  }
}

void recorder::note_phase(node_number n, node_phase what, time_point at) noexcept {
  if (n < times_->first) return;
  try {
    times_->phases[n].push_back({what, at});
  } catch (const std::bad_alloc&) {
  }
}

void recorder::note_slots(node_number run, std::size_t slots) noexcept {
  if (!times_) return;
  try {
    times_->slots[run] = slots;
  } catch (const std::bad_alloc&) {
  }
}

void recorder::note_run_ended(time_point at) noexcept {
  if (times_) times_->end = at;
}

void recorder::drop_times(node_number first, node_number last) noexcept {
  if (!times_) return;
  const auto drop = [&](auto& all) { all.erase(all.lower_bound(first), all.lower_bound(last)); };
  drop(times_->phases);
  drop(times_->slots);
  if (is_declared(first)) return;
  std::deque<recorded_times::node_times>& nodes = times_->nodes;
  const std::size_t count = std::min<std::size_t>(last - times_->first, nodes.size());
  nodes.erase(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(count));
  times_->first = last;
}

node_state recorder::state_after(const node_record& r, const std::exception_ptr& cause) noexcept {
  const bool was_stopped = r.live->is_stopped() && (cause == r.live->stop_error() || is_cancellation(cause));
  if (r.state == node_state::waiting) return was_stopped ? node_state::skipped : node_state::failed;
  return was_stopped ? node_state::cancelled : node_state::failed;
}

node_number recorder::note_join_opened(sequence& s) noexcept {
  if (joins_.is_full() && joins_.last() - joins_.first() > kept_joins) fold_joins();
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
    if (older_) older_->joins.erase(n);
    return;
  }
  r->has_ended = true;
  r->has_inner_steps = last != r->where.after;
  r->where.after = last;
}

recorder::older_records& recorder::have_older() {
  if (!older_) older_.reset(new older_records);
  return *older_;
}

void recorder::note_attempt_failed(node_number n, const std::exception_ptr& cause) {
  have_older().failed_attempts[n].push_back(cause);
}

const recorder::older_records& recorder::older() const noexcept {
  static const older_records none;
  return older_ ? *older_ : none;
}

node_record* recorder::find_old(node_number n) noexcept {
  if (!older_) return nullptr;
  const auto found = older_->live.find(n);
  return found == older_->live.end() ? nullptr : &found->second;
}

// Folding first does what may fail for want of memory, beside the records, and then what cannot: so it leaves nothing
// half done, and is tried again.

void recorder::fold_nodes() noexcept {
  const std::size_t blocks = std::min(folded_blocks, nodes_.blocks());
  const node_number end = nodes_.first() + blocks * record_log<node_record>::block_size;
  std::map<node_number, node_record> live;
  std::map<node_number, node_record> failed;
  std::map<node_number, recorded_times::node_times> times;
  ended_counts others;
  try {
    static_cast<void>(have_older());
    for (node_number n = nodes_.first(); n < end; ++n) {
      const node_record& r = *nodes_.at(n);
      if (r.live) live.emplace_hint(live.end(), n, r);
      else if (r.state == node_state::failed) failed.emplace_hint(failed.end(), n, r);
      else others.add(r.state);
      if (times_ && (r.live || r.state == node_state::failed))
        if (const auto* const t = times_->of(n)) times.emplace_hint(times.end(), n, *t);
    }
  } catch (const std::bad_alloc&) {
    return;
  }
  ended_ -= blocks * record_log<node_record>::block_size - live.size();
  older_->folded.add(others);
  older_->live.merge(live);
  older_->failed.merge(failed);
  if (times_) times_->old.merge(times);
  limit_failures();
  drop_times(nodes_.first(), end);
  nodes_.drop_blocks(blocks);
  std::erase_if(
      older_->failed_attempts, [&](const auto& a) { return a.first < end && !older_->live.contains(a.first); });
}

void recorder::fold_old(node_number n) noexcept {
  auto ended = older_->live.extract(n);
  older_->failed_attempts.erase(n);
  if (ended.mapped().state == node_state::failed) {
    older_->failed.insert(std::move(ended));
    limit_failures();
  } else {
    older_->folded.add(ended.mapped().state);
    if (times_) times_->old.erase(n);
  }
}

void recorder::limit_failures() noexcept {
  while (older_->failed.size() > kept_failures) {
    if (times_) times_->old.erase(older_->failed.begin()->first);
    older_->failed.erase(older_->failed.begin());
    older_->folded.add(node_state::failed);
  }
}

void recorder::fold_joins() noexcept {
  const std::size_t blocks = std::min(folded_blocks, joins_.blocks());
  const node_number end = joins_.first() + blocks * record_log<join_record>::block_size;
  std::map<node_number, join_record> open;
  try {
    static_cast<void>(have_older());
    for (node_number n = joins_.first(); n < end; ++n)
      if (const join_record& r = *joins_.at(n); !r.has_ended) open.emplace_hint(open.end(), n, r);
  } catch (const std::bad_alloc&) {
    return;
  }
  older_->joins.merge(open);
  joins_.drop_blocks(blocks);
}

void append_place(std::string& path, const place& p) {
  if (p.within != no_node) path += (p.within & join_bit) ? '.' : '/';
  if (p.child != no_index) path += std::to_string(p.child);
  if (p.child != no_index && p.position != no_index) path += '.';
  if (p.position != no_index) path += std::to_string(p.position);
}

std::string path_of_node(std::string_view id) {
  std::string path = ":";
  for (const char c : id)
    if (std::string_view("/~:.%@").find(c) == std::string_view::npos) path += c;
    else path += fmt::format("%{:02X}", c);
  return path;
}

std::optional<place> recorder::place_of(node_number n) const noexcept {
  if (n & join_bit) {
    n &= ~join_bit;
    if (const join_record* r = joins_.at(n)) return r->where;
    const auto old = older().joins.find(n);
    return old == older().joins.end() ? std::nullopt : std::optional(old->second.where);
  }
  if (is_declared(n)) {
    const auto found = find_graph(graph_of(n));
    if (!found) return std::nullopt;
    return place{.within = found->run, .position = entry_of(n) - found->graph->inputs};
  }
  if (const node_record* r = nodes_.at(n)) return r->where;
  for (const auto* all : {&older().live, &older().failed})
    if (const auto old = all->find(n); old != all->end()) return old->second.where;
  return std::nullopt;
}

std::vector<std::pair<node_number, node_record>> recorder::declared_or_old_in_flight() const {
  std::vector<std::pair<node_number, node_record>> all;
  const auto add = [&all](std::uint32_t number, const declared_nodes& live) {
    const auto states = live.copy_states().states;
    for (std::uint32_t e = 0; e < states.size(); ++e) {
      const node_state s = entry_state::state(states[e]);
      const plan_entry& here = live.graph().entries[e];
      if (!here.is_node() || (s != node_state::running && s != node_state::stopping)) continue;
      node_record r;
      r.tool = here.tool;
      r.live = &live.cancellation_scope();
      r.state = node_state::running;
      all.emplace_back(declared_number(number, e), r);
    }
  };
  if (live_root_) add(root_graph, *live_root_);
  if (declared_)
    for (const auto& [number, g] : declared_->all)
      if (g.live) add(number, *g.live);
  all.insert(all.end(), older().live.begin(), older().live.end());
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

std::size_t recorder::failed_attempts(node_number n) const noexcept {
  if (n & join_bit) return 0;
  if (is_declared(n)) {
    const auto found = find_graph(graph_of(n));
    return !found || !found->live ? 0 : found->live->failed_attempts(entry_of(n));
  }
  if (!older_) return 0;
  const auto found = older_->failed_attempts.find(n);
  return found == older_->failed_attempts.end() ? 0 : found->second.size();
}

std::string recorder::replay_path(node_number n) const {
  const std::optional<place> p = place_of(n);
  std::string text;
  if (is_declared(n)) {
    const known_graph g = find_graph(graph_of(n)).value();
    text = (g.run == no_node ? std::string() : replay_path(g.run)) + path_of_node(g.graph->id_of(entry_of(n)));
  } else if (p) {
    text = replay_path(*p);
  }
  return text;
}

std::string recorder::replay_path(const place& p) const {
  // Outwards, in a loop: nesting may be deep.
  std::vector<place> outwards{p};
  std::string text;
  for (node_number n = p.within; n != no_node;) {
    if (is_declared(n)) {
      text = replay_path(n);
      break;
    }
    const std::optional<place> next = place_of(n);
    if (!next) break;
    outwards.push_back(*next);
    n = next->within;
  }
  for (auto at = outwards.rbegin(); at != outwards.rend(); ++at) {
    if (const std::size_t failed = at->within == no_node ? 0 : failed_attempts(at->within); failed > 0)
      text += '~' + std::to_string(failed + 1);
    append_place(text, *at);
  }
  return text;
}

std::optional<recorder::known_graph> recorder::find_graph(std::uint32_t number) const noexcept {
  if (live_root_ && number == root_graph) return known_graph{no_node, &live_root_->graph(), live_root_};
  if (!declared_) return std::nullopt;
  const auto found = declared_->all.find(number);
  if (found == declared_->all.end()) return std::nullopt;
  const declared_runs::declared_run& g = found->second;
  return known_graph{g.run, g.live ? &g.live->graph() : g.declared.get(), g.live};
}

std::uint32_t recorder::add_declared(const declared_nodes& d, node_number run) {
  if (run == no_node) {
    live_root_ = &d;
    return root_graph;
  }
  have_declared().all.emplace(next_declared_, declared_runs::declared_run{run, &d, nullptr, {}});
  return next_declared_++;
}

void recorder::end_declared(std::uint32_t graph, declared_states&& states) noexcept {
  if (const declared_nodes* const root = graph == root_graph ? std::exchange(live_root_, nullptr) : nullptr) {
    try {
      have_declared().all.emplace(graph, declared_runs::declared_run{no_node, root, nullptr, {}});
    } catch (const std::bad_alloc&) {
      return;  // it will be missing
    }
  }
  if (!declared_) return;
  declared_runs::map& all = declared_->all;
  const auto found = all.find(graph);
  if (found == all.end() || !found->second.live) return;
  found->second.declared = found->second.live->shared_graph();
  found->second.live = nullptr;
  found->second.ended = std::move(states);
  ended_declared_ += found->second.declared->size();
  if (ended_declared_ <= kept_nodes) return;
  try {
    static_cast<void>(have_older());
  } catch (const std::bad_alloc&) {
    return;
  }
  for (auto g = all.begin(); ended_declared_ > kept_nodes && g != all.end();) {
    if (g->second.live || g == found) {
      ++g;
      continue;
    }
    const plan& p = *g->second.declared;
    for (std::uint32_t e = 0; e < p.size() && e < g->second.ended.states.size(); ++e)
      if (p.entries[e].is_node()) older_->folded.add(entry_state::state(g->second.ended.states[e]));
    ended_declared_ -= p.size();
    drop_times(declared_number(g->first, 0), declared_number(g->first + 1, 0));
    g = all.erase(g);
  }
}

recording recorder::copy() const {
  recording all;
  const older_records& old = older();
  all.folded = old.folded;
  all.start = start_;
  if (times_) all.times = std::make_shared<const recorded_times>(*times_);
  // Of old ones those that live and those that have failed, merged by number.
  auto live = old.live.begin();
  auto failed = old.failed.begin();
  while (live != old.live.end() || failed != old.failed.end()) {
    const bool is_live_next = failed == old.failed.end() || (live != old.live.end() && live->first < failed->first);
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
    if (const auto attempts = old.failed_attempts.find(n.number); attempts != old.failed_attempts.end())
      n.failed_attempts = attempts->second;
  }
  if (live_root_) all.graphs.push_back({root_graph, no_node, live_root_->shared_graph(), live_root_->copy_states()});
  if (declared_)
    for (const auto& [number, g] : declared_->all) {
      if (g.live) all.graphs.push_back({number, g.run, g.live->shared_graph(), g.live->copy_states()});
      else all.graphs.push_back({number, g.run, g.declared, g.ended});
    }
  for (const auto& [number, join] : old.joins) all.joins.push_back({number, join});
  for (node_number n = joins_.first(); n < joins_.last(); ++n)
    if (const join_record* r = joins_.at(n)) all.joins.push_back({n, *r});
  return all;
}

}  // namespace aethergraph::detail
