// shielded: out of reach of cancellation.
#pragma once

#include <utility>

#include "aethergraph/detail/children.hpp"

namespace aethergraph {

namespace detail {

template <class A>
class [[nodiscard("nothing runs until this is awaited")]] shielded_awaitable {
 public:
  explicit shielded_awaitable(A&& a) : awaited_(std::move(a)) {}

 private:
  friend operation<shielded_awaitable>;
  A awaited_;
};

template <class A>
class operation<shielded_awaitable<A>> {
 public:
  using result_type = await_result_t<A>;
  static constexpr bool begins_when_stopped = true;

  explicit operation(shielded_awaitable<A>& a) : inner_(std::move(a.awaited_)) {}

  bool start(environment& e, receiver& r) noexcept {
    parent_ = &r;
    scope_.open(e, true);
    if (!inner_.start(*this, 0, scope_)) return false;
    scope_.close();
    return true;
  }
  template <class Child>
  void child_done(Child&) noexcept {
    scope_.close();
    parent_->done();
  }
  result_type take() { return inner_.take(); }
  [[nodiscard]] body_operation* waits_for() noexcept { return inner_.waits_for(); }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return inner_.error(); }

 private:
  scope scope_;
  child<A, operation> inner_;
  receiver* parent_ = nullptr;
};

}  // namespace detail

/// Awaited in a task, runs where no cancellation from outside reaches: neither a request made before nor one made while
/// it runs. For short clean-up only, since whoever cancels waits for it.
///
/// Errors: what the awaitable threw. Cancellation: none from outside; a `timeout` inside works as ever.
/// Slot: none of its own.
template <class A>
auto shielded(A&& a) {
  detail::check_consumable<A>();
  if constexpr (detail::consumable<A>) return detail::shielded_awaitable<std::remove_cvref_t<A>>(std::move(a));
  else return detail::after_an_error{};
}

}  // namespace aethergraph
