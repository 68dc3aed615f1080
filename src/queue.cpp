#include "aethergraph/queue.hpp"

#include <fmt/format.h>

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

namespace {
std::size_t checked_capacity(std::ptrdiff_t capacity) {
  if (capacity < 1)
    throw option_error(fmt::format("a queue was given a capacity of {}; it needs at least 1", capacity));
  return static_cast<std::size_t>(capacity);
}
}  // namespace

// --- the lines
void queue_line::append(queue_wait& w) noexcept {
  w.previous_ = last;
  w.next_ready = nullptr;
  if (last) last->next_ready = &w;
  else first = &w;
  last = &w;
}

void queue_line::remove(queue_wait& w) noexcept {
  auto* const next = static_cast<queue_wait*>(w.next_ready);
  if (w.previous_) w.previous_->next_ready = next;
  else first = next;
  (next ? next->previous_ : last) = w.previous_;
}

// --- the queue, under its mutex
queue_core::queue_core(std::ptrdiff_t capacity, const queue_wait::kind* kinds)
    : capacity_(checked_capacity(capacity)), kinds_(kinds) {}

void queue_core::send(queue_wait& w, queue_wait::state s) noexcept {
  w.line().remove(w);
  w.state_ = s;
  loop& home = w.scope_->home();
  w.is_from_outside_ = loop::current() != &home;
  if (s == queue_wait::state::promised) ++w.line().promised;
  // Under the lock: one who is on its way cannot go before it has been made ready. Its run's executor exists already,
  // so this only posts.
  home.make_ready_from_anywhere(w);
}

void queue_core::settle() noexcept {
  while (consumers_.first && has_element()) send(*consumers_.first, queue_wait::state::promised);
  while (producers_.first && has_place()) send(*producers_.first, queue_wait::state::promised);
  if (!is_closed_) return;
  while (producers_.first) send(*producers_.first, queue_wait::state::turned_away);
  // Not as long as there are elements: one that is promised may be given back.
  while (consumers_.first && is_drained()) send(*consumers_.first, queue_wait::state::turned_away);
}

void queue_core::enqueue(queue_wait& w) noexcept {
  w.line().append(w);
  w.state_ = queue_wait::state::queued;
  settle();  // what it waits for may be there, behind what is promised to those before it
}

bool queue_core::redeem(queue_wait& w) noexcept {
  const bool is_promised = w.state_ == queue_wait::state::promised;
  if (is_promised) --w.line().promised;
  w.state_ = queue_wait::state::idle;
  return is_promised;
}

void queue_core::close() noexcept {
  is_closed_ = true;
  settle();
}

bool queue_core::stop_waiting(queue_wait& w, bool& is_on_its_way) noexcept {
  const std::lock_guard lock(mutex_);
  is_on_its_way = w.state_ != queue_wait::state::queued;
  if (w.state_ == queue_wait::state::queued) {
    w.line().remove(w);
  } else if (w.state_ == queue_wait::state::promised) {
    --w.line().promised;
    settle();
  } else {
    return false;
  }
  w.state_ = queue_wait::state::idle;
  return true;
}

std::exception_ptr queue_core::closed_error() {
  return std::make_exception_ptr(queue_closed("a value was pushed to a queue that is closed"));
}

// --- those who wait
const queue_wait::kind& queue_wait::what() const noexcept { return core_.kinds_[pushes_ ? 1 : 0]; }
queue_line& queue_wait::line() const noexcept { return core_.*what().line; }

bool queue_wait::start(environment& e, receiver& r) noexcept {
  scope_ = e.cancellation;
  parent_ = &r;
  on_ready = [](ready_item& i) noexcept {
    auto& self = static_cast<queue_wait&>(i);
    self.is_waiting_ = false;
    if (!self.error_) self.what().arrive(self);
    if (self.recorded_ && self.is_from_outside_ && !self.error_) return self.recorded_->came_from_outside();
    self.go_on();
  };
  on_cancel = [](cancellable_wait& w) noexcept {
    auto& self = static_cast<queue_wait&>(w);
    if (self.recorded_ && !self.recorded_->give_up()) return;
    bool is_on_its_way = false;
    if (self.is_waiting_ && !self.core_.stop_waiting(self, is_on_its_way)) return;  // it ends in any case, with nothing
    self.error_ = self.scope_->stop_error();
    if (!is_on_its_way) self.scope_->home().make_ready(self);
  };
  try {
    scope_->home().make_executor();
    if (durable_run* const d = scope_->run().durable())
      recorded_ = d->make_grant(e, what().what, [](void* op, bool is_replayed) noexcept {
        auto& self = *static_cast<queue_wait*>(op);
        if (is_replayed) {
          self.recorded_.reset();  // from here on it waits as any other, should it have to
          self.waits_for = "a queue";
          try {
            self.is_waiting_ = !self.what().try_to_end(self);
          } catch (...) {
            self.error_ = std::current_exception();
          }
        }
        if (!self.is_waiting_) self.go_on();
        else if (self.scope_->is_stopped()) self.on_cancel(self);
      }, this);
    if (recorded_ && recorded_->is_replayed()) {
      scope_->add_wait(*this, waits_for_its_turn, e.current_call);
      return false;
    }
    if (what().try_to_end(*this)) return true;
  } catch (...) {
    error_ = std::current_exception();
    return true;
  }
  is_waiting_ = true;
  scope_->add_wait(*this, what().what, e.current_call);
  return false;
}

void queue_wait::go_on() noexcept {
  scope_->remove_wait(*this);
  parent_->done();
}

queue_wait::~queue_wait() {
  // Only when the run is torn down does it wait still, or was it promised what it has not taken.
  bool is_on_its_way = false;
  if (is_waiting_) static_cast<void>(core_.stop_waiting(*this, is_on_its_way));
}

}  // namespace aethergraph::detail
