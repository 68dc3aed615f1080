// operation<A>: one awaiting of an awaitable A. See body.hpp for the protocol.
#pragma once

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>
#include <variant>

#include "aethergraph/detail/body.hpp"

namespace aethergraph {

namespace detail {

/// Specialised for everything that a task can await. Constructed from an `A&` that stays valid until the operation
/// ends.
template <class A>
class operation;

template <class A>
concept has_operation = requires { typename operation<std::remove_cvref_t<A>>::result_type; };

/// Operations that begin even in a scope that was asked to stop: they turn that into a value, or shut it out.
template <class Operation>
concept begins_when_stopped = requires { requires Operation::begins_when_stopped; };

/// Operations that are nodes of the run's graph: calls and nested runs. They take a place in the sequence that they are
/// awaited in, also when they are refused.
template <class Operation>
concept is_node = requires(Operation& op, environment& e, const std::exception_ptr& why) { op.note_refused(e, why); };

/// Starts an operation unless its scope was asked to stop. True: it has ended already.
template <class Operation>
[[nodiscard, gnu::always_inline]] inline bool begin(Operation& op, environment& e, receiver& r) noexcept {
  e.cancellation->home().count_step();
  if constexpr (!begins_when_stopped<Operation>) {
    if (e.cancellation->is_stopped()) [[unlikely]] {
      if constexpr (is_node<Operation>) op.note_refused(e, e.cancellation->stop_error());
      op.refuse(e.cancellation->stop_error());
      return true;
    }
  }
  return op.start(e, r);
}

/// The error of operations that never fail.
inline const std::exception_ptr no_error;

template <class T>
using regular = std::conditional_t<std::is_void_v<T>, std::monostate,
    std::conditional_t<std::is_reference_v<T>, std::reference_wrapper<std::remove_reference_t<T>>, T>>;

/// The part that every operation with its own result shares.
template <class R>
class resulting {
 public:
  using result_type = R;

  R take() { return std::move(outcome).value(); }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return outcome.error(); }
  void refuse(const std::exception_ptr& e) noexcept { outcome.fail(e); }

  result<R> outcome;
};

/// What stands where a static_assert has spoken, so that nothing else is reported.
struct after_an_error {
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  after_an_error await_resume() const noexcept { return {}; }
  template <class T>
  operator T() const {
    std::terminate();
  }
};

}  // namespace detail

/// What can be awaited in a `task`: tasks, calls, invocations, combinators, and any Asio operation.
template <class A>
concept awaitable = detail::has_operation<A>;

namespace detail {

/// An awaitable, given away: awaiting uses it up.
template <class A>
concept consumable = awaitable<A> && !std::is_lvalue_reference_v<A> && !std::is_const_v<std::remove_reference_t<A>>;

/// What awaiting does not use up.
template <class A>
concept awaitable_again =
    awaitable<A> && requires { requires operation<std::remove_cvref_t<A>>::may_be_awaited_again; };

/// Says what is wrong with what should be consumable.
template <class A>
constexpr void check_consumable() {
  if constexpr (!std::same_as<std::remove_cvref_t<A>, after_an_error>) {
    static_assert(awaitable<A>, "aethergraph: this is not awaitable in an ag::task");
    if constexpr (awaitable<A>)
      static_assert(consumable<A>, "aethergraph: awaiting uses this up; pass std::move(it), and nothing const");
  }
}

template <awaitable A>
using await_result_t = typename operation<std::remove_cvref_t<A>>::result_type;

/// The coroutine that an operation waits for, where that is one, itself or by way of a single child.
template <class Operation>
[[nodiscard]] body_operation* body_of(Operation& op) noexcept {
  if constexpr (std::derived_from<Operation, body_operation>) return &op;
  else if constexpr (requires { op.waits_for(); }) return op.waits_for();
  else return nullptr;
}

/// The awaiter of everything that has an operation, in a task.
template <class Operation>
class awaiter {
 public:
  template <class A>
  awaiter(promise_base& p, A& awaited) noexcept(std::is_nothrow_constructible_v<Operation, A&>)
      : operation_(awaited), promise_(p) {}
  awaiter(const awaiter&) = delete;
  awaiter& operator=(const awaiter&) = delete;

  // The operation starts here, before the coroutine has suspended. That is safe: whatever ends later tells its receiver
  // through the loop, which is busy until the coroutine has suspended. And what ends at once costs no suspension.
  bool await_ready() noexcept {
    if (!begin(operation_, *promise_.surroundings, promise_)) return false;
    loop& l = promise_.surroundings->cancellation->home();
    if (!l.is_look_due()) [[likely]]
      return true;
    l.make_ready(promise_);  // it has ended, but others are due their turn first
    return false;
  }
  void await_suspend(std::coroutine_handle<>) noexcept { promise_.waiting_for = body_of(operation_); }
  decltype(auto) await_resume() { return operation_.take(); }

 private:
  Operation operation_;
  promise_base& promise_;
};

}  // namespace detail
}  // namespace aethergraph
