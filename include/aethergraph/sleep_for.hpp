// sleep_for, sleep_until: time, as an awaitable.
#pragma once

#include <chrono>

#include "aethergraph/detail/operation.hpp"
#include "aethergraph/detail/recorded_wait.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph {

/// What `sleep_for` and `sleep_until` give.
class [[nodiscard("a sleep that is not awaited takes no time")]] sleep_awaitable {
 public:
  explicit sleep_awaitable(duration d) noexcept : duration_(d) {}
  explicit sleep_awaitable(detail::time_point t) noexcept : duration_(t.time_since_epoch()), until_(clock::of_run) {}
  explicit sleep_awaitable(std::chrono::system_clock::time_point t) noexcept
      : duration_(t.time_since_epoch()), until_(clock::of_day) {}

 private:
  friend detail::operation<sleep_awaitable>;
  enum class clock : unsigned char { none, of_run, of_day };
  duration duration_;
  clock until_ = clock::none;  // else the duration is a time, counted from the epoch of that clock
};

/// Awaited in a task, suspends it for this long. Zero or less lets everything else that is ready go first. In a run in
/// which 1,000 timers and more are pending it may end 50 us later, together with others.
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

/// The same by the time of day. In a durable run that has nothing else left to do, the process need not stay for it:
/// the run is parked.
///
/// Cancellation, slot: as for `sleep_for`.
template <class Duration>
sleep_awaitable sleep_until(std::chrono::time_point<std::chrono::system_clock, Duration> t) noexcept {
  using std::chrono::system_clock;
  return sleep_awaitable(system_clock::time_point(
      std::chrono::duration_cast<system_clock::duration>(detail::saturating_duration(t.time_since_epoch()))));
}

namespace detail {

/// A timer until it has expired or was given up, from then on a ready item: there may be a million that sleep.
struct timer_then_ready {
  union {
    timer pending;
    ready_item over;
  };
  timer_then_ready() noexcept : pending() {}
};

template <>
class operation<sleep_awaitable> : public timer_then_ready, public cancellable_wait {
 public:
  using result_type = void;

  explicit operation(const sleep_awaitable& s) noexcept : awaited_(&s) {}
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;
  ~operation() {
    if (scope_ && recorded_) drop_recorded();
  }
  bool start(environment& e, receiver& r) noexcept;
  void take() {
    if (error_) std::rethrow_exception(error_);
  }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }
  void refuse(const std::exception_ptr& e) noexcept { error_ = e; }

 private:
  void start_durable(duration d, bool may_outlast, environment& e);
  void drop_recorded() noexcept;
  void go_on() noexcept;

  union {
    const sleep_awaitable* awaited_;  // until it starts
    recorded_timer* recorded_;        // from then on: owned; null unless the run is durable
  };
  scope* scope_ = nullptr;  // from the start on
  receiver* parent_ = nullptr;
  std::exception_ptr error_;
};

}  // namespace detail
}  // namespace aethergraph
