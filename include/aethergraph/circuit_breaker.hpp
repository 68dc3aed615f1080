// circuit_breaker: stops calling what keeps failing, for a while.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "aethergraph/detail/timer_queue.hpp"
#include "aethergraph/error.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph {

namespace detail {
class call_control;
}

/// A call was refused because its circuit breaker is open. The message says which, and for how long still.
class circuit_open : public error {
 public:
  using error::error;
};

/// Refuses the calls of tools with `.breaker = &breaker` while what they call keeps failing.
///
/// Closed: calls run; after `failures` attempts in a row have failed it opens. Open: attempts fail at once with
/// `circuit_open`, which a retry may wait out. When `open_for` has passed it is half open: one attempt runs, the others
/// are refused; its success closes the breaker, its failure opens it again. Attempts that were cancelled count as
/// neither, nor do those that began before the state last changed. An attempt begins with its body: one that waits for
/// a slot, permits or a token while the breaker opens is refused, too. Thread safety: any thread; runs on different
/// threads may share it. It must outlive them. Time is that of the run.
class circuit_breaker {
 public:
  enum class state : std::uint8_t { closed, open, half_open };

  /// Errors: an empty name, a number of failures below 1, or a time that is not positive is an `option_error`.
  circuit_breaker(std::string_view name, int failures, duration open_for);
  circuit_breaker(const circuit_breaker&) = delete;
  circuit_breaker& operator=(const circuit_breaker&) = delete;
  ~circuit_breaker() = default;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Half open from when an attempt was let through until it has ended.
  [[nodiscard]] state now() const;

 private:
  friend detail::call_control;

  enum class outcome : std::uint8_t { success, failure, neither };
  /// Errors: `circuit_open`, if an attempt that began now would be refused.
  void check(detail::time_point at) const;
  /// An attempt begins. Returns: what `leave` is to be told. Errors: `circuit_open`.
  [[nodiscard]] std::uint64_t enter(detail::time_point at);
  void leave(detail::time_point at, outcome o, std::uint64_t period) noexcept;
  void refuse_unless_open_to(detail::time_point at) const;
  void change_to(state s) noexcept;

  const std::string name_;
  const int failures_;
  const duration open_for_;

  mutable std::mutex mutex_;
  int failed_in_a_row_ = 0;
  std::uint64_t period_ = 0;  // which state it is in since its making
  state state_ = state::closed;
  detail::time_point open_until_{};
};

}  // namespace aethergraph
