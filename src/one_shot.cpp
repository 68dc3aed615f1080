#include "aethergraph/detail/one_shot.hpp"

#include <algorithm>
#include <chrono>

namespace aethergraph::detail {

void one_shot::set() noexcept {
  const std::lock_guard lock(mutex_);
  is_set_ = true;
  happened_.notify_all();
  // Under the lock: a waiter that was unlinked cannot go before it has been made ready. Its run's executor exists
  // already, so this only posts.
  while (waiter* w = first_) {
    first_ = w->next;
    w->is_queued = false;
    w->home->make_ready_from_anywhere(*w);
  }
  last_ = nullptr;
}

bool one_shot::is_set() const {
  const std::lock_guard lock(mutex_);
  return is_set_;
}

void one_shot::wait() const {
  std::unique_lock lock(mutex_);
  happened_.wait(lock, [this] { return is_set_; });
}

bool one_shot::wait_for(duration d) const {
  std::unique_lock lock(mutex_);
  // By the system clock: ThreadSanitizer does not know how g++ 12 waits by the steady one.
  const auto until = std::chrono::system_clock::now() + std::min<duration>(d, std::chrono::hours(24 * 365));
  return happened_.wait_until(lock, until, [this] { return is_set_; });
}

bool one_shot::add(waiter& w) {
  const std::lock_guard lock(mutex_);
  if (is_set_) return false;
  w.previous = last_;
  w.next = nullptr;
  (last_ ? last_->next : first_) = &w;
  last_ = &w;
  w.is_queued = true;
  return true;
}

bool one_shot::remove(waiter& w) noexcept {
  const std::lock_guard lock(mutex_);
  if (!w.is_queued) return false;
  (w.previous ? w.previous->next : first_) = w.next;
  (w.next ? w.next->previous : last_) = w.previous;
  w.is_queued = false;
  return true;
}

bool one_shot_wait::start(one_shot& s, const char* what, environment& e, receiver& r) noexcept {
  scope_ = e.cancellation;
  parent_ = &r;
  home = &scope_->home();
  on_ready = [](ready_item& i) noexcept {
    auto& self = static_cast<one_shot_wait&>(i);
    self.awaited_ = nullptr;
    self.home->foreign_ended();
    self.scope_->remove_wait(self);
    self.parent_->done();
  };
  on_cancel = [](cancellable_wait& w) noexcept {
    auto& self = static_cast<one_shot_wait&>(w);
    if (!self.awaited_->remove(self)) return;  // it has happened, and is on its way
    self.error_ = self.scope_->stop_error();
    self.home->make_ready(self);
  };
  try {
    home->make_executor();
    if (!s.add(*this)) return true;
  } catch (...) {
    error_ = std::current_exception();
    return true;
  }
  awaited_ = &s;
  home->foreign_started();
  scope_->add_wait(*this, what, e.current_call);
  return false;
}

one_shot_wait::~one_shot_wait() {
  if (awaited_) awaited_->remove(*this);  // only when the run is torn down
}

}  // namespace aethergraph::detail
