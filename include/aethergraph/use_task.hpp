// use_task, and everything else of Asio that a task can await.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <tuple>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/operation.hpp"
#include "aethergraph/detail/signature.hpp"

namespace aethergraph {

/// A completion token: `co_await timer.async_wait(ag::use_task)` in a `task`.
///
/// Completion: what comes after a leading `error_code` or `exception_ptr`, as a value, or a tuple of several.
/// Errors: an `error_code` is thrown as `boost::system::system_error` (wrap the token in `as_tuple` to get it as a
/// value). Cancellation: the operation gets `terminal`; when it ends with "operation aborted", the `co_await` throws
/// `cancelled`. Slot: none.
struct use_task_t {
  constexpr use_task_t() {}
};
inline constexpr use_task_t use_task{};

namespace detail {

template <class E>
concept asio_error = std::same_as<E, boost::system::error_code> || std::same_as<E, std::exception_ptr>;

/// What a completion signature gives to a `co_await`.
template <class... Values>
struct completion_values {
  using type = std::tuple<Values...>;
};
template <>
struct completion_values<> {
  using type = void;
};
template <class Value>
struct completion_values<Value> {
  using type = Value;
};
template <class Signature>
struct completion;
template <class... A>
struct completion<void(A...)> : completion_values<std::decay_t<A>...> {};
template <asio_error E, class... A>
struct completion<void(E, A...)> : completion_values<std::decay_t<A>...> {};

[[nodiscard]] inline bool is_aborted(const boost::system::error_code& ec) noexcept {
  return ec == boost::system::errc::operation_canceled;
}
[[nodiscard]] bool is_aborted(const std::exception_ptr& e) noexcept;
[[nodiscard]] inline std::exception_ptr as_exception(const boost::system::error_code& ec) {
  return std::make_exception_ptr(boost::system::system_error(ec));
}
[[nodiscard]] inline std::exception_ptr as_exception(std::exception_ptr e) noexcept { return e; }

/// An Asio operation under way, without its result.
class asio_wait : public ready_item, public cancellable_wait {
 public:
  [[nodiscard]] loop& home() const noexcept { return scope_->home(); }
  [[nodiscard]] boost::asio::cancellation_slot slot() noexcept { return signal_.slot(); }

 protected:
  void enter(environment& e, receiver& r);
  void leave() noexcept;
  /// A request to stop reaches the operation only from `deliver_requests` on; whoever calls that asks for earlier ones.
  void hold_requests() noexcept {
    on_cancel = [](cancellable_wait&) noexcept {};
  }
  void deliver_requests() noexcept;
  /// The operation has ended: whoever awaits is told by the loop.
  void end() noexcept {
    loop& l = home();
    {
      const loop::quiet guard(l);
      leave();
      l.make_ready(*this);
    }
    l.wake();
  }
  [[nodiscard]] const scope& cancellation() const noexcept { return *scope_; }

 private:
  scope* scope_ = nullptr;
  receiver* parent_ = nullptr;
  boost::asio::cancellation_signal signal_;
};

/// The completion handler of an operation. It keeps the run alive: an io_context that is destroyed first destroys its
/// handlers, and with the last of them goes the run.
template <class Operation, class Signature>
class asio_handler;

template <class Operation, class R, class... Args>
class asio_handler<Operation, R(Args...)> {
 public:
  using executor_type = boost::asio::any_io_executor;
  using cancellation_slot_type = boost::asio::cancellation_slot;

  explicit asio_handler(Operation& op) : operation_(&op), loop_(op.home()) {}

  [[nodiscard]] executor_type get_executor() const { return loop_->handler_executor(); }
  [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept { return operation_->slot(); }

  void operator()(std::decay_t<Args>... a) {
    // Whatever is left of this handler, on whichever thread, no longer concerns the run.
    loop_reference here = std::move(loop_);
    if (here->is_on_strand()) [[likely]] {
      operation_->complete(std::move(a)...);
      return;
    }
    // Whoever completes did not care for the associated executor.
    const executor_type ex = here->tracked_executor();
    boost::asio::post(ex, [here = std::move(here), op = operation_,
                              values = std::tuple<std::decay_t<Args>...>(std::move(a)...)]() mutable {
      std::apply([op](auto&... v) { op->complete(std::move(v)...); }, values);
    });
  }

 private:
  Operation* operation_;
  loop_reference loop_;
};

/// The completion handler of a coroutine that is spawned on the executor of the run. It has no executor of its own, so
/// that Asio completes it there, and hands a request to stop on at once: with one, the request would be posted, with a
/// plain pointer into the slot, and arrive when the operation and its slot may be gone.
template <class Operation>
class spawn_handler {
 public:
  using cancellation_slot_type = boost::asio::cancellation_slot;

  explicit spawn_handler(Operation& op) : operation_(&op), loop_(op.home()) {}

  [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept { return operation_->slot(); }

  void operator()(std::exception_ptr e) {
    const loop_reference here = std::move(loop_);
    operation_->complete(std::move(e));
  }

 private:
  Operation* operation_;
  loop_reference loop_;
};

/// One awaiting of an Asio operation. `Start` takes the completion handler and initiates.
template <class Signature, class Start>
class asio_operation : public asio_wait, public resulting<typename completion<Signature>::type> {
 public:
  explicit asio_operation(Start&& start) noexcept : start_(std::move(start)) {}

  bool start(environment& e, receiver& r) noexcept {
    try {
      this->enter(e, r);
      std::move(start_)(asio_handler<asio_operation, Signature>(*this));
      return false;
    } catch (...) {
      this->leave();
      this->outcome.fail(std::current_exception());
      return true;
    }
  }

  template <class... A>
  void complete(A... a) noexcept {
    try {
      settle(std::move(a)...);
    } catch (...) {
      this->outcome.fail(std::current_exception());
    }
    this->end();
  }

 private:
  template <class... A>
  void settle(A... a) {
    this->outcome.emplace(std::move(a)...);
  }
  template <asio_error E, class... A>
  void settle(E e, A... a) {
    if (!e) this->outcome.emplace(std::move(a)...);
    else if (this->cancellation().is_stopped() && is_aborted(e)) this->outcome.fail(this->cancellation().stop_error());
    else this->outcome.fail(as_exception(std::move(e)));
  }

  Start start_;
};

/// What an initiating function returns for `use_task`.
template <class Signature, class Start>
class [[nodiscard("an operation that is not awaited never starts")]] asio_awaitable {
 public:
  explicit asio_awaitable(Start start) : start_(std::move(start)) {}

 private:
  friend operation<asio_awaitable>;
  Start start_;
};

template <class Signature, class Start>
class operation<asio_awaitable<Signature, Start>> : public asio_operation<Signature, Start> {
 public:
  explicit operation(asio_awaitable<Signature, Start>& a) noexcept
      : asio_operation<Signature, Start>(std::move(a.start_)) {}
};

template <class T>
concept asio_deferred = boost::asio::is_deferred<T>::value;

template <asio_deferred D>
class operation<D> : public asio_operation<typename boost::asio::completion_signature_of<D>::type, D> {
 public:
  explicit operation(D& d) : asio_operation<typename boost::asio::completion_signature_of<D>::type, D>(std::move(d)) {}
};

/// A coroutine of Asio's as an operation: it is spawned on the executor of the run.
// co_spawn of Boost 1.81 drops a coroutine, and its handler, when an await of its own throws because it was asked to
// stop: those before and behind the coroutine that it is given. So a request waits until that has begun, and is no
// longer heeded once it has ended.
template <class T, class Executor>
class operation<boost::asio::awaitable<T, Executor>> : public asio_wait, public resulting<T> {
 public:
  explicit operation(boost::asio::awaitable<T, Executor>& a) noexcept : awaitable_(std::move(a)) {}

  bool start(environment& e, receiver& r) noexcept {
    try {
      this->enter(e, r);
      this->hold_requests();
      const auto begin = [this] {
        this->deliver_requests();
        return keep_outcome(*this);
      };
      boost::asio::co_spawn(Executor(this->home().executor()), begin, spawn_handler<operation>(*this));
      return false;
    } catch (...) {
      this->leave();
      this->outcome.fail(std::current_exception());
      return true;
    }
  }

  void complete(std::exception_ptr e) noexcept {
    if (e) this->outcome.fail(std::move(e));
    this->end();
  }

 private:
  static boost::asio::awaitable<void, Executor> keep_outcome(operation& op) {
    try {
      if (op.cancellation().is_stopped()) std::rethrow_exception(op.cancellation().stop_error());
      if constexpr (std::is_void_v<T>) {
        co_await std::move(op.awaitable_);
        op.outcome.emplace();
      } else {
        op.outcome.emplace(co_await std::move(op.awaitable_));
      }
    } catch (...) {
      const bool stopped = op.cancellation().is_stopped() && is_aborted(std::current_exception());
      op.outcome.fail(stopped ? op.cancellation().stop_error() : std::current_exception());
    }
    co_await boost::asio::this_coro::throw_if_cancelled(false);
  }

  boost::asio::awaitable<T, Executor> awaitable_;
};

}  // namespace detail
}  // namespace aethergraph

template <class... Signatures>
struct boost::asio::async_result<aethergraph::use_task_t, Signatures...> {
  template <class Initiation, class... Args>
  static auto initiate(Initiation&& initiation, aethergraph::use_task_t, Args&&... args) {
    auto start = [initiation = std::decay_t<Initiation>(std::forward<Initiation>(initiation)),
                     arguments = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)](auto handler) mutable {
      std::apply([&](auto&... a) { std::move(initiation)(std::move(handler), std::move(a)...); }, arguments);
    };
    return aethergraph::detail::asio_awaitable<std::tuple_element_t<0, std::tuple<Signatures...>>, decltype(start)>{
        std::move(start)};
  }
};
