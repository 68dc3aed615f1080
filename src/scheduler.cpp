#include "aethergraph/detail/scheduler.hpp"

namespace aethergraph::detail {

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
