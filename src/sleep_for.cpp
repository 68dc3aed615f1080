#include "aethergraph/sleep_for.hpp"

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

bool operation<sleep_awaitable>::start(environment& e, receiver& r) noexcept {
  using clock = sleep_awaitable::clock;
  const sleep_awaitable wished = *awaited_;
  recorded_ = nullptr;
  scope_ = e.cancellation;
  parent_ = &r;
  loop& l = scope_->home();
  durable_run* const durable = scope_->run().durable();
  duration d = wished.duration_;
  if (wished.until_ != clock::none) {
    const duration now = wished.until_ == clock::of_day
                             ? std::chrono::system_clock::now().time_since_epoch()
                             : l.now().time_since_epoch() + (durable ? durable->clock_offset() : duration{});
    d = d > now ? d - now : duration::zero();
  }
  pending.on_expiry = [](timer& t) noexcept {
    auto& self = static_cast<operation&>(reinterpret_cast<timer_then_ready&>(t));
    self.scope_->remove_wait(self);
    self.go_on();
  };
  on_cancel = [](cancellable_wait& w) noexcept {
    auto& self = static_cast<operation&>(w);
    if (self.recorded_) {
      if (!self.recorded_->give_up()) return;  // it is over, and will be told
    } else {
      self.scope_->home().remove_timer(self.pending);
    }
    self.error_ = self.scope_->stop_error();
    self.go_on();
  };
  const bool may_outlast = durable && wished.until_ == clock::of_day;
  try {
    if (durable) {
      start_durable(d, may_outlast, e);
    } else if (d <= duration::zero()) {
      go_on();
      return false;
    } else {
      l.add_timer(pending, saturating_add(l.now(), d));
    }
  } catch (...) {
    error_ = std::current_exception();
    return true;
  }
  scope_->add_wait(*this, may_outlast ? waits_for_a_time : durable ? waits_for_its_turn : "a sleep", e.current_call);
  return false;
}

void operation<sleep_awaitable>::go_on() noexcept {
  scope_->home().make_ready(*::new (&over) ready_item,
      [](ready_item& i) noexcept { static_cast<operation&>(reinterpret_cast<timer_then_ready&>(i)).parent_->done(); });
}

void operation<sleep_awaitable>::start_durable(duration d, bool may_outlast, environment& e) {
  const auto on_time = [](void* op) noexcept {
    auto& self = *static_cast<operation*>(op);
    self.pending.on_expiry(self.pending);
  };
  durable_run& run = *scope_->run().durable();
  recorded_ = run.make_timer(e, may_outlast ? "a time" : "a sleep", {d, may_outlast}, on_time, this).release();
}

void operation<sleep_awaitable>::drop_recorded() noexcept { delete recorded_; }

}  // namespace aethergraph::detail
