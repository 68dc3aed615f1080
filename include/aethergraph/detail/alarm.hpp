// One Asio timer that stands for the earliest of a loop's timers.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "aethergraph/detail/timer_queue.hpp"

namespace aethergraph::detail {

// Invariant: while a wait is under way it ends no later than the earliest time that was set since it began.
class alarm {
 public:
  template <class Executor>
  explicit alarm(const Executor& ex) : timer_(ex) {}

  /// Calls `on_alarm` at `at`, or soon after, unless it will be called earlier anyway: on its associated executor, on
  /// which this is used, too. It returns when it wants to be called again (`time_point::max()`: not before the next
  /// `set`).
  template <class OnAlarm>
  void set(time_point at, OnAlarm on_alarm) {
    if (is_set_ && at_ <= at) return;
    wait(at, std::move(on_alarm));
  }
  void cancel() {
    is_set_ = false;
    timer_.cancel();
  }

 private:
  template <class OnAlarm>
  void wait(time_point at, OnAlarm on_alarm) {
    is_set_ = false;
    timer_.expires_at(at);  // ends an earlier wait, whose handler does nothing
    const auto ex = boost::asio::get_associated_executor(on_alarm, timer_.get_executor());
    auto on_end = [this, on_alarm = std::move(on_alarm)](const boost::system::error_code& ec) mutable {
      if (ec) return;
      is_set_ = false;
      const time_point next = on_alarm();
      if (next != time_point::max()) set(next, std::move(on_alarm));
    };
    timer_.async_wait(boost::asio::bind_executor(ex, std::move(on_end)));
    at_ = at;
    is_set_ = true;
  }

  boost::asio::steady_timer timer_;
  time_point at_{};
  bool is_set_ = false;
};

}  // namespace aethergraph::detail
