#include "aethergraph/detail/scheduler.hpp"

#include <iterator>
#include <new>
#include <utility>

#include "aethergraph/detail/call_control.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

call_state* call_state::caller_across_runs() const noexcept {
  return caller ? caller : cancellation->run().awaiting_call();
}

bool call_state::acquire_permit(permit_account& permits, void (*on_cancelled)(cancellable_wait&) noexcept) {
  call_state* const outer = caller_across_runs();
  permit = std::make_unique<permit_request>(*this, outer ? outer->permit.get() : nullptr);
  if (permits.acquire(*permit)) return true;
  on_cancel = on_cancelled;
  cancellation->add_wait(*this, "a permit of its runtime", this);
  return false;
}

void control_owner::delete_control() noexcept { delete control; }

void scheduler::wait(call_state& c, int priority, void (*on_slot)(ready_item&) noexcept) noexcept {
  c.priority = priority;
  c.on_slot = on_slot;
  call_state* const before = last_of_.empty() && priority == 0 ? last_ : last_ranked_before(c);
  c.previous_waiting = before;
  c.next_waiting = before ? before->next_waiting : first_;
  (before ? before->next_waiting : first_) = &c;
  (c.next_waiting ? c.next_waiting->previous_waiting : last_) = &c;
  if (call_state* caller = c.caller) {
    call_state* sibling = caller->last_waiting_child;
    while (sibling && sibling->priority < c.priority) sibling = sibling->previous_waiting_sibling;
    c.previous_waiting_sibling = sibling;
    c.next_waiting_sibling = sibling ? sibling->next_waiting_sibling : caller->first_waiting_child;
    (sibling ? sibling->next_waiting_sibling : caller->first_waiting_child) = &c;
    (c.next_waiting_sibling ? c.next_waiting_sibling->previous_waiting_sibling : caller->last_waiting_child) = &c;
  }
}

call_state* scheduler::last_ranked_before(call_state& c) noexcept {
  try {
    if (last_of_.empty() && last_) last_of_.emplace(0, last_);
    // Those of higher priority, or of the same, go first.
    auto [mine, is_new] = last_of_.emplace(c.priority, &c);
    if (!is_new) return std::exchange(mine->second, &c);
    const auto higher = std::next(mine);
    return higher == last_of_.end() ? nullptr : higher->second;
  } catch (const std::bad_alloc&) {
    return last_;  // it goes last, then
  }
}

void scheduler::grant(call_state& c, loop& l) noexcept {
  leave(c);
  c.cancellation->remove_wait(c);  // from here on a request to stop is seen when the body is about to start
  if (c.caller) ++c.caller->children;
  l.make_ready(c, c.on_slot);
}

std::size_t scheduler::waiting() const noexcept {
  std::size_t n = 0;
  for (const call_state* c = first_; c; c = c->next_waiting) ++n;
  return n;
}

void scheduler::leave_rank(call_state& c) noexcept {
  const auto mine = last_of_.find(c.priority);
  if (mine == last_of_.end() || mine->second != &c) return;
  call_state* const before = c.previous_waiting;
  if (before && before->priority == c.priority) mine->second = before;
  else last_of_.erase(mine);
}

void scheduler::leave(call_state& c) noexcept {
  if (!last_of_.empty()) [[unlikely]]
    leave_rank(c);
  (c.previous_waiting ? c.previous_waiting->next_waiting : first_) = c.next_waiting;
  (c.next_waiting ? c.next_waiting->previous_waiting : last_) = c.previous_waiting;
  if (call_state* caller = c.caller) {
    (c.previous_waiting_sibling ? c.previous_waiting_sibling->next_waiting_sibling : caller->first_waiting_child) =
        c.next_waiting_sibling;
    (c.next_waiting_sibling ? c.next_waiting_sibling->previous_waiting_sibling : caller->last_waiting_child) =
        c.previous_waiting_sibling;
  }
}

}  // namespace aethergraph::detail
