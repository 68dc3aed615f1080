#include "aethergraph/sleep_for.hpp"

namespace aethergraph::detail {

bool operation<sleep_awaitable>::start(environment& e, receiver& r) noexcept {
  scope_ = e.cancellation;
  parent_ = &r;
  loop& l = scope_->home();
  on_ready = [](ready_item& i) noexcept { static_cast<operation&>(i).parent_->done(); };
  duration d = awaited_.duration_;
  if (awaited_.is_until_) {
    const duration now = l.now().time_since_epoch();
    d = d > now ? d - now : duration::zero();
  }
  if (d <= duration::zero()) {
    outcome.emplace();
    l.make_ready(*this);
    return false;
  }
  at = saturating_add(l.now(), d);
  on_expiry = [](timer& t) noexcept {
    auto& self = static_cast<operation&>(t);
    self.scope_->remove_wait(self);
    self.outcome.emplace();
    self.scope_->home().make_ready(self);
  };
  on_cancel = [](cancellable_wait& w) noexcept {
    auto& self = static_cast<operation&>(w);
    self.scope_->home().remove_timer(self);
    self.outcome.fail(self.scope_->stop_error());
    self.scope_->home().make_ready(self);
  };
  try {
    l.add_timer(*this);
  } catch (...) {
    outcome.fail(std::current_exception());
    return true;
  }
  scope_->add_wait(*this, "a sleep", e.current_call);
  return false;
}

}  // namespace aethergraph::detail
