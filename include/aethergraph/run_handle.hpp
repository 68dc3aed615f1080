// run_handle: a run that was started on a runtime.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "aethergraph/detail/hosted_run.hpp"
#include "aethergraph/task_graph.hpp"

namespace aethergraph {

/// A run that `start` has started on a `runtime`, from outside. Cheap to copy; all copies mean the same run.
///
/// Dropping it detaches: the runtime owns the run, which goes on to its end.
/// `co_await handle` in a task, any number of times, gives what `get()` gives.
/// Errors: what the run failed with, each time; `cancelled` if the executor of the runtime was destroyed first.
/// Cancellation: of the task that awaits: it goes on without the result, and the run goes on too.
/// Thread safety: any thread. Slot: none for awaiting.
template <class R>
class run_handle {
 public:
  using value_type = R;

  /// A handle of no run: only to be assigned to.
  run_handle() noexcept = default;

  /// Used by `start`.
  explicit run_handle(std::shared_ptr<detail::hosted<R>> run) noexcept : run_(std::move(run)) {}

  /// Whether it is the handle of a run.
  [[nodiscard]] bool is_valid() const noexcept { return run_ != nullptr; }
  /// The identity of the run, such as "batch_agent#17".
  [[nodiscard]] const std::string& id() const { return run().id(); }
  /// Asks the run to stop. Twice, late, from any thread: harmless.
  void cancel() const { run().cancel(); }
  /// Whether it has ended.
  [[nodiscard]] bool done() const { return run().ended.is_set(); }
  /// Its nodes: as they stand now, between two steps of the run, or as they ended. Waits while a body computes.
  [[nodiscard]] task_graph graph() const { return run().graph(); }

  /// Blocks the calling thread until the run has ended. Errors: `error` inside a run, or on a thread that a runtime
  /// owns, which it would block.
  void wait() const {
    detail::refuse_blocking_wait();
    run().ended.wait();
  }
  /// The same, up to so long. Whether it has ended.
  bool wait_for(duration d) const {
    detail::refuse_blocking_wait();
    return run().ended.wait_for(d);
  }
  /// Waits for its result: a copy, or of a type that cannot be copied the result itself, once.
  R get() const {
    wait();
    return run().take();
  }

 private:
  template <class>
  friend class detail::operation;

  [[nodiscard]] detail::hosted<R>& run() const {
    if (!run_) throw error("this run_handle is empty: it was made without a run, or moved from");
    return *run_;
  }

  std::shared_ptr<detail::hosted<R>> run_;
};

namespace detail {

template <class R>
class operation<run_handle<R>> {
 public:
  using result_type = R;
  static constexpr bool may_be_awaited_again = true;

  explicit operation(const run_handle<R>& h) noexcept : run_(h.run_) {}

  bool start(environment& e, receiver& r) noexcept {
    if (!run_) {
      wait_.refuse(std::make_exception_ptr(aethergraph::error("an empty run_handle was awaited")));
      return true;
    }
    return wait_.start(run_->ended, "another run", e, r);
  }
  R take() {
    if (wait_.error()) std::rethrow_exception(wait_.error());
    return run_->take();
  }
  [[nodiscard]] const std::exception_ptr& error() const noexcept {
    return wait_.error() ? wait_.error() : run_->failure();
  }
  void refuse(const std::exception_ptr& e) noexcept { wait_.refuse(e); }

 private:
  std::shared_ptr<hosted<R>> run_;
  one_shot_wait wait_;
};

}  // namespace detail
}  // namespace aethergraph
