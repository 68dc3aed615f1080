#include "aethergraph/detail/scheduler.hpp"

#include <iterator>
#include <map>
#include <new>
#include <utility>

#include "aethergraph/detail/call_control.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

struct scheduler::ranks : std::map<int, call_state*> {};

void scheduler::delete_ranks(ranks* r) noexcept { delete r; }

bool scheduler::has_any_rank() const noexcept { return !last_of_->empty(); }

call_state* call_state::caller_across_runs() const noexcept {
  return caller ? caller : cancellation->run().awaiting_call();
}

void control_owner::delete_control() noexcept { delete control; }

void scheduler::wait(call_state& c, int priority, void (*on_slot)(ready_item&) noexcept,
    void (*on_cancelled)(cancellable_wait&) noexcept) noexcept {
  ::new (&c.queued) queued_call;
  if (on_cancelled) {
    c.queued.on_cancel = on_cancelled;
    c.cancellation->add_wait(c.queued, "a slot", &c);
  }
  c.priority = priority;
  c.on_ready = on_slot;
  call_state* const before = !has_ranks() && priority == 0 ? last_ : last_ranked_before(c);
  c.queued.previous = before;
  call_state* const after = before ? before->next_in_queue() : first_;
  c.next_ready = after;
  if (before) before->next_ready = &c;
  else first_ = &c;
  (after ? after->queued.previous : last_) = &c;
  if (call_state* caller = c.caller) {
    call_state* sibling = caller->body.last_waiting_child;
    while (sibling && sibling->priority < c.priority) sibling = sibling->queued.previous_sibling;
    c.queued.previous_sibling = sibling;
    c.queued.next_sibling = sibling ? sibling->queued.next_sibling : caller->body.first_waiting_child;
    (sibling ? sibling->queued.next_sibling : caller->body.first_waiting_child) = &c;
    (c.queued.next_sibling ? c.queued.next_sibling->queued.previous_sibling : caller->body.last_waiting_child) = &c;
  }
}

call_state* scheduler::last_ranked_before(call_state& c) noexcept {
  try {
    if (!last_of_) last_of_.reset(new ranks);
    if (last_of_->empty() && last_) last_of_->emplace(0, last_);
    // Those of higher priority, or of the same, go first.
    auto [mine, is_new] = last_of_->emplace(c.priority, &c);
    if (!is_new) return std::exchange(mine->second, &c);
    const auto higher = std::next(mine);
    return higher == last_of_->end() ? nullptr : higher->second;
  } catch (const std::bad_alloc&) {
    return last_;  // it goes last, then
  }
}

void scheduler::grant(call_state& c, loop& l) noexcept {
  leave(c);
  c.cancellation->remove_wait(c.queued);  // from here on a request to stop is seen when the body is about to start
  if (c.caller) ++c.caller->body.children;
  l.make_ready(c);
}

void scheduler::give_on(loop& l) noexcept {
  if (free_ < 0) ++free_;
  else grant(*first_, l);
}

void scheduler::grant_beyond(call_state& c, loop& l) noexcept {
  if (--free_ < least_free_) least_free_ = free_;
  grant(c, l);
}

std::size_t scheduler::waiting() const noexcept {
  std::size_t n = 0;
  for (const call_state* c = first_; c; c = c->next_in_queue()) ++n;
  return n;
}

void scheduler::leave_rank(call_state& c) noexcept {
  const auto mine = last_of_->find(c.priority);
  if (mine == last_of_->end() || mine->second != &c) return;
  call_state* const before = c.queued.previous;
  if (before && before->priority == c.priority) mine->second = before;
  else last_of_->erase(mine);
}

void scheduler::leave(call_state& c) noexcept {
  if (has_ranks()) [[unlikely]]
    leave_rank(c);
  call_state* const after = c.next_in_queue();
  if (c.queued.previous) c.queued.previous->next_ready = after;
  else first_ = after;
  (after ? after->queued.previous : last_) = c.queued.previous;
  if (call_state* caller = c.caller) {
    (c.queued.previous_sibling ? c.queued.previous_sibling->queued.next_sibling : caller->body.first_waiting_child) =
        c.queued.next_sibling;
    (c.queued.next_sibling ? c.queued.next_sibling->queued.previous_sibling : caller->body.last_waiting_child) =
        c.queued.previous_sibling;
  }
}

}  // namespace aethergraph::detail
