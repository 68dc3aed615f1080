#include "aethergraph/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <limits>
#include <queue>
#include <set>
#include <tuple>
#include <utility>

#include "aethergraph/detail/timed_order.hpp"

namespace aethergraph {

namespace {

using detail::nowhere;

void add(lost_time& lost, node_phase what, duration d) noexcept {
  switch (what) {
    case node_phase::dependencies:
      lost.dependencies += d;
      break;
    case node_phase::slot:
      lost.slot += d;
      break;
    case node_phase::permit:
      lost.permit += d;
      break;
    case node_phase::pool:
      lost.pool += d;
      break;
    case node_phase::rate:
      lost.rate += d;
      break;
    case node_phase::delay:
      lost.delay += d;
      break;
    case node_phase::failed_attempt:
      lost.failed_attempts += d;
      break;
    case node_phase::body:
      break;
  }
}

void add(lost_time& to, const lost_time& from) noexcept {
  to.dependencies += from.dependencies;
  to.slot += from.slot;
  to.permit += from.permit;
  to.pool += from.pool;
  to.rate += from.rate;
  to.delay += from.delay;
  to.failed_attempts += from.failed_attempts;
}

/// A run as both the critical path and the simulation see it.
struct recorded_run {
  explicit recorded_run(const timed_run& run)
      : r(run), order(detail::order_in_time_of(run)), parents(detail::parents_of(run)) {}

  /// When the body of a node, or of the run itself, began.
  [[nodiscard]] duration begin_of_body(std::size_t n) const noexcept {
    const timed_phase* const body = n == nowhere ? nullptr : detail::body_phase_of(r.nodes[n]);
    return body ? body->begin : duration::zero();
  }
  /// When a node had nothing to wait for any more but slots, permits and the like.
  [[nodiscard]] duration ready(std::size_t n) const noexcept {
    const std::vector<timed_phase>& phases = r.nodes[n].phases;
    if (phases.empty()) return order.end[n];
    return phases.front().what == node_phase::dependencies ? phases.front().end : phases.front().begin;
  }
  /// Whether it was made by the last attempt of its parent's body, not by one before.
  [[nodiscard]] bool is_of_last_attempt(std::size_t n) const noexcept {
    const std::vector<timed_phase>& phases = r.nodes[n].phases;
    return (phases.empty() ? order.end[n] : phases.front().begin) >= begin_of_body(parents[n]);
  }

  const timed_run& r;
  const detail::order_in_time order;
  const std::vector<std::size_t> parents;
};

// --- the critical path

// Invariant: steps_ goes from t_ to the end of the run, the last one first.
class path_finder {
 public:
  explicit path_finder(const recorded_run& known)
      : known_(known), children_(known.r.nodes.size() + 1), is_seen_(known.r.nodes.size()), t_(known.r.total) {
    for (std::size_t i = 0; i < known.parents.size(); ++i)
      if (known.is_of_last_attempt(i)) children_of(known.parents[i]).push_back(i);
    // As in order_in_time.
    for (std::vector<std::size_t>& c : children_)
      std::ranges::sort(c, {}, [&](std::size_t i) {
        return std::tuple(known.order.end[i], detail::body_phase_of(known.r.nodes[i]) != nullptr, i);
      });
  }

  std::vector<explanation::step> find() {
    std::size_t body = nowhere;
    for (;;) {
      // Inside a body: what of it ended last?
      const std::size_t last = last_of(body);
      go_back(body, node_phase::body, last == nowhere ? known_.begin_of_body(body) : known_.order.end[last]);
      if (last == nowhere && body == nowhere) break;
      const bool is_inside = last != nowhere && enter(last);
      if (last != nowhere) body = last;
      if (!is_inside && !leave(body)) break;
    }
    std::ranges::reverse(steps_);
    return std::move(steps_);
  }

 private:
  std::vector<std::size_t>& children_of(std::size_t n) { return children_[n == nowhere ? children_.size() - 1 : n]; }

  std::size_t last_of(std::size_t body) {
    const std::vector<std::size_t>& all = children_of(body);
    auto after = std::ranges::upper_bound(all, t_, {}, [&](std::size_t i) { return known_.order.end[i]; });
    while (after != all.begin())
      if (!is_seen_[*--after]) return *after;
    return nowhere;
  }
  /// Whether it is its body that ended last.
  bool enter(std::size_t n) {
    is_seen_[n] = true;
    return detail::body_phase_of(known_.r.nodes[n]) != nullptr;
  }
  /// From the beginning of a body, or of the wait in which a node ended, to the body in which the path goes on: `n`.
  /// False: it has come to the start of the run.
  bool leave(std::size_t& n) {
    for (;;) {
      const std::vector<timed_phase>& phases = known_.r.nodes[n].phases;
      for (auto p = phases.rbegin(); p != phases.rend(); ++p)
        if (p->what != node_phase::body && p->what != node_phase::dependencies) go_back(n, p->what, p->begin);
      const std::size_t before = known_.order.latest[n];
      const std::size_t outer = known_.parents[n];
      if (before != nowhere && !is_seen_[before]) {
        go_back(outer, node_phase::body, known_.order.end[before]);
        n = before;
        if (enter(n)) return true;
      } else {
        go_back(outer, node_phase::body, known_.begin_of_body(outer));
        if (outer == nowhere) return false;
        n = outer;
      }
    }
  }
  void go_back(std::size_t n, node_phase what, duration to) {
    if (to >= t_) return;
    if (const std::string& id = n == nowhere ? no_id_ : known_.r.nodes[n].id;
        !steps_.empty() && steps_.back().node == id && steps_.back().what == what)
      steps_.back().begin = to;
    else steps_.push_back({id, what, to, t_});
    t_ = to;
  }

  const recorded_run& known_;
  std::vector<std::vector<std::size_t>> children_;  // of each node, the last of the run itself
  std::vector<bool> is_seen_;                       // each is on the path once, whatever the data says
  duration t_;
  const std::string no_id_;
  std::vector<explanation::step> steps_;
};

// --- with other slots

/// Starts what was recorded anew, with so many slots more in each run.
///
/// A node is released when the body of its parent has begun and all that it comes after has ended, and as much later as
/// it was. A body with children ends as long after the last of them as it did.
// Invariant, for each node n: open_[n] counts what it is not released for; phase_[n] is the phase that it is in, or
//            waits to begin; alive_[n] counts the children of the last attempt of its body that have not ended;
//            family_[n] those of them that hold a slot. free > 0 only while nobody waits.
class slot_simulation {
 public:
  slot_simulation(const recorded_run& known, std::size_t more) : known_(known), nodes_(known.r.nodes.size()) {
    add_runs(more);
    add_nodes();
  }

  duration makespan() {
    const duration tail = tail_of(nowhere);
    begin_children(nowhere);
    while (!events_.empty()) {
      const event e = events_.top();
      events_.pop();
      now_ = e.at;
      if (e.node < nodes_) go_on(e.node);
      else grant_to_first_declared(runs_[e.node - nodes_]);
    }
    return now_of_root_ + tail;
  }

 private:
  struct event {
    duration at;
    std::uint64_t number;  // those of one time happen in the order in which they were foreseen
    std::size_t node;      // from nodes_ on: the run in which the first of the declared nodes that wait gets a slot
    bool operator>(const event& o) const noexcept { return std::tie(at, number) > std::tie(o.at, o.number); }
  };
  struct run {
    std::size_t free;
    std::deque<std::size_t>
        waiting;  // calls; nowhere: the first of `declared`. Those that wait no longer are passed over
    std::set<std::size_t> declared;  // nodes of graphs that wait
  };

  void add_runs(std::size_t more) {
    const auto slots = [&](const std::optional<std::size_t>& known) {
      return known ? *known + more : std::numeric_limits<std::size_t>::max();
    };
    runs_.push_back({slots(known_.r.slots), {}, {}});
    own_run_.resize(nodes_);
    for (std::size_t i = 0; i < nodes_; ++i) {
      if (known_.r.nodes[i].kind != node_kind::run) continue;
      own_run_[i] = runs_.size();
      runs_.push_back({slots(known_.r.nodes[i].slots), {}, {}});
    }
  }
  void add_nodes() {
    const std::size_t all = nodes_ + known_.r.joins.size();
    run_of_.resize(nodes_);
    children_.resize(nodes_ + 1);
    last_end_.assign(nodes_ + 1, duration::min());
    alive_.resize(nodes_ + 1);
    lag_.resize(nodes_);
    phase_.resize(nodes_);
    family_.resize(nodes_);
    waiting_children_.resize(nodes_);
    state_.resize(nodes_);
    open_.resize(all);
    next_.resize(all);
    std::vector<bool> is_there(all, true);
    for (std::size_t i = 0; i < nodes_; ++i) {
      const std::size_t p = known_.parents[i];
      const bool has_parent = p == nowhere || (is_there[p] && detail::body_phase_of(known_.r.nodes[p]));
      is_there[i] = has_parent && known_.is_of_last_attempt(i);
      if (!is_there[i]) continue;
      run_of_[i] = p == nowhere ? 0 : known_.r.nodes[p].kind == node_kind::run ? own_run_[p] : run_of_[p];
      children_[slot_of(p)].push_back(i);
      ++alive_[slot_of(p)];
      last_end_[slot_of(p)] = std::max(last_end_[slot_of(p)], known_.order.end[i]);
      open_[i] = 1;  // its parent's body
      const std::size_t before = known_.order.latest[i];
      const duration base = before == nowhere ? duration::zero() : known_.order.end[before];
      lag_[i] = std::max(duration::zero(), known_.ready(i) - std::max(base, known_.begin_of_body(p)));
    }
    for (std::size_t i = 0; i < all; ++i) {
      if (!is_there[i]) continue;
      for (const std::size_t a : i < nodes_ ? known_.r.nodes[i].after : known_.r.joins[i - nodes_]) {
        // A join of nothing is there from the beginning.
        if (!is_there[a] || (a >= nodes_ && known_.r.joins[a - nodes_].empty())) continue;
        next_[a].push_back(i);
        ++open_[i];
      }
    }
  }
  [[nodiscard]] std::size_t slot_of(std::size_t n) const noexcept { return n == nowhere ? nodes_ : n; }
  /// How long the body went on after its last child, or in all.
  [[nodiscard]] duration tail_of(std::size_t n) const noexcept {
    const duration last = last_end_[slot_of(n)];
    const duration end = n == nowhere ? known_.r.total : known_.order.end[n];
    return std::max(duration::zero(), end - (last == duration::min() ? known_.begin_of_body(n) : last));
  }
  [[nodiscard]] std::size_t caller_of(std::size_t n) const noexcept {
    const std::size_t p = known_.parents[n];
    return p != nowhere && known_.r.nodes[p].kind == node_kind::call ? p : nowhere;
  }

  void foresee(std::size_t n, duration after) { events_.push({now_ + after, ++last_event_, n}); }

  void begin_children(std::size_t n) {
    for (const std::size_t c : children_[slot_of(n)]) close_one(c);
  }
  /// One of what a node or join is not released for is no more.
  void close_one(std::size_t first) {
    std::vector<std::size_t> ahead{first};
    while (!ahead.empty()) {
      const std::size_t i = ahead.back();
      ahead.pop_back();
      if (--open_[i] > 0) continue;
      if (i < nodes_) foresee(i, lag_[i]);
      else ahead.insert(ahead.end(), next_[i].begin(), next_[i].end());
    }
  }

  /// A node is released, has a slot, or what it was doing has come to its end.
  void go_on(std::size_t n) {
    const std::vector<timed_phase>& phases = known_.r.nodes[n].phases;
    if (state_[n] & in_phase) {
      state_[n] &= ~in_phase;
      const node_phase what = phases[phase_[n]++].what;
      if (what == node_phase::body) return end(n);
      if (what == node_phase::failed_attempt) give_slot_back(n);
    }
    for (; phase_[n] < phases.size(); ++phase_[n]) {
      const timed_phase& p = phases[phase_[n]];
      if (p.what == node_phase::dependencies || p.what == node_phase::slot) continue;
      const bool needs_slot = known_.r.nodes[n].kind == node_kind::call &&
                              (p.what >= node_phase::failed_attempt || p.what == node_phase::permit);
      if (needs_slot && !(state_[n] & has_slot) && !take_slot(n)) return;
      state_[n] |= in_phase;
      if (p.what != node_phase::body) return foresee(n, p.end - p.begin);
      if (alive_[n] == 0) foresee(n, tail_of(n));
      else begin_children(n);
      return;
    }
    end(n);
  }
  void end(std::size_t n) {
    // What comes after is foreseen before the slot is given on, so that it may be the first declared that gets it.
    for (const std::size_t s : next_[n]) close_one(s);
    const std::size_t p = known_.parents[n];
    if (--alive_[slot_of(p)] == 0) {
      if (p == nowhere) now_of_root_ = now_;
      else foresee(p, tail_of(p));
    }
    give_slot_back(n);
  }

  // As the scheduler does it.
  bool take_slot(std::size_t n) {
    const std::size_t caller = caller_of(n);
    run& r = runs_[run_of_[n]];
    if (caller != nowhere && family_[caller] == 0) {
      family_[caller] = 1;
    } else if (r.free > 0) {
      --r.free;
      if (caller != nowhere) ++family_[caller];
    } else {
      state_[n] |= waits;
      if (known_.r.nodes[n].is_declared) r.declared.insert(n);
      r.waiting.push_back(known_.r.nodes[n].is_declared ? nowhere : n);
      if (caller != nowhere) waiting_children_[caller].push_back(n);
      return false;
    }
    state_[n] |= has_slot;
    return true;
  }
  void give_slot_back(std::size_t n) {
    if (!(state_[n] & has_slot)) return;
    state_[n] &= ~has_slot;
    if (const std::size_t caller = caller_of(n); caller != nowhere && --family_[caller] == 0) {
      std::deque<std::size_t>& own = waiting_children_[caller];
      while (!own.empty() && !(state_[own.front()] & waits)) own.pop_front();
      if (!own.empty()) grant(own.front());
      return;
    }
    run& r = runs_[run_of_[n]];
    while (!r.waiting.empty()) {
      const std::size_t next = r.waiting.front();
      r.waiting.pop_front();
      if (next == nowhere) return foresee(nodes_ + run_of_[n], duration::zero());
      if (state_[next] & waits) return grant(next);
    }
    ++r.free;
  }
  void grant_to_first_declared(run& r) {
    const auto first = r.declared.begin();
    grant(*first);
    r.declared.erase(first);
  }
  void grant(std::size_t n) {
    state_[n] = static_cast<std::uint8_t>((state_[n] & ~waits) | has_slot);
    if (const std::size_t caller = caller_of(n); caller != nowhere) ++family_[caller];
    foresee(n, duration::zero());
  }

  static constexpr std::uint8_t in_phase = 1;
  static constexpr std::uint8_t has_slot = 2;
  static constexpr std::uint8_t waits = 4;

  const recorded_run& known_;
  const std::size_t nodes_;
  std::vector<run> runs_;                           // the first: the run itself
  std::vector<std::size_t> own_run_;                // of a node that is a run
  std::vector<std::size_t> run_of_;                 // that a node is of
  std::vector<std::vector<std::size_t>> children_;  // here and in the next two the last is the run itself
  std::vector<duration> last_end_;                  // of the children
  std::vector<std::size_t> alive_;
  std::vector<duration> lag_;
  std::vector<std::size_t> phase_;
  std::vector<std::size_t> family_;
  std::vector<std::deque<std::size_t>> waiting_children_;
  std::vector<std::uint8_t> state_;
  std::vector<std::size_t> open_;               // of nodes and joins
  std::vector<std::vector<std::size_t>> next_;  // likewise: what comes after
  std::priority_queue<event, std::vector<event>, std::greater<>> events_;
  std::uint64_t last_event_ = 0;
  duration now_{};
  duration now_of_root_{};  // when the last child of the run itself had ended
};

// --- as text

std::string listed(const lost_time& lost) {
  using part = std::pair<const char*, duration>;
  std::string text;
  for (const auto& [name, d] : {part{"dependencies", lost.dependencies}, part{"slot", lost.slot},
           part{"permit", lost.permit}, part{"pool", lost.pool}, part{"rate", lost.rate}, part{"delay", lost.delay},
           part{"failed attempts", lost.failed_attempts}})
    if (d != duration::zero()) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, detail::short_text(d));
  return text.empty() ? "nothing" : text;
}

}  // namespace

explanation explain(const task_graph& g) { return explain(g.times()); }

explanation explain(const timed_run& r) {
  const recorded_run known(r);
  explanation x;
  x.run = r.id;
  x.state = r.state;
  x.total = r.total;
  x.folded = r.folded;
  x.critical_path = path_finder(known).find();
  for (const explanation::step& s : x.critical_path)
    if (s.what == node_phase::body) x.working += s.end - s.begin;
    else add(x.lost_on_path, s.what, s.end - s.begin);
  for (const timed_node& n : r.nodes) {
    lost_time lost;
    for (const timed_phase& p : n.phases) add(lost, p.what, p.end - p.begin);
    if (lost.total() == duration::zero()) continue;
    add(x.lost, lost);
    x.nodes.push_back({n.id, lost});
  }
  if (r.slots) x.one_more_slot = {*r.slots, slot_simulation(known, 0).makespan(), slot_simulation(known, 1).makespan()};
  return x;
}

std::string explanation::text() const {
  constexpr std::size_t most_steps = 40;
  constexpr std::size_t most_nodes = 10;
  using detail::short_text;
  std::string text = fmt::format("{}: {} in {}\n", run, to_string(state), short_text(total));
  text += fmt::format("critical path: bodies {}, lost {}\n", short_text(working), listed(lost_on_path));
  for (std::size_t i = 0; i < critical_path.size(); ++i) {
    if (critical_path.size() > most_steps && i == most_steps / 2) {
      const std::size_t left_out = critical_path.size() - most_steps;
      text += fmt::format("  {} more\n", left_out);
      i += left_out;
    }
    const step& s = critical_path[i];
    text += fmt::format("  {:>8} +{:<8} {}{}\n", short_text(s.begin), short_text(s.end - s.begin),
        s.node.empty() ? "the run itself" : s.node,
        s.what == node_phase::body ? std::string() : fmt::format(": {}", to_string(s.what)));
  }
  text += fmt::format("lost by all nodes together: {}\n", listed(lost));
  std::vector<const node_loss*> worst;
  for (const node_loss& n : nodes) worst.push_back(&n);
  std::ranges::sort(worst, {}, [](const node_loss* n) { return std::pair(-n->lost.total(), n); });
  for (std::size_t i = 0; i < std::min(worst.size(), most_nodes); ++i)
    text += fmt::format("  {}: {}\n", worst[i]->node, listed(worst[i]->lost));
  if (worst.size() > most_nodes) text += fmt::format("  and {} more nodes\n", worst.size() - most_nodes);
  if (one_more_slot)
    text += fmt::format("{} slots instead of {}: {} instead of {}, by simulation\n", one_more_slot->slots + 1,
        one_more_slot->slots, short_text(one_more_slot->with_one_more), short_text(one_more_slot->now));
  if (folded > 0) text += fmt::format("{} older nodes are not known any more, and in nothing of this\n", folded);
  return text;
}

}  // namespace aethergraph
