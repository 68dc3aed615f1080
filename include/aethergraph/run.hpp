// run, run_async, try_run: the doors through which an invocation is executed.
#pragma once

#include <boost/asio/execution_context.hpp>
#include <utility>

#include "aethergraph/detail/async_run.hpp"
#include "aethergraph/detail/blocking_loop.hpp"
#include "aethergraph/graph_fn.hpp"
#include "aethergraph/run_result.hpp"

namespace aethergraph {

namespace detail {

/// A root run on the calling thread. `Loop` is `blocking_loop` or a simulation.
template <class A>
class blocking_run : receiver, ready_item {
 public:
  using result_type = typename run_operation<A>::result_type;

  blocking_run(blocking_loop& l, A& awaited, const run_options& o) : loop_(l), operation_(awaited, o) {}

  void execute() {
    on_done = [](receiver& r) noexcept { static_cast<blocking_run&>(r).is_finished_ = true; };
    loop_.make_ready(*this, [](ready_item& i) noexcept {
      auto& self = static_cast<blocking_run&>(i);
      self.is_finished_ = self.operation_.start(self.loop_, self);
    });
    loop_.drive(operation_.state(), is_finished_);
  }

  [[nodiscard]] run_operation<A>& operation() noexcept { return operation_; }

 private:
  blocking_loop& loop_;
  run_operation<A> operation_;
  bool is_finished_ = false;
};

/// `co_await run_async(inv, options)`: a nested run with options of its own.
template <class A>
class [[nodiscard("a run that is not awaited never starts")]] nested_run {
 public:
  nested_run(A awaited, const run_options& o) : awaited_(std::move(awaited)), options_(o) {}

 private:
  friend operation<nested_run>;
  A awaited_;
  run_options options_;
};

template <class A>
class operation<nested_run<A>> : public run_operation<A> {
 public:
  explicit operation(nested_run<A>& n) : run_operation<A>(n.awaited_, n.options_) {}
};

template <class A>
constexpr void check_runnable() {
  static_assert(awaitable<A> || std::same_as<std::remove_cvref_t<A>, after_an_error>,
      "aethergraph: only an invocation (a call of a graph_fn), a call of a tool or a task can be run");
  if constexpr (awaitable<A>)
    static_assert(consumable<A>, "aethergraph: running this uses it up; pass std::move(it), and nothing const");
}

template <class A>
struct run_value {
  using type = after_an_error;
};
template <awaitable A>
struct run_value<A> {
  using type = await_result_t<A>;
};
template <class A>
using run_value_t = typename run_value<std::remove_cvref_t<A>>::type;

}  // namespace detail

/// Runs an invocation on the calling thread, and returns its result.
///
/// Parameters: `inv` an invocation, a call or a task (the last two as an anonymous run); `options` see `run_options`.
/// Returns: what the body returned.
/// Errors: what the body threw; `option_error` for bad options; `timed_out` when the deadline ended it; `error` when
/// called from inside a run, whose thread it would block.
/// Cancellation: by the deadline only. Use `run_async` with an executor to cancel from outside.
/// Thread safety: any number of threads may run at once.
template <class A>
detail::run_value_t<A> run(A&& inv, const run_options& options = {}) {
  detail::check_runnable<A&&>();
  if constexpr (detail::consumable<A>) {
    detail::refuse_blocking_run();
    detail::blocking_loop loop;
    detail::blocking_run<std::remove_cvref_t<A>> r(loop, inv, options);
    r.execute();
    return r.operation().take();
  } else {
    return detail::run_value_t<A>();
  }
}

/// Runs an invocation on the calling thread, and returns its outcome as a value, with what else is known of the run.
///
/// Parameters, cancellation, thread safety: as for `run`.
/// Errors: throws nothing that the body threw; `error` when called from inside a run.
template <class A>
run_result<detail::run_value_t<A>> try_run(A&& inv, const run_options& options = {}) {
  detail::check_runnable<A&&>();
  if constexpr (detail::consumable<A>) {
    detail::refuse_blocking_run();
    detail::blocking_loop loop;
    detail::blocking_run<std::remove_cvref_t<A>> r(loop, inv, options);
    r.execute();
    return run_result<detail::run_value_t<A>>(r.operation());
  } else {
    return {};
  }
}

/// Awaited in a task: runs an invocation as a nested run with these options, on the strand of the run that awaits.
///
/// Errors: as for `run`. Cancellation: with the scope that awaits it. Slot: none in the outer run.
template <class A>
auto run_async(A&& inv, const run_options& options = {}) {
  detail::check_runnable<A&&>();
  if constexpr (detail::consumable<A>) return detail::nested_run<std::remove_cvref_t<A>>(std::forward<A>(inv), options);
  else return detail::after_an_error{};
}

/// Runs an invocation on a strand of an executor, as an Asio initiating function.
///
/// Parameters: `ex` an executor (or an execution context); `token` any completion token.
/// Completion: `void(std::exception_ptr, R)`, or `void(std::exception_ptr)` for `void`; through the associated executor
/// of the handler, never from inside this call.
/// Errors: as for `run`, as the `exception_ptr`.
/// Cancellation: any type emitted on the handler's slot asks the run to stop; the handler is called when all has ended.
/// Thread safety: may be called from any thread. What `options` points to must outlive the run.
template <class Executor, class A, class Token>
auto run_async(Executor&& ex, A&& inv, const run_options& options, Token&& token) {
  detail::check_runnable<A&&>();
  using signature = detail::run_signature<detail::run_value_t<A>>;
  if constexpr (std::is_convertible_v<Executor, boost::asio::execution_context&>)
    return detail::initiate_run<signature, std::remove_cvref_t<A>>(
        ex.get_executor(), std::forward<A>(inv), options, std::forward<Token>(token));
  else
    return detail::initiate_run<signature, std::remove_cvref_t<A>>(
        ex, std::forward<A>(inv), options, std::forward<Token>(token));
}

}  // namespace aethergraph
