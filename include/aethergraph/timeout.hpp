// timeout: an awaitable that may take so long, and no longer.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <utility>

#include "aethergraph/detail/children.hpp"
#include "aethergraph/detail/recorded_wait.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph {

namespace detail {

template <class A>
class [[nodiscard("nothing runs until this is awaited")]] timeout_awaitable {
 public:
  timeout_awaitable(A&& a, duration d) : awaited_(std::move(a)), duration_(d) {}

 private:
  friend operation<timeout_awaitable>;
  A awaited_;
  duration duration_;
};

/// The scope and the timer of a timeout.
class timeout_scope : protected timer {
 protected:
  void open(environment& e, duration limit) noexcept;
  /// What the inner operation ended with, or `timed_out` in place of a `cancelled` of ours.
  void close(const std::exception_ptr& inner) noexcept;

  scope scope_;
  std::exception_ptr failure_;

 private:
  void expire() noexcept;

  duration limit_{};
  bool has_expired_ = false;
  std::unique_ptr<recorded_timer> recorded_;  // in place of the timer, in a durable run
};

template <class A>
class operation<timeout_awaitable<A>> : timeout_scope {
 public:
  using result_type = await_result_t<A>;

  explicit operation(timeout_awaitable<A>& a) : inner_(std::move(a.awaited_)), duration_(a.duration_) {}

  bool start(environment& e, receiver& r) noexcept {
    parent_ = &r;
    open(e, duration_);
    if (failure_) {  // no timer could be made
      scope_.close();
      return true;
    }
    if (!inner_.start(*this, 0, scope_)) return false;
    close(inner_.error());
    return true;
  }
  template <class Child>
  void child_done(Child& c) noexcept {
    close(c.error());
    parent_->done();
  }
  result_type take() {
    if (failure_) std::rethrow_exception(failure_);
    return inner_.take();
  }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return failure_; }
  [[nodiscard]] body_operation* waits_for() noexcept { return inner_.waits_for(); }
  void refuse(const std::exception_ptr& e) noexcept { failure_ = e; }

 private:
  child<A, operation> inner_;
  duration duration_;
  receiver* parent_ = nullptr;
};

}  // namespace detail

/// Awaited in a task, gives what the awaitable gives, unless that takes longer than `d` (queueing for a slot included):
/// then it is cancelled and awaited.
///
/// Errors: `timed_out`, which names the duration, when the time ended it; else what the awaitable threw. A result that
/// comes in spite of the request to stop is given, not dropped.
/// Cancellation: reaches the awaitable. Slot: none of its own.
template <class A, class Rep, class Period>
auto timeout(A&& a, std::chrono::duration<Rep, Period> d) {
  detail::check_consumable<A>();
  if constexpr (detail::consumable<A>)
    return detail::timeout_awaitable<std::remove_cvref_t<A>>(std::move(a), detail::saturating_duration(d));
  else return detail::after_an_error{};
}

}  // namespace aethergraph
