#include "aethergraph/detail/scheduler.hpp"

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

void scheduler::wait(call_state& c) noexcept {
  c.next_waiting = nullptr;
  c.previous_waiting = last_;
  (last_ ? last_->next_waiting : first_) = &c;
  last_ = &c;
  if (call_state* caller = c.caller) {
    c.next_waiting_sibling = nullptr;
    c.previous_waiting_sibling = caller->last_waiting_child;
    (c.previous_waiting_sibling ? c.previous_waiting_sibling->next_waiting_sibling : caller->first_waiting_child) = &c;
    caller->last_waiting_child = &c;
  }
}

std::size_t scheduler::waiting() const noexcept {
  std::size_t n = 0;
  for (const call_state* c = first_; c; c = c->next_waiting) ++n;
  return n;
}

void scheduler::leave(call_state& c) noexcept {
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
