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

void circuit_breaker::refuse_unless_open_to(detail::time_point at) const {
  if (state_ == state::closed || (state_ == state::open && at >= open_until_)) return;
  if (state_ == state::half_open)
    throw circuit_open(fmt::format("circuit_breaker '{}' is half open: another attempt finds out", name_));
  throw circuit_open(
      fmt::format("circuit_breaker '{}' is open for another {}", name_, detail::to_text(open_until_ - at)));
}

void circuit_breaker::change_to(state s) noexcept {
  state_ = s;
  failed_in_a_row_ = 0;
  ++period_;
}

void circuit_breaker::check(detail::time_point at) const {
  const std::lock_guard lock(mutex_);
  refuse_unless_open_to(at);
}

std::uint64_t circuit_breaker::enter(detail::time_point at) {
  const std::lock_guard lock(mutex_);
  refuse_unless_open_to(at);
  if (state_ == state::open) change_to(state::half_open);
  return period_;
}

void circuit_breaker::leave(detail::time_point at, outcome o, std::uint64_t period) noexcept {
  const std::lock_guard lock(mutex_);
  if (period != period_) return;  // it was let through before, and says nothing of how it works now
  if (o == outcome::success) {
    if (state_ == state::half_open) change_to(state::closed);
    failed_in_a_row_ = 0;
  } else if (o == outcome::neither) {
    if (state_ == state::half_open) change_to(state::open);  // the next one finds out
  } else if (state_ == state::half_open || ++failed_in_a_row_ >= failures_) {
    change_to(state::open);
    open_until_ = detail::saturating_add(at, open_for_);
  }
}

}  // namespace aethergraph
