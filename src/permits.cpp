#include "aethergraph/detail/permits.hpp"

#include <utility>

#include "aethergraph/detail/scheduler.hpp"

namespace aethergraph::detail {

// --- the pool

bool permit_pool::take_or_wait(permit_account& a) {
  const std::lock_guard lock(mutex_);
  if (free_ > 0) {
    --free_;
    return true;
  }
  if (!a.is_in_turn_) {
    a.is_in_turn_ = true;
    a.previous_in_turn_ = last_;
    a.next_in_turn_ = nullptr;
    (last_ ? last_->next_in_turn_ : first_) = &a;
    last_ = &a;
  }
  return false;
}

void permit_pool::unlink(permit_account& a) noexcept {
  (a.previous_in_turn_ ? a.previous_in_turn_->next_in_turn_ : first_) = a.next_in_turn_;
  (a.next_in_turn_ ? a.next_in_turn_->previous_in_turn_ : last_) = a.previous_in_turn_;
  a.is_in_turn_ = false;
}

void permit_pool::give_back(std::size_t permits) noexcept {
  const std::lock_guard lock(mutex_);
  for (; permits > 0; --permits) {
    if (!first_) {
      free_ += permits;
      return;
    }
    permit_account& a = *first_;
    unlink(a);
    // Under the lock, so that the account is still there. Its loop's executor exists, so this only posts; if the run is
    // being torn down, the account gives back what it was granted when it goes.
    if (a.granted_++ == 0) a.loop_.make_ready_from_anywhere(a);
  }
}

std::size_t permit_pool::collect(permit_account& a) noexcept {
  const std::lock_guard lock(mutex_);
  return std::exchange(a.granted_, 0);
}

void permit_pool::leave(permit_account& a) noexcept {
  const std::lock_guard lock(mutex_);
  if (a.is_in_turn_) unlink(a);
}

std::size_t permit_pool::free() const {
  const std::lock_guard lock(mutex_);
  return free_;
}

// --- the account

void delete_permit_account(permit_account* a) noexcept { delete a; }

permit_account::permit_account(std::shared_ptr<permit_pool> pool, loop& l) noexcept : pool_(std::move(pool)), loop_(l) {
  on_ready = [](ready_item& i) noexcept { static_cast<permit_account&>(i).hand_out(); };
}

permit_account::~permit_account() {
  pool_->leave(*this);
  settle();
}

void permit_account::settle() noexcept {
  const std::size_t left = std::exchange(held_, 0) + pool_->collect(*this);
  if (left > 0) pool_->give_back(left);
}

bool permit_account::acquire(permit_request& r) noexcept {
  permit_request* const caller = r.caller;
  if (caller && caller->children == 0) {  // the caller lends its permit
    caller->children = 1;
    return true;
  }
  if (first_ || !pool_->take_or_wait(*this)) {
    wait(r);
    return false;
  }
  ++held_;
  if (caller) ++caller->children;
  return true;
}

void permit_account::release(permit_request& r) noexcept {
  if (permit_request* const caller = r.caller) {
    if (--caller->children == 0) {
      // The permit is the caller's again; its own next child may have it at once.
      if (permit_request* next = caller->first_waiting_child) grant(*next);
      return;
    }
  }
  --held_;
  pool_->give_back(1);
}

void permit_account::leave(permit_request& r) noexcept {
  unlink(r);
  if (!first_) pool_->leave(*this);
}

void permit_account::wait(permit_request& r) noexcept {
  r.is_waiting = true;
  r.next = nullptr;
  r.previous = last_;
  (last_ ? last_->next : first_) = &r;
  last_ = &r;
  if (permit_request* caller = r.caller) {
    r.next_sibling = nullptr;
    r.previous_sibling = caller->last_waiting_child;
    (r.previous_sibling ? r.previous_sibling->next_sibling : caller->first_waiting_child) = &r;
    caller->last_waiting_child = &r;
  }
}

void permit_account::unlink(permit_request& r) noexcept {
  r.is_waiting = false;
  (r.previous ? r.previous->next : first_) = r.next;
  (r.next ? r.next->previous : last_) = r.previous;
  if (permit_request* caller = r.caller) {
    (r.previous_sibling ? r.previous_sibling->next_sibling : caller->first_waiting_child) = r.next_sibling;
    (r.next_sibling ? r.next_sibling->previous_sibling : caller->last_waiting_child) = r.previous_sibling;
  }
}

void permit_account::grant(permit_request& r) noexcept {
  leave(r);
  if (r.caller) ++r.caller->children;
  call_state& c = *r.call;
  c.cancellation->remove_wait(c.queued);  // from here on a request to stop is seen when the body is about to start
  loop_.make_ready(c);
}

void permit_account::hand_out() noexcept {
  std::size_t granted = pool_->collect(*this);
  while (first_ && (granted > 0 || pool_->take_or_wait(*this))) {
    if (granted > 0) --granted;
    ++held_;
    grant(*first_);
  }
  if (granted > 0) pool_->give_back(granted);
}

}  // namespace aethergraph::detail
