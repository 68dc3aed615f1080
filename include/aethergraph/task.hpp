// task<T>: the coroutine type of agents, tools and everything between them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/this_coro.hpp>
#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/operation.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph {

namespace detail {

template <class T>
struct promise;

/// `co_await boost::asio::this_coro::executor`: the executor of the run.
class executor_awaiter {
 public:
  explicit executor_awaiter(loop& l) noexcept : loop_(l) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  [[nodiscard]] boost::asio::any_io_executor await_resume() const { return loop_.executor(); }

 private:
  loop& loop_;
};

template <class T>
concept looks_like_a_tool = requires { typename T::call_type; };
template <class T>
inline constexpr bool is_node_of_graph = false;
template <class T>
inline constexpr bool is_node_of_graph<node<T>> = true;

}  // namespace detail

/// A coroutine that starts when it is awaited, and gives a `T`.
///
/// `T` may be `void` or a reference. A task may await other tasks, calls of tools, invocations of agents, combinators,
/// Asio operations (`use_task`, `boost::asio::deferred`), `boost::asio::awaitable<U>` and
/// `boost::asio::this_coro::executor`. It is awaited once: `co_await f()` or `co_await std::move(t)`.
///
/// Errors: what the body throws reaches the `co_await`. Awaiting a task a second time is an `error`.
/// Cancellation: each `co_await` in a scope that was asked to stop throws `cancelled`.
/// Thread safety: runs on the strand of its run; a task that has not started may move between threads.
/// Slot: none.
template <class T>
class [[nodiscard("a task that is not awaited never runs")]] task {
 public:
  using promise_type = detail::promise<T>;
  using value_type = T;

  task(task&& o) noexcept : promise_(std::exchange(o.promise_, nullptr)) {}
  task& operator=(task o) noexcept {
    std::swap(promise_, o.promise_);
    return *this;
  }
  ~task() {
    if (promise_) promise_->handle().destroy();
  }

 private:
  friend detail::promise<T>;
  template <class>
  friend class detail::operation;
  template <class>
  friend class detail::entry;
  template <class, class, class...>
  friend struct detail::call_record;

  explicit task(promise_type& p) noexcept : promise_(&p) {}

  promise_type* promise_;  // owned; null once it has been awaited or moved from
};

namespace detail {

template <class T>
struct promise_value : promise_base {
  result<T>* outcome = nullptr;  // set when the coroutine starts; lives with its operation

  template <class U = T>
    requires std::constructible_from<T, U> || std::is_reference_v<T>
  void return_value(U&& u) {
    static_assert(!std::is_reference_v<T> || std::is_lvalue_reference_v<U>,
        "aethergraph: a task<T&> must return something that outlives it");
    outcome->emplace(std::forward<U>(u));
  }
};
template <>
struct promise_value<void> : promise_base {
  result<void>* outcome = nullptr;

  void return_void() { outcome->emplace(); }
};

template <class T>
struct promise : promise_value<T> {
  promise() noexcept {
    this->on_done = [](receiver& r) noexcept { static_cast<promise&>(r).handle().resume(); };
    this->on_ready = [](ready_item& i) noexcept { static_cast<promise&>(i).handle().resume(); };
  }
  task<T> get_return_object() noexcept { return task<T>{*this}; }
  void unhandled_exception() noexcept { this->outcome->fail(std::current_exception()); }

  template <class A>
    requires consumable<A> || awaitable_again<A>
  awaiter<operation<std::remove_cvref_t<A>>> await_transform(A&& a) {
    return {*this, a};
  }
  executor_awaiter await_transform(boost::asio::this_coro::executor_t) noexcept {
    return executor_awaiter{this->surroundings->cancellation->home()};
  }

  // Everything else gets a sentence.
  template <class A>
    requires(!consumable<A> && !awaitable_again<A> &&
             !std::same_as<std::remove_cvref_t<A>, boost::asio::this_coro::executor_t>)
  after_an_error await_transform(A&&) {
    using U = std::remove_cvref_t<A>;
    if constexpr (std::same_as<U, after_an_error>) return {};
    else if constexpr (awaitable<A>)
      static_assert(
          sizeof(U) == 0, "aethergraph: awaiting uses this up; write `co_await std::move(it)`, of nothing const");
    else if constexpr (looks_like_a_tool<U>)
      static_assert(
          sizeof(U) == 0, "aethergraph: a tool is not awaitable, a call of it is: `co_await tool(arguments…)`");
    else if constexpr (is_node_of_graph<U>)
      static_assert(sizeof(U) == 0,
          "aethergraph: an ag::node is a value to come of a graph and cannot be awaited; pass it to a tool, or return "
          "it from the graphify body");
    else static_assert(sizeof(U) == 0, "aethergraph: this is not awaitable in an ag::task");
    return {};
  }
};

template <class T>
class operation<task<T>> : public body_operation, public resulting<T> {
 public:
  explicit operation(task<T>& t) noexcept : task_(std::exchange(t.promise_, nullptr)) {}
  ~operation() {
    if (task_) task_->handle().destroy();
  }

  bool start(environment& e, receiver& r) noexcept {
    if (!task_) {
      this->outcome.fail(std::make_exception_ptr(error("this task was awaited before; a task can be awaited once")));
      return true;
    }
    loop& l = e.cancellation->home();
    parent = &r;
    surroundings_ = &e;
    if (l.may_start_here()) [[likely]]
      return start_here(l);
    l.make_ready(*this, [](ready_item& i) noexcept {
      auto& self = static_cast<operation&>(i);
      scope& s = *self.surroundings_->cancellation;
      if (s.is_stopped()) self.outcome.fail(s.stop_error());
      else if (!self.start_here(s.home())) return;
      self.parent->done();
    });
    return false;
  }

 private:
  bool start_here(loop& l) noexcept {
    promise_value<T>& p = *std::exchange(task_, nullptr);
    p.outcome = &this->outcome;
    on_body_end = [](body_operation& op) noexcept {
      op.promise->surroundings->cancellation->home().make_ready(op, &body_operation::finish);
    };
    return start_body(p, *surroundings_, l);
  }

  typename task<T>::promise_type* task_;  // owned until it starts
  environment* surroundings_ = nullptr;
};

}  // namespace detail
}  // namespace aethergraph
