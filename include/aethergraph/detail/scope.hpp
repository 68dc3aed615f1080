// Cancellation scopes: who is asked to stop together, and what waits that such a request must reach.
#pragma once

#include <exception>

#include "aethergraph/detail/loop.hpp"
#include "aethergraph/error.hpp"

namespace aethergraph::detail {

class run_state;
class scope;
struct call_state;
struct sequence;

/// What a coroutine inherits from whoever awaits it.
struct environment {
  scope* cancellation = nullptr;
  call_state* current_call = nullptr;  // the tool call whose body this is part of; null in the body of a run
  sequence* steps = nullptr;           // where what is awaited here stands; null when the run is not recorded
};

/// A suspension that cancellation can end. Linked into its scope while it lasts.
struct cancellable_wait {
  cancellable_wait* previous_wait = nullptr;
  cancellable_wait* next_wait = nullptr;
  // Called once at most, already unlinked. It must lead to the end of the wait, soon or (for a foreign operation that
  // takes its time) late, and must not resume anything itself.
  void (*on_cancel)(cancellable_wait&) noexcept = nullptr;
  // For whoever asks what a run waits for:
  const char* waits_for = nullptr;
  call_state* waiting_call = nullptr;  // null: the body of the run itself
};

/// A node of the tree of scopes. A run, each group of children that ends together, `timeout` and `shielded` have one.
///
/// Only used on the loop's strand. It lives in the operation that opened it and is closed before that ends.
// Invariant: stop_error_ is set in each open descendant of a stopped scope that no shield stands above;
//            waits_ is empty once stop_error_ is set and the request has been delivered.
class scope : public environment {
 public:
  scope() noexcept { cancellation = this; }
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;
  ~scope() = default;  // a torn-down run drops its scopes as they are: whatever they link to goes with them

  /// Opens this scope below another: it inherits the caller and, unless shielded, a request to stop.
  void open(const environment& outer, bool is_shielded = false) noexcept;
  /// Opens this scope as the root of a tree.
  void open_root(loop& l) noexcept { loop_ = &l; }
  void close() noexcept;

  [[nodiscard]] bool is_stopped() const noexcept { return stop_error_ != nullptr; }
  /// The `cancelled` exception that ends waits in this scope; null while it is not asked to stop.
  [[nodiscard]] const std::exception_ptr& stop_error() const noexcept { return stop_error_; }

  /// When this scope will be asked to stop, at the latest, by a deadline or timeout of its own or further out; the end
  /// of time: never.
  [[nodiscard]] time_point deadline() const noexcept { return deadline_; }
  void tighten_deadline(time_point at) noexcept { deadline_ = at < deadline_ ? at : deadline_; }

  /// Asks everything in this scope to stop. Later requests change nothing.
  void cancel(const std::exception_ptr& stop_error) noexcept;

  /// Calls `fn(scope, wait)` for each wait in this scope and those in it.
  template <class Fn>
  void for_each_wait(Fn fn) const {
    const scope* s = this;
    for (;;) {
      for (cancellable_wait* w = s->waits_; w; w = w->next_wait) fn(*s, *w);
      if (s->first_child_) {
        s = s->first_child_;
        continue;
      }
      while (s != this && !s->next_sibling_) s = s->parent_;
      if (s == this) return;
      s = s->next_sibling_;
    }
  }

  [[nodiscard]] run_state& run() const noexcept { return *run_; }
  [[nodiscard]] loop& home() const noexcept { return *loop_; }

  void add_wait(cancellable_wait& w, const char* what, call_state* waiting_call) noexcept {
    w.waits_for = what;
    w.waiting_call = waiting_call;
    w.previous_wait = nullptr;
    w.next_wait = waits_;
    if (waits_) waits_->previous_wait = &w;
    waits_ = &w;
  }
  void remove_wait(cancellable_wait& w) noexcept {
    if (w.previous_wait) w.previous_wait->next_wait = w.next_wait;
    else if (waits_ == &w) waits_ = w.next_wait;
    else return;  // cancellation has unlinked it already
    if (w.next_wait) w.next_wait->previous_wait = w.previous_wait;
    w.previous_wait = nullptr;
  }

 protected:
  explicit scope(run_state& self) noexcept : run_(&self) { cancellation = this; }

 private:
  void stop_here(const std::exception_ptr& stop_error) noexcept;

  run_state* run_ = nullptr;  // inherited from the outer scope, except by a run, which is its own
  loop* loop_ = nullptr;
  scope* parent_ = nullptr;
  scope* first_child_ = nullptr;
  scope* next_sibling_ = nullptr;
  scope* previous_sibling_ = nullptr;
  cancellable_wait* waits_ = nullptr;
  std::exception_ptr stop_error_;
  time_point deadline_ = time_point::max();
  bool is_shielded_ = false;
};

/// Whether an exception is the library's `cancelled`.
[[nodiscard]] bool is_cancellation(const std::exception_ptr& e) noexcept;

/// Why a scope was asked to stop.
enum class stop_reason { asked_by_caller, deadline, timeout, sibling_failed, lost_race, handler_threw, deadlock };

/// The `cancelled` that says so: one object a reason, made once, so that stopping allocates nothing.
[[nodiscard]] const std::exception_ptr& cancelled_because(stop_reason why) noexcept;

}  // namespace aethergraph::detail
