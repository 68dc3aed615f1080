// The pending timers of one loop, earliest first.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace aethergraph::detail {

using time_point = std::chrono::steady_clock::time_point;

/// `from + d`, held back at the end of time rather than wrapped around it; `from`, where `d` is negative.
[[nodiscard]] constexpr time_point saturating_add(time_point from, std::chrono::nanoseconds d) noexcept {
  if (d <= d.zero()) return from;
  return d > time_point::max() - from ? time_point::max() : from + d;
}

/// A duration of any kind in nanoseconds, held back at either end of what they can count. Not a number counts as zero.
template <class Rep, class Period>
[[nodiscard]] constexpr std::chrono::nanoseconds saturating_duration(std::chrono::duration<Rep, Period> d) noexcept {
  using std::chrono::nanoseconds;
  if constexpr (std::is_same_v<std::chrono::duration<Rep, Period>, nanoseconds>) {
    return d;
  } else {
    const std::chrono::duration<long double> seconds = d;
    if (seconds != seconds) return nanoseconds::zero();
    if (seconds >= std::chrono::duration<long double>(nanoseconds::max())) return nanoseconds::max();
    if (seconds <= std::chrono::duration<long double>(nanoseconds::min())) return nanoseconds::min();
    return std::chrono::duration_cast<nanoseconds>(d);
  }
}

struct timer {
  void (*on_expiry)(timer&) noexcept = nullptr;
  std::uint32_t position = not_pending;
  bool only_watches = false;  // nothing goes on when it expires: it tells somebody what has not
  bool may_outlast = false;   // a durable run need not stay in its process for it

  static constexpr std::uint32_t not_pending = ~std::uint32_t{0};
  [[nodiscard]] bool is_pending() const noexcept { return position != not_pending; }
};

// A binary heap that tells each timer its position, so that one is removed in O(log n). Times stand in the heap itself:
// looking them up in the timers, wherever they lie, is what a large heap would spend its time with.
// Invariant: heap_[t.position].what == &t for each pending t; heap_[(i - 1) / 2] is due no later than heap_[i];
//            watches_ counts those that only watch, outlasting_ those that may outlast; none is both.
class timer_queue {
 public:
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] time_point earliest() const noexcept { return heap_.front().at; }
  /// Whether nothing goes on when the pending ones expire.
  [[nodiscard]] bool only_watches() const noexcept { return watches_ == heap_.size(); }
  /// Whether there is one that a durable run has to stay in its process for.
  [[nodiscard]] bool has_any_to_wait_for() const noexcept { return watches_ + outlasting_ < heap_.size(); }

  void add(timer& t, time_point at);  // t must not be pending
  void remove(timer& t) noexcept;     // t must be pending
  timer& pop() noexcept;              // the queue must not be empty

 private:
  struct entry {
    time_point at;
    std::uint64_t order;  // of timers due at the same time, the one that was added first expires first
    timer* what;
    [[nodiscard]] bool is_before(const entry& o) const noexcept { return at != o.at ? at < o.at : order < o.order; }
  };

  void place(const entry& e, std::size_t position) noexcept;
  void sift_up(const entry& e, std::size_t position) noexcept;
  void sift_down(const entry& e, std::size_t position) noexcept;

  std::vector<entry> heap_;
  std::uint64_t next_order_ = 0;
  std::size_t watches_ = 0;
  std::size_t outlasting_ = 0;
};

}  // namespace aethergraph::detail
