#include "aethergraph/semaphore.hpp"

#include <fmt/format.h>

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph {

semaphore::semaphore(std::ptrdiff_t permits) : free_(permits) {
  if (permits < 1) throw option_error(fmt::format("a semaphore was given {} permits; it needs at least 1", permits));
}

std::ptrdiff_t semaphore::available() const {
  const std::lock_guard lock(mutex_);
  return free_;
}

void semaphore::unlink(waiter& w) noexcept {
  (w.previous ? w.previous->next : first_) = w.next;
  (w.next ? w.next->previous : last_) = w.previous;
  w.is_queued = false;
}

bool semaphore::acquire_or_wait(waiter& w) {
  const std::lock_guard lock(mutex_);
  if (free_ > 0) {
    --free_;
    w.has_permit = true;
    return true;
  }
  w.previous = last_;
  w.next = nullptr;
  (last_ ? last_->next : first_) = &w;
  last_ = &w;
  w.is_queued = true;
  return false;
}

bool semaphore::stop_waiting(waiter& w) noexcept {
  const std::lock_guard lock(mutex_);
  if (!w.is_queued) return false;
  unlink(w);
  return true;
}

void semaphore::release() noexcept {
  const std::lock_guard lock(mutex_);
  if (!first_) {
    ++free_;
    return;
  }
  waiter& w = *first_;
  unlink(w);
  w.has_permit = true;
  w.is_from_outside = detail::loop::current() != w.home;
  // Under the lock: a waiter that was unlinked cannot go before it has been made ready. Its run's executor exists
  // already, so this only posts.
  w.home->make_ready_from_anywhere(w);
}

namespace detail {

constexpr const char* what_is_waited_for = "a permit of a semaphore";

using acquire_operation = operation<semaphore::acquire_awaitable>;

bool acquire_operation::start(environment& e, receiver& r) noexcept {
  scope_ = e.cancellation;
  parent_ = &r;
  home = &scope_->home();
  on_ready = [](ready_item& i) noexcept {
    auto& self = static_cast<acquire_operation&>(i);
    self.is_waiting_ = false;
    if (self.recorded_ && self.is_from_outside && !self.error_) return self.recorded_->came_from_outside();
    self.go_on();
  };
  on_cancel = [](cancellable_wait& w) noexcept {
    auto& self = static_cast<acquire_operation&>(w);
    if (self.recorded_ && !self.recorded_->give_up()) return;
    if (self.is_waiting_ && !self.semaphore_.stop_waiting(self))
      return;  // a permit is on its way, and will be received
    self.error_ = self.scope_->stop_error();
    self.home->make_ready(self);
  };
  try {
    home->make_executor();
    if (durable_run* const d = scope_->run().durable())
      recorded_ = d->make_grant(e, "a semaphore", [](void* op, bool is_replayed) noexcept {
        auto& self = *static_cast<acquire_operation*>(op);
        if (!is_replayed) return self.go_on();
        self.recorded_.reset();  // from here on it waits as any other, should it have to
        if (self.semaphore_.acquire_or_wait(self)) return self.go_on();
        self.is_waiting_ = true;
        self.waits_for = what_is_waited_for;
        if (self.scope_->is_stopped()) self.on_cancel(self);
      }, this);
    if (recorded_ && recorded_->is_replayed()) {
      scope_->add_wait(*this, waits_for_its_turn, e.current_call);
      return false;
    }
    if (semaphore_.acquire_or_wait(*this)) return true;
  } catch (...) {
    error_ = std::current_exception();
    return true;
  }
  is_waiting_ = true;
  scope_->add_wait(*this, what_is_waited_for, e.current_call);
  return false;
}

void acquire_operation::go_on() noexcept {
  scope_->remove_wait(*this);
  parent_->done();
}

acquire_operation::~operation() {
  // Only when the run is torn down does it wait still, or have a permit that nobody received.
  if (is_waiting_) semaphore_.stop_waiting(*this);
  if (has_permit) semaphore_.release();
}

}  // namespace detail
}  // namespace aethergraph
