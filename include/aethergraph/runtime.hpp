// runtime, start: where runs live that a server hosts.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "aethergraph/detail/owned.hpp"
#include "aethergraph/key_value_store.hpp"
#include "aethergraph/run.hpp"
#include "aethergraph/run_handle.hpp"
#include "aethergraph/services.hpp"

namespace aethergraph {

/// Options of a runtime. What they point to must outlive it.
struct runtime_options {
  /// Threads of its own, at least 1. Of no meaning with a borrowed executor.
  int threads = 1;
  /// How many tool bodies may be in flight in all its runs together, at least 1; runs with waiting calls are served in
  /// turn. Unset: each run's own cap only.
  std::optional<int> max_concurrency = {};
  /// Where `ctx.channel()` leads in runs that name none. Null: the console.
  aethergraph::channel* channel = nullptr;
  /// Receives the events of all its runs. More: `add_observer`.
  aethergraph::observer* observer = nullptr;
  /// Where `ctx.logger()` writes in runs that name none. Null: standard error.
  aethergraph::logger* logger = nullptr;
  /// Worker threads of its own for tools with `.workers = true`; 0: those that the whole process shares, one a core.
  int workers = 0;
};
static_assert(detail::option_struct<runtime_options>);

/// A live run in the list of its runtime.
struct run_info {
  std::string id;            ///< such as "batch_agent#17"
  std::string name;          ///< the agent's name
  duration age{};            ///< since it was started
  bool is_stopping = false;  ///< it was asked to stop by its handle or the runtime
};

namespace detail {
class runtime_state;
class own_threads;
void delete_threads(own_threads* t) noexcept;
}  // namespace detail

/// Hosts any number of runs at once: their threads or executor, a cap over all of them, services, and the list of
/// those that live.
///
/// By default it owns its threads. Or it borrows: an `io_context`, a `thread_pool`, any executor, each run on a strand
/// of its own. A borrowed context must be run by somebody; runs keep it from running out of work.
/// When a borrowed context is destroyed first, it takes the runs with it: their handles get `cancelled`.
///
/// Destructor: cancels its live runs and waits for them (not for those on a borrowed `io_context` that was stopped:
/// they wait there until it is run again, or go with it). It must not run on one of the runtime's own threads.
/// Thread safety: any thread.
class runtime {
 public:
  /// With threads of its own. Errors: `option_error`.
  runtime() : runtime(runtime_options{}) {}
  explicit runtime(const runtime_options& options);
  /// On a borrowed executor, or on that of a context (`io_context`, `thread_pool`). Errors: `option_error`.
  template <class ExecutorOrContext>
    requires(!std::same_as<std::remove_cvref_t<ExecutorOrContext>, runtime_options> &&
             !std::same_as<std::remove_cvref_t<ExecutorOrContext>, runtime>)
  explicit runtime(ExecutorOrContext&& where, const runtime_options& options = {})
      : runtime(executor_of(where), options, borrowed_t{}) {}
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;
  ~runtime();

  /// The executor that its runs have their strands on.
  [[nodiscard]] boost::asio::any_io_executor executor() const;
  /// The application's objects, for `ctx.service<T>()` in all its runs.
  [[nodiscard]] aethergraph::services& services() noexcept;
  /// What all its runs keep for one another: `ctx.runtime_kv()`.
  [[nodiscard]] key_value_store& kv() noexcept;
  /// From now on, runs that are started tell this one too. It must outlive them.
  void add_observer(observer& o);

  /// The live runs, oldest first.
  [[nodiscard]] std::vector<run_info> runs() const;
  /// How many tool bodies hold a permit now; 0 without a `max_concurrency`.
  [[nodiscard]] std::size_t permits_held() const;
  /// Asks the run with this id to stop. False: there is no such live run.
  bool cancel(std::string_view run_id);
  /// Asks all live runs to stop.
  void cancel_all();

  class drain_awaitable;
  /// Awaited in a task (of a run elsewhere), ends when there is no live run. Cancellation: stops waiting.
  [[nodiscard]] drain_awaitable drain() const;

  /// Takes no more runs, asks the live ones to stop, and waits for them, up to so long. Blocks the calling thread.
  /// Returns: what has not ended by then, such as "fetch#3 of batch_agent#17": nothing is abandoned, call it again.
  /// Errors: `error` inside a run, or on a thread that a runtime owns.
  std::vector<std::string> shutdown(duration patience);

  /// Who waits for what: the live runs with their slots, their calls and what those wait for, as text for people.
  /// In production, at any time: a run whose body computes is waited for up to 100 ms, then said to be busy.
  [[nodiscard]] std::string dump() const;

 private:
  friend detail::runtime_state;

  struct borrowed_t {};
  runtime(boost::asio::any_io_executor ex, const runtime_options& options, borrowed_t);

  template <class ExecutorOrContext>
  static boost::asio::any_io_executor executor_of(ExecutorOrContext& where) {
    if constexpr (std::is_convertible_v<ExecutorOrContext&, boost::asio::execution_context&>)
      return where.get_executor();
    else return where;
  }

  detail::owned<detail::own_threads, detail::delete_threads> threads_;  // null: borrowed
  std::shared_ptr<detail::runtime_state> state_;                        // shared with the live runs
};

/// Awaits until a runtime has no live run.
class [[nodiscard("nothing is waited for until this is awaited")]] runtime::drain_awaitable {
 public:
  explicit drain_awaitable(std::shared_ptr<detail::one_shot> idle) noexcept : idle_(std::move(idle)) {}

 private:
  friend detail::operation<drain_awaitable>;
  std::shared_ptr<detail::one_shot> idle_;
};

namespace detail {

template <>
class operation<runtime::drain_awaitable> {
 public:
  using result_type = void;

  explicit operation(runtime::drain_awaitable& d) noexcept : idle_(d.idle_) {}
  bool start(environment& e, receiver& r) noexcept { return wait_.start(*idle_, "a runtime without runs", e, r); }
  void take() const {
    if (wait_.error()) std::rethrow_exception(wait_.error());
  }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return wait_.error(); }
  void refuse(const std::exception_ptr& e) noexcept { wait_.refuse(e); }

 private:
  std::shared_ptr<one_shot> idle_;
  one_shot_wait wait_;
};

[[nodiscard]] std::shared_ptr<runtime_state> state_of(const runtime& rt) noexcept;

template <class A>
std::shared_ptr<hosted<await_result_t<A>>> start_hosted(runtime& rt, A awaited, const run_options& o) {
  auto state = std::make_shared<hosted<await_result_t<A>>>(*run_traits<A>::what(awaited), next_run_number());
  auto* run = new hosted_run<A>(rt.executor(), std::move(awaited), o, state, state_of(rt));
  run->begin();
  return state;
}

}  // namespace detail

/// Starts an invocation on a runtime, and goes on at once: nothing of it runs inside this call.
///
/// Parameters: as for `run`. What `options` points to must outlive the run.
/// Returns: a `run_handle` of its result.
/// Errors: of the run, by the handle; `error` when the runtime was shut down.
/// Cancellation: by the handle, or the runtime. Thread safety: any thread.
template <class A>
auto start(runtime& rt, A&& inv, const run_options& options = {}) {
  detail::check_runnable<A&&>();
  if constexpr (detail::consumable<A>)
    return run_handle<detail::run_value_t<A>>(
        detail::start_hosted<std::remove_cvref_t<A>>(rt, std::forward<A>(inv), options));
  else return run_handle<detail::run_value_t<A>>();
}

/// Runs an invocation on a runtime, blocks the calling thread meanwhile, and returns its result. As `run`.
///
/// Errors: as for `run`; `error` when called inside a run, or on a thread that the runtime owns.
template <class A>
detail::run_value_t<A> run(runtime& rt, A&& inv, const run_options& options = {}) {
  return try_run(rt, std::forward<A>(inv), options).value();
}

/// The same, with the outcome as a value, as `try_run`.
template <class A>
run_result<detail::run_value_t<A>> try_run(runtime& rt, A&& inv, const run_options& options = {}) {
  detail::check_runnable<A&&>();
  if constexpr (detail::consumable<A>) {
    detail::refuse_blocking_wait();
    const auto run = detail::start_hosted<std::remove_cvref_t<A>>(rt, std::forward<A>(inv), options);
    run->ended.wait();
    return run->take_outcome();
  } else {
    return {};
  }
}

}  // namespace aethergraph
