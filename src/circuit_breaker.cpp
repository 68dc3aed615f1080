#include "aethergraph/circuit_breaker.hpp"

#include <fmt/format.h>

#include "aethergraph/detail/run_state.hpp"

namespace aethergraph {

circuit_breaker::circuit_breaker(std::string_view name, int failures, duration open_for)
    : name_(name), failures_(failures), open_for_(open_for) {
  if (name.empty()) throw option_error("a circuit_breaker has an empty name; give it a name such as \"search\"");
  if (failures < 1)
    throw option_error(
        fmt::format("circuit_breaker '{}' opens after {} failures; it must be at least 1", name, failures));
  if (open_for <= duration::zero())
    throw option_error(
        fmt::format("circuit_breaker '{}' stays open for {}; it must be more than 0", name, detail::to_text(open_for)));
}

circuit_breaker::state circuit_breaker::now() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void circuit_breaker::enter(detail::time_point at) {
  const std::lock_guard lock(mutex_);
  if (state_ == state::closed) return;
  if (state_ == state::open && at >= open_until_) {
    state_ = state::half_open;
    return;
  }
  if (state_ == state::half_open)
    throw circuit_open(fmt::format("circuit_breaker '{}' is half open: another attempt finds out", name_));
  throw circuit_open(
      fmt::format("circuit_breaker '{}' is open for another {}", name_, detail::to_text(open_until_ - at)));
}

void circuit_breaker::leave(detail::time_point at, outcome o) noexcept {
  const std::lock_guard lock(mutex_);
  if (state_ == state::open) return;  // it was let through before
  if (o == outcome::success) {
    failed_in_a_row_ = 0;
    state_ = state::closed;
    return;
  }
  if (o == outcome::neither) {
    if (state_ == state::half_open) state_ = state::open;  // the next one finds out
    return;
  }
  if (state_ == state::half_open || ++failed_in_a_row_ >= failures_) {
    state_ = state::open;
    failed_in_a_row_ = 0;
    open_until_ = detail::saturating_add(at, open_for_);
  }
}

}  // namespace aethergraph
