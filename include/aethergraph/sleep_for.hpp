// sleep_for: time, as an awaitable.
#pragma once

#include <chrono>

#include "aethergraph/detail/operation.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph {

/// What `sleep_for` gives.
class [[nodiscard("a sleep that is not awaited takes no time")]] sleep_awaitable {
 public:
  explicit sleep_awaitable(duration d) noexcept : duration_(d) {}

 private:
  friend detail::operation<sleep_awaitable>;
  duration duration_;
};

/// Awaited in a task, suspends it for this long. Zero or less lets everything else that is ready go first.
///
/// Cancellation: ends at once with `cancelled`. Slot: a tool's body keeps its slot while it sleeps.
template <class Rep, class Period>
sleep_awaitable sleep_for(std::chrono::duration<Rep, Period> d) noexcept {
  return sleep_awaitable(detail::saturating_duration(d));
}

namespace detail {

template <>
class operation<sleep_awaitable> : public ready_item, public cancellable_wait, public timer, public resulting<void> {
 public:
  explicit operation(const sleep_awaitable& s) noexcept : duration_(s.duration_) {}
  bool start(environment& e, receiver& r) noexcept;

 private:
  duration duration_;
  scope* scope_ = nullptr;
  receiver* parent_ = nullptr;
};

}  // namespace detail
}  // namespace aethergraph
