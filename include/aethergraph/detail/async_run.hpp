// A run as an Asio operation: on an executor, for any completion token.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/run_operation.hpp"
#include "aethergraph/detail/strand_loop.hpp"
#include "aethergraph/result.hpp"

namespace aethergraph::detail {

template <class R>
struct run_signature {
  using type = void(std::exception_ptr, R);
  static_assert(std::is_default_constructible_v<R> && !std::is_reference_v<R>,
      "aethergraph: a completion token gets a default-constructed result beside an exception, so the result must "
      "be a default-constructible value; return a std::optional, or await run_async(inv, options) in a task");
  static auto arguments(result<R>&& r) {
    if (r.has_value()) return std::tuple<std::exception_ptr, R>(nullptr, std::move(r).value());
    return std::tuple<std::exception_ptr, R>(r.error(), R());
  }
};
template <>
struct run_signature<void> {
  using type = void(std::exception_ptr);
  static auto arguments(result<void>&& r) { return std::tuple<std::exception_ptr>(r.error()); }
};

/// One run with its awaitable and its strand. Who derives says what becomes of the result.
template <class A>
class strand_run : public strand_loop, receiver {
 protected:
  using result_type = typename run_operation<A>::result_type;

  strand_run(const boost::asio::any_io_executor& ex, A&& awaited, const run_options& o)
      : strand_loop(ex), options_(o), awaited_(std::move(awaited)), operation_(std::in_place, *awaited_, options_) {
    on_done = [](receiver& r) noexcept { static_cast<strand_run&>(r).finished(); };
  }

  [[nodiscard]] run_operation<A>& operation() noexcept { return *operation_; }
  /// Whoever gets the result may rely on it: nothing of the run is left, its arguments included.
  void drop() noexcept {
    operation_.reset();
    awaited_.reset();
  }

 private:
  struct start_item : ready_item {
    strand_run* run = nullptr;
  };

  void start() noexcept final {
    start_.run = this;
    make_ready(start_, [](ready_item& i) noexcept {
      strand_run& self = *static_cast<start_item&>(i).run;
      if (self.operation_->start(static_cast<loop&>(self), self)) self.finished();
    });
  }
  run_state& root() noexcept final { return operation_->state(); }

  const run_options options_;
  std::optional<A> awaited_;  // both until the result is delivered
  std::optional<run_operation<A>> operation_;
  start_item start_;
};

/// A run with its completion handler. `Signature` says how the result is delivered.
template <class A, class Handler, class Signature>
class async_run final : public strand_run<A> {
  using typename strand_run<A>::result_type;
  using handler_executor = boost::asio::associated_executor_t<Handler, boost::asio::any_io_executor>;

 public:
  async_run(const boost::asio::any_io_executor& ex, A&& awaited, const run_options& o, Handler&& handler)
      : strand_run<A>(ex, std::move(awaited), o),
        handler_(std::move(handler)),
        handler_work_(boost::asio::get_associated_executor(handler_, ex)) {
    auto slot = boost::asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.assign([gate = this->gate()](boost::asio::cancellation_type) { gate->cancel(); });
  }

 private:
  void deliver() noexcept override {
    result<result_type> outcome = this->operation().take_result();
    this->drop();
    // Off the strand by way of its own executor: the handler's may be one that nothing should be posted to.
    boost::asio::post(this->inner_executor(),
        completion{std::move(handler_), Signature::arguments(std::move(outcome)), std::move(handler_work_)});
  }

  struct completion {
    Handler handler;
    decltype(Signature::arguments(std::declval<result<result_type>>())) arguments;
    boost::asio::executor_work_guard<handler_executor> handler_work;

    void operator()() {
      const handler_executor ex = handler_work.get_executor();
      boost::asio::dispatch(ex, [c = std::move(*this)]() mutable {
        // Here, where the signal's owner lives: nothing is left to cancel.
        boost::asio::get_associated_cancellation_slot(c.handler).clear();
        std::apply([&](auto&... a) { std::move(c.handler)(std::move(a)...); }, c.arguments);
      });
    }
  };

  Handler handler_;
  boost::asio::executor_work_guard<handler_executor> handler_work_;
};

template <class Signature, class A, class Executor, class Token>
auto initiate_run(Executor ex, A awaited, const run_options& o, Token&& token) {
  return boost::asio::async_initiate<Token, typename Signature::type>(
      [](auto handler, const Executor& e, A a, const run_options& options) {
    auto* run = new async_run<A, decltype(handler), Signature>(e, std::move(a), options, std::move(handler));
    run->begin();
  }, token, std::move(ex), std::move(awaited), o);
}

}  // namespace aethergraph::detail
