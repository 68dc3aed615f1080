// Immediate mode: a call that is awaited outside any run, by a coroutine of Asio's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/version.hpp>
#include <climits>
#include <optional>
#include <utility>

#include "aethergraph/detail/async_run.hpp"

#if BOOST_VERSION < 108200

namespace aethergraph::detail {

/// Boost 1.81 cannot await an operation of `void(exception_ptr, T)` from an `awaitable` (its handler tests a struct for
/// truth). The return type of a completion signature is free, so ours is marked, and the handler below is ours.
template <class R>
struct immediate_mark {};

template <class R>
struct immediate_run {
  using type = immediate_mark<R>(std::exception_ptr, std::optional<R>);
  static auto arguments(result<R>&& r) {
    if (r.has_value()) return std::tuple<std::exception_ptr, std::optional<R>>(nullptr, std::move(r).value());
    return std::tuple<std::exception_ptr, std::optional<R>>(r.error(), std::nullopt);
  }
};
template <>
struct immediate_run<void> : run_signature<void> {};

}  // namespace aethergraph::detail

template <class R, class Executor>
class boost::asio::detail::awaitable_async_op_handler<
    aethergraph::detail::immediate_mark<R>(std::exception_ptr, std::optional<R>), Executor>
    : public awaitable_thread<Executor> {
 public:
  struct result_type {
    std::exception_ptr* error;
    std::optional<R>* value;
  };

  awaitable_async_op_handler(awaitable_thread<Executor>* h, result_type& result)
      : awaitable_thread<Executor>(std::move(*h)), result_(result) {}

  void operator()(std::exception_ptr error, std::optional<R> value) {
    result_.error = &error;
    result_.value = &value;
    this->entry_point()->top_of_stack_->attach_thread(this);
    this->entry_point()->top_of_stack_->clear_cancellation_slot();
    this->pump();
  }

  static R resume(result_type& result) {
    if (*result.error) std::rethrow_exception(std::exchange(*result.error, nullptr));
    return std::move(**result.value);
  }

 private:
  result_type& result_;
};

#else

namespace aethergraph::detail {
template <class R>
using immediate_run = run_signature<R>;
}  // namespace aethergraph::detail

#endif

namespace aethergraph::detail {

template <class R>
using immediate_signature = typename immediate_run<R>::type;

/// Runs a call on the associated executor of whoever awaits it, in a run of its own without a cap.
template <class Call, class Token>
auto run_immediately(Call&& call, Token&& token) {
  using signature = immediate_run<typename std::remove_cvref_t<Call>::value_type>;
  return boost::asio::async_initiate<Token, typename signature::type>([](auto handler, auto c) {
    const boost::asio::any_io_executor ex =
        boost::asio::get_associated_executor(handler, boost::asio::system_executor());
    auto* run = new async_run<decltype(c), decltype(handler), signature>(
        ex, std::move(c), {.max_concurrency = INT_MAX}, std::move(handler));
    run->begin();
  }, token, std::forward<Call>(call));
}

}  // namespace aethergraph::detail
