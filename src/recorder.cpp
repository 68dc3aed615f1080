#include "aethergraph/detail/recorder.hpp"

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <new>
#include <string_view>

#include "aethergraph/detail/loop.hpp"
#include "aethergraph/detail/scope.hpp"
#include "recorder_parts.hpp"

namespace aethergraph::detail {

namespace {
// How many blocks are folded at a time: dropping them moves what the others are found by.
constexpr std::size_t folded_blocks = 256;
}  // namespace

template class record_log<node_record>;
template class record_log<join_record>;

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

}  // namespace aethergraph::detail
