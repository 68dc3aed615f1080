// as_result: an outcome as a value.
#pragma once

#include <utility>

#include "aethergraph/detail/children.hpp"

namespace aethergraph {

namespace detail {

template <class A>
class [[nodiscard("nothing runs until this is awaited")]] as_result_awaitable {
 public:
  explicit as_result_awaitable(A&& a) : awaited_(std::move(a)) {}

 private:
  friend operation<as_result_awaitable>;
  A awaited_;
};

template <class A>
class operation<as_result_awaitable<A>> {
 public:
  using result_type = result<await_result_t<A>>;
  static constexpr bool begins_when_stopped = true;

  explicit operation(as_result_awaitable<A>& a) : inner_(std::move(a.awaited_)) {}

  bool start(environment& e, receiver& r) noexcept {
    parent_ = &r;
    return inner_.start(*this, 0, e);
  }
  template <class Child>
  void child_done(Child&) noexcept {
    parent_->done();
  }
  result_type take() noexcept { return take_result(inner_); }
  [[nodiscard]] body_operation* waits_for() noexcept { return inner_.waits_for(); }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return no_error; }

 private:
  child<A, operation> inner_;
  receiver* parent_ = nullptr;
};

}  // namespace detail

/// Awaited in a task, gives the outcome as a `result<T>`: a value or an exception. C++ allows no `co_await` in a
/// handler, so this is how clean-up after a failure awaits.
///
/// Errors: never throws what the awaitable threw. Cancellation: the result holds `cancelled`; later awaits throw it.
/// Example: `auto r = co_await ag::as_result(work(x)); if (!r) co_await ag::shielded(clean_up());`
template <class A>
auto as_result(A&& a) {
  detail::check_consumable<A>();
  if constexpr (detail::consumable<A>) return detail::as_result_awaitable<std::remove_cvref_t<A>>(std::move(a));
  else return detail::after_an_error{};
}

}  // namespace aethergraph
