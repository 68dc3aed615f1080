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
    l.make_ready(*this);
    return false;
  }
  on_expiry = [](timer& t) noexcept {
    auto& self = static_cast<operation&>(t);
    self.scope_->remove_wait(self);
    self.scope_->home().make_ready(self);
  };
  on_cancel = [](cancellable_wait& w) noexcept {
    auto& self = static_cast<operation&>(w);
    self.scope_->home().remove_timer(self);
    self.error_ = self.scope_->stop_error();
    self.scope_->home().make_ready(self);
  };
  try {
    l.add_timer(*this, saturating_add(l.now(), d));
  } catch (...) {
    error_ = std::current_exception();
    return true;
  }
  scope_->add_wait(*this, "a sleep", e.current_call);
  return false;
}

}  // namespace aethergraph::detail
