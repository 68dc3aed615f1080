#include "aethergraph/timeout.hpp"

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

void timeout_scope::open(environment& e, duration limit) noexcept {
  limit_ = limit;
  scope_.open(e);
  loop& l = scope_.home();
  const time_point at = saturating_add(l.now(), limit);
  scope_.tighten_deadline(at);
  on_expiry = [](timer& t) noexcept { static_cast<timeout_scope&>(t).expire(); };
  try {
    if (durable_run* const d = scope_.run().durable())
      recorded_ = d->make_timer(e, "a timeout", {.from_now = limit},
          [](void* self) noexcept { static_cast<timeout_scope*>(self)->expire(); }, this);
    else l.add_timer(*this, at);
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void timeout_scope::expire() noexcept {
  if (scope_.is_stopped()) return;  // by something else, which then is the cause of the end
  has_expired_ = true;
  scope_.cancel(cancelled_because(stop_reason::timeout));
}

void timeout_scope::close(const std::exception_ptr& inner) noexcept {
  if (is_pending()) scope_.home().remove_timer(*this);
  recorded_.reset();
  failure_ = inner;
  if (failure_ && has_expired_ && is_cancellation(failure_))
    failure_ = std::make_exception_ptr(timed_out("timed out after " + to_text(limit_)));
  scope_.close();
}

}  // namespace aethergraph::detail
