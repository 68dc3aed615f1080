// rate_limit: so many calls a second, whoever makes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "aethergraph/detail/timer_queue.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph {

namespace detail {
class call_control;
}

/// A token bucket: `per_second` tokens come a second, up to `burst` are kept, and each attempt of a call of a tool with
/// `.rate = &limit` takes one. It starts full. With `.rate_key` there is a bucket for each key, such as a host.
///
/// A call that waits for a token holds neither slot nor permits of a pool. A token is taken last, right before the body
/// starts, and never given back. Those that wait are served in the order in which they came; only where one of them
/// gives up, or then has to wait for a slot or permits, those behind it may be passed. Thread safety: any thread; runs
/// on different threads may share it. It must outlive them. Time is that of the run, so a simulation waits in virtual
/// time. Source: the token bucket as a meter, ITU-T I.371.
class rate_limit {
 public:
  struct figures {
    std::size_t waiting = 0;         ///< calls that wait for a token
    std::uint64_t waited_total = 0;  ///< calls that have had to wait, so far
    std::uint64_t taken_total = 0;   ///< tokens taken, so far
  };

  /// Errors: a rate that is not positive and finite, or a burst below 1, is an `option_error`.
  rate_limit(double per_second, double burst);
  rate_limit(const rate_limit&) = delete;
  rate_limit& operator=(const rate_limit&) = delete;
  ~rate_limit() = default;

  [[nodiscard]] double per_second() const noexcept { return per_second_; }
  [[nodiscard]] double burst() const noexcept { return burst_; }
  [[nodiscard]] figures now() const;

 private:
  friend detail::call_control;

  struct bucket {
    double tokens = 0;
    detail::time_point filled{};  // when `tokens` was right
    std::size_t waiting = 0;      // have been told to wait, and have no token yet
  };

  /// Zero: a token is taken. Else how long to wait before the next try. `has_waited`: it was told to wait before.
  [[nodiscard]] duration take(std::string_view key, detail::time_point at, bool has_waited);
  /// It was told to wait, and does so no longer.
  void leave(std::string_view key) noexcept;

  const double per_second_;
  const double burst_;

  mutable std::mutex mutex_;
  std::map<std::string, bucket, std::less<>> buckets_;
  figures figures_;
};

}  // namespace aethergraph
