// The pending timers of one loop, earliest first.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
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

// Few timers stand in a binary heap. Where there are many, most of them were added in the order in which they are due,
// since they wait for the same few durations: these stand in runs that are sorted as they are added to, where adding,
// removing and expiring one costs the same however many there are. What fits in no run goes into the heap. Times stand
// here, beside each other: looking them up in the timers, wherever those lie, is what a long queue would spend its time
// with.
// Invariant: each pending timer knows its position; heap_[(i - 1) / 2] is due no later than heap_[i]; the entries of a
//            run are due in their order, and the first and the last of them are no holes;
//            watches_ counts those that only watch, outlasting_ those that may outlast; none is both.
class timer_queue {
 public:
  /// Positions in sorted runs begin there, and go round: for tests.
  explicit timer_queue(std::uint32_t first_position = 0) noexcept : first_position_(first_position) {}

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] time_point earliest() const noexcept { return first().at; }
  [[nodiscard]] bool is_earliest(const timer& t) const noexcept { return first().what == &t; }
  /// Whether nothing goes on when the pending ones expire.
  [[nodiscard]] bool only_watches() const noexcept { return watches_ == size_; }
  /// Whether there is one that a durable run has to stay in its process for.
  [[nodiscard]] bool has_any_to_wait_for() const noexcept { return watches_ + outlasting_ < size_; }

  void add(timer& t, time_point at);  // t must not be pending
  void remove(timer& t) noexcept;     // t must be pending
  timer& pop() noexcept;              // the queue must not be empty

 private:
  struct entry {
    time_point at;
    std::uint64_t order;  // of timers due at the same time, the one that was added first expires first
    timer* what;          // null: a hole, where one was removed
    [[nodiscard]] bool is_before(const entry& o) const noexcept { return at != o.at ? at < o.at : order < o.order; }
  };
  struct sorted_run {
    std::vector<entry> entries;
    std::size_t first = 0;    // what is before it is over
    std::size_t pending = 0;  // entries that are no holes
    std::uint32_t base = 0;   // the position of entries[0] within the run, which goes round
  };
  static constexpr std::size_t runs = 4;
  // A position in the heap, or which run and where in it.
  static constexpr std::uint32_t is_in_run = std::uint32_t{1} << 31;
  static constexpr unsigned run_shift = 28;
  static constexpr std::uint32_t run_mask = (std::uint32_t{1} << run_shift) - 1;

  static_assert((is_in_run | std::uint32_t{runs - 1} << run_shift | run_mask) < timer::not_pending);

  [[nodiscard]] const entry& first() const noexcept;
  [[nodiscard]] sorted_run* run_for(time_point at);
  void append(sorted_run& r, const entry& e);
  void remove_from_run(timer& t) noexcept;
  static void drop_front(sorted_run& r) noexcept;
  void close_holes(sorted_run& r) noexcept;
  [[nodiscard]] std::uint32_t position_in(const sorted_run& r, std::size_t i) const noexcept;
  void remove_from_heap(timer& t) noexcept;
  void place(const entry& e, std::size_t position) noexcept;
  void sift_up(const entry& e, std::size_t position) noexcept;
  void sift_down(const entry& e, std::size_t position) noexcept;

  std::vector<entry> heap_;
  std::unique_ptr<std::array<sorted_run, runs>> runs_;  // null: there were never many
  std::uint32_t first_position_;
  std::size_t size_ = 0;
  std::uint64_t next_order_ = 0;
  std::size_t watches_ = 0;
  std::size_t outlasting_ = 0;
};

}  // namespace aethergraph::detail
