#include "aethergraph/sleep_for.hpp"

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

bool operation<sleep_awaitable>::start(environment& e, receiver& r) noexcept {
  using clock = sleep_awaitable::clock;
  scope_ = e.cancellation;
  parent_ = &r;
  loop& l = scope_->home();
  durable_run* const durable = scope_->run().durable();
  on_ready = [](ready_item& i) noexcept { static_cast<operation&>(i).parent_->done(); };
  const clock until = awaited_->until_;
  duration d = awaited_->duration_;
  if (until != clock::none) {
    const duration now = until == clock::of_day
                             ? std::chrono::system_clock::now().time_since_epoch()
                             : l.now().time_since_epoch() + (durable ? durable->clock_offset() : duration{});
    d = d > now ? d - now : duration::zero();
  }
  on_expiry = [](timer& t) noexcept {
    auto& self = static_cast<operation&>(t);
    self.scope_->remove_wait(self);
    self.scope_->home().make_ready(self);
  };
  on_cancel = [](cancellable_wait& w) noexcept {
    auto& self = static_cast<operation&>(w);
    if (self.is_durable_) {
      if (!self.recorded_->give_up()) return;  // it is over, and will be told
    } else {
      self.scope_->home().remove_timer(self);
    }
    self.error_ = self.scope_->stop_error();
    self.scope_->home().make_ready(self);
  };
  try {
    if (durable) {
      may_outlast = until == clock::of_day;
      start_durable(d, e);
    } else if (d <= duration::zero()) {
      l.make_ready(*this);
      return false;
    } else {
      l.add_timer(*this, saturating_add(l.now(), d));
    }
  } catch (...) {
    error_ = std::current_exception();
    return true;
  }
  scope_->add_wait(*this, may_outlast ? waits_for_a_time : durable ? waits_for_its_turn : "a sleep", e.current_call);
  return false;
}

void operation<sleep_awaitable>::start_durable(duration d, environment& e) {
  const timer_wish wish{d, may_outlast};
  recorded_ = make_recorded_timer(e, may_outlast ? "a time" : "a sleep", wish,
      [](void* op) noexcept {
    auto& self = *static_cast<operation*>(op);
    self.on_expiry(self);
  }, this)
                  .release();
  is_durable_ = true;
}

void operation<sleep_awaitable>::drop_recorded() noexcept { delete recorded_; }

}  // namespace aethergraph::detail
