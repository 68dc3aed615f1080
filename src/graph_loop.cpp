// The loop of a static graph: which node is next, and how nodes end.
#include <algorithm>
#include <new>
#include <utility>

#include "aethergraph/detail/graph_executor.hpp"
#include "aethergraph/detail/tool_info.hpp"
#include "aethergraph/detail/visitor.hpp"
#include "graph_rarities.hpp"

namespace aethergraph::detail {

void graph_executor::delete_rarities(rarities* r) noexcept { delete r; }
graph_executor::rarities& graph_executor::few_have() {
  if (!rarities_) rarities_.reset(new rarities);
  return *rarities_;
}
bool graph_executor::has_failures() const noexcept { return rarities_ && !rarities_->failures.empty(); }

void graph_executor::wake() noexcept {
  if (!is_pumping_ && !is_scheduled_) pump();
}

void graph_executor::schedule() noexcept {
  is_scheduled_ = true;
  on_ready = [](ready_item& i) noexcept {
    auto& self = static_cast<graph_executor&>(i);
    self.is_scheduled_ = false;
    self.pump();
  };
  home().make_ready(*this);
}

void graph_executor::pump() noexcept {
  if (!is_scheduled_) {
    is_pumping_ = true;
    run_ready();
    is_pumping_ = false;
  }
  if (std::exchange(has_slot_, false)) give_slot_back();
  if (is_over()) parent_->done();  // after which this may be gone
}

// Whoever calls it gives back the slot that the last call has left behind.
void graph_executor::run_ready() noexcept {
  loop& l = home();
  scheduler& slots = run().slots;
  const bool calls = calls_directly_ && !workers_;
  for (;;) {
    if (scope_.is_stopped()) [[unlikely]]
      return skip_waiting();
    if (l.is_look_due()) [[unlikely]] {
      if (!ready_.empty() || !ready_calls_.empty()) schedule();
      return;
    }
    std::uint32_t e = 0;
    if (!ready_.empty()) {
      if (std::exchange(has_slot_, false)) give_slot_back();  // what starts here takes slots itself
      e = ready_.take_first();
      if (state_[e] & (entry_state::after_failure | entry_state::after_condition)) {
        skip(e);
        continue;
      }
      if ((flags_[e] & plan::is_guarded) && !(state_[e] & entry_state::is_admitted)) {
        if (!is_condition_true(e)) {
          skip_for_condition(e);
          continue;
        }
        state_[e] |= entry_state::is_admitted;
        if (plan_->entries[e].takes_slot()) {
          insert_call(e);
          continue;
        }
      }
    } else if (ready_calls_.empty() || (grants_slots_ && !take_slot())) {
      return;
    } else {
      e = ready_calls_.take_first();
      if (rank_) e = plan_->by_rank[e];
    }
    if (calls && (flags_[e] & (plan::is_direct | plan::is_direct_body))) {
      if (flags_[e] & plan::is_direct) call_and_go_on(e);
      else run_body_and_go_on(e);
      continue;
    }
    l.count_step();
    state_[e] |= entry_state::is_handed_out;
    const plan_entry& here = plan_->entries[e];
    if (!here.ops->start(*this, e, here.record)) continue;
    state_[e] = static_cast<std::uint8_t>(node_state::done);
    if (is_watched_) [[unlikely]]
      tell_ended(e, nullptr);
    // Its slot is the next one's, unless others wait for it.
    if (slots.has_waiting()) slots.release_top_level(l);
    else has_slot_ = true;
    entry_done(e);
  }
}

// Loops of their own for what most graphs consist of: they ask for no more than what such calls can have changed.
void graph_executor::call_and_go_on(std::uint32_t e) noexcept {
  go_on(e, plan::is_direct, [this](std::uint32_t next, const plan_entry& here) {
    node_starts(next);
    try {
      here.ops->call(*this, next, here.record);
      return true;
    } catch (...) {
      call_failed(next, std::current_exception());
      return false;
    }
  });
}

void graph_executor::run_body_and_go_on(std::uint32_t e) noexcept {
  go_on(e, plan::is_direct_body, [this](std::uint32_t next, const plan_entry& here) {
    state_[next] |= entry_state::is_handed_out;
    return here.ops->start(*this, next, here.record);
  });
}

// `call` returns whether that has returned; if not, it keeps all books itself.
template <class Call>
void graph_executor::go_on(std::uint32_t e, std::uint8_t kind, Call call) noexcept {
  loop& l = home();
  scheduler& slots = run().slots;
  const plan_entry* const entries = plan_->entries.data();
  for (;;) {
    l.count_step();
    if (!call(e, entries[e])) return;
    state_[e] = static_cast<std::uint8_t>(node_state::done);
    if (is_watched_) [[unlikely]]
      tell_ended(e, nullptr);
    entry_done(e);
    if (slots.has_waiting()) [[unlikely]]
      return slots.release_top_level(l);
    if (ready_calls_.empty() || !ready_.empty() || l.is_look_due() || scope_.is_stopped()) break;
    const std::uint32_t first = ready_calls_.first();
    e = rank_ ? plan_->by_rank[first] : first;
    if (!(flags_[e] & kind)) break;
    ready_calls_.drop_first();
  }
  has_slot_ = true;
}

void graph_executor::wait_for_slot() noexcept {
  is_queued_ = true;
  const int priority = rank_ ? plan_->entries[plan_->by_rank[ready_calls_.first()]].tool->priority : 0;
  run().slots.wait(ticket_, priority, [](ready_item& i) noexcept {
    graph_executor& self = *static_cast<slot_ticket&>(i).owner;
    self.is_queued_ = false;
    self.has_slot_ = true;
    self.pump();
  });
}

bool graph_executor::is_condition_true(std::uint32_t e) noexcept {
  const auto [first, last] = plan_->guards.equal_range(e);
  return std::all_of(first, last, [this](const auto& g) { return *static_cast<const bool*>(address(g.second)); });
}

void graph_executor::call_failed(std::uint32_t e, const std::exception_ptr& why) noexcept {
  node_ends(e, why);
  give_slot_back();
  entry_ended(e);
}

void graph_executor::entry_ended(std::uint32_t e) noexcept {
  const node_state s = state_of(e);
  if (s == node_state::done) return entry_done(e);
  --open_;
  release_reads(e);
  settle_successors(e, entry_state::after_failure);
}

void graph_executor::skip(std::uint32_t e) noexcept {
  // A failure weighs more than a condition: whatever came first, the same is said of it.
  const bool is_failure = state_[e] & entry_state::after_failure;
  state_[e] = static_cast<std::uint8_t>(static_cast<std::uint8_t>(node_state::skipped) |
                                        (is_failure ? entry_state::after_failure : entry_state::after_condition));
  if (is_watched_) tell_ended(e, nullptr);
  --open_;
  release_reads(e);
  settle_successors(e, is_failure ? entry_state::after_failure : entry_state::after_condition);
}

void graph_executor::skip_waiting() noexcept {
  if (std::exchange(has_skipped_, true)) return;
  for (std::uint32_t e = 0; open_ > 0 && e < plan_->size(); ++e) {
    if (state_of(e) != node_state::waiting || (state_[e] & entry_state::is_handed_out)) continue;
    state_[e] = static_cast<std::uint8_t>(node_state::skipped);
    if (is_watched_) tell_ended(e, scope_.stop_error());
    --open_;
    release_reads(e);
  }
  // What was ready is so no longer.
  while (!ready_.empty()) ready_.take_first();
  while (!ready_calls_.empty()) ready_calls_.take_first();
}

void graph_executor::release_reads(std::uint32_t e) noexcept {
  if (!(flags_[e] & plan::reads_tracked)) return;
  visitor release([this](std::uint32_t, value_ref r) {
    if (plan_->entries[r.entry].ops->is_tracked) release_read(r.entry);
  });
  plan_->visit_reads(e, release);
}

void graph_executor::destroy_value(std::uint32_t e) noexcept {
  const entry_ops& o = *plan_->entries[e].ops;
  if (o.destroy_value) o.destroy_value(slot(e));
}

void* graph_executor::part_of(void* whole, std::uint32_t part) const noexcept {
  const value_part& p = plan_->parts[part - 1];
  return p.select(p.outer == 0 ? whole : part_of(whole, p.outer), p.member);
}

// --- how nodes end

void graph_executor::set_ended(std::uint32_t e, const std::exception_ptr& cause) noexcept {
  if (!cause) {
    state_[e] = static_cast<std::uint8_t>(node_state::done);
    return;
  }
  const bool was_stopped = scope_.is_stopped() && (cause == scope_.stop_error() || is_cancellation(cause));
  const bool has_started = state_of(e) == node_state::running || state_of(e) == node_state::done;
  const node_state s = !was_stopped ? node_state::failed : has_started ? node_state::cancelled : node_state::skipped;
  state_[e] = static_cast<std::uint8_t>(s);
  try {
    if (s != node_state::skipped) few_have().causes.push_back({e, cause});
    if (s == node_state::failed && !has_failed_element(e))
      few_have().failures.push_back({e, rarities::no_element, cause});
  } catch (const std::bad_alloc&) {
    // the state still says that it has failed
  }
  // Here already, before its slot goes to a call that waits: nothing more starts.
  if (s == node_state::failed && stops_on_failure_) scope_.cancel(cancelled_because(stop_reason::sibling_failed));
}

bool graph_executor::has_failed_element(std::uint32_t e) const noexcept {
  return has_failures() && plan_->entries[e].ops->kind == entry_kind::map &&
         std::any_of(
             rarities_->failures.rbegin(), rarities_->failures.rend(), [&](const auto& f) { return f.entry == e; });
}

void graph_executor::note_ended(std::uint32_t e, const std::exception_ptr& cause) noexcept {
  if (cause || is_watched_) node_ends(e, cause);
  else state_[e] = static_cast<std::uint8_t>(node_state::done);
  if (!cause) state_[e] |= entry_state::value_is_due;
}

void graph_executor::tell_started(std::uint32_t e) noexcept {
  if (rarities_ && !rarities_->times.empty()) rarities_->times[e].start = home().now();
  const plan_entry& here = plan_->entries[e];
  if (here.is_node() && run().is_observed())
    run().tell(
        event_kind::node_started, number_of(e), *here.tool, kind_of(here.ops->kind), node_state::running, nullptr);
}
void graph_executor::tell_ended(std::uint32_t e, const std::exception_ptr& cause) noexcept {
  if (rarities_ && !rarities_->times.empty() && state_of(e) != node_state::skipped)
    rarities_->times[e].end = home().now();
  const plan_entry& here = plan_->entries[e];
  if (!here.is_node() || !run().is_observed()) return;
  std::exception_ptr why = cause;
  if (!why && state_of(e) == node_state::skipped) {
    try {
      why = std::make_exception_ptr(
          error(state_[e] & entry_state::after_failure ? "something that it depends on has failed"
                                                       : "its condition, or that of what it reads, was false"));
    } catch (...) {
      why = std::current_exception();
    }
  }
  run().tell(event_kind::node_ended, number_of(e), *here.tool, kind_of(here.ops->kind), state_of(e), why);
}

}  // namespace aethergraph::detail
