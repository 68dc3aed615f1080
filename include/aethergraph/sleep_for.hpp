// sleep_for, sleep_until: time, as an awaitable.
#pragma once

#include <chrono>

#include "aethergraph/detail/operation.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph {

/// What `sleep_for` and `sleep_until` give.
class [[nodiscard("a sleep that is not awaited takes no time")]] sleep_awaitable {
 public:
  explicit sleep_awaitable(duration d) noexcept : duration_(d) {}
  explicit sleep_awaitable(detail::time_point t) noexcept : duration_(t.time_since_epoch()), is_until_(true) {}

 private:
  friend detail::operation<sleep_awaitable>;
  duration duration_;
  bool is_until_ = false;  // the duration is a time, counted from the epoch of the clock
};

/// Awaited in a task, suspends it for this long. Zero or less lets everything else that is ready go first.
///
/// Cancellation: ends at once with `cancelled`. Slot: a tool's body keeps its slot while it sleeps.
template <class Rep, class Period>
sleep_awaitable sleep_for(std::chrono::duration<Rep, Period> d) noexcept {
  return sleep_awaitable(detail::saturating_duration(d));
}

/// Awaited in a task, suspends it until this time by the clock of its run, as `ctx.now()` tells it. A time that has
/// passed lets everything else that is ready go first.
///
/// Cancellation, slot: as for `sleep_for`.
template <class Duration>
sleep_awaitable sleep_until(std::chrono::time_point<std::chrono::steady_clock, Duration> t) noexcept {
  return sleep_awaitable(detail::time_point(detail::saturating_duration(t.time_since_epoch())));
}

namespace detail {

template <>
class operation<sleep_awaitable> : public ready_item, public cancellable_wait, public timer {
 public:
  using result_type = void;

  explicit operation(const sleep_awaitable& s) noexcept : awaited_(s) {}
  bool start(environment& e, receiver& r) noexcept;
  void take() {
    if (error_) std::rethrow_exception(error_);
  }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }
  void refuse(const std::exception_ptr& e) noexcept { error_ = e; }

 private:
  const sleep_awaitable& awaited_;
  scope* scope_ = nullptr;
  receiver* parent_ = nullptr;
  std::exception_ptr error_;
};

}  // namespace detail
}  // namespace aethergraph
