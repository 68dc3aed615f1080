#include "aethergraph/detail/scope.hpp"

#include <array>
#include <cstddef>

#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

void scope::open(const environment& outer, bool is_shielded) noexcept {
  scope& above = *outer.cancellation;
  current_call = outer.current_call;
  steps = outer.steps;
  if (!run_) run_ = above.run_;
  loop_ = above.loop_;
  parent_ = &above;
  is_shielded_ = is_shielded;
  if (!is_shielded) {
    stop_error_ = above.stop_error_;
    deadline_ = above.deadline_;
  }
  previous_sibling_ = nullptr;
  next_sibling_ = above.first_child_;
  if (next_sibling_) next_sibling_->previous_sibling_ = this;
  above.first_child_ = this;
}

void scope::close() noexcept {
  if (!parent_) return;
  (previous_sibling_ ? previous_sibling_->next_sibling_ : parent_->first_child_) = next_sibling_;
  if (next_sibling_) next_sibling_->previous_sibling_ = previous_sibling_;
  parent_ = nullptr;
}

void scope::stop_here(const std::exception_ptr& stop_error) noexcept {
  stop_error_ = stop_error;
  while (waits_) {
    cancellable_wait& w = *waits_;
    remove_wait(w);
    w.on_cancel(w);
  }
}

void scope::cancel(const std::exception_ptr& stop_error) noexcept {
  if (is_stopped()) return;
  run_->note_stop_requested();
  // Every scope of the subtree, without recursion: down first, then right, then up. Cancelling a wait closes no scope,
  // since it resumes nothing.
  scope* s = this;
  for (;;) {
    const bool enter = s == this || (!s->is_shielded_ && !s->is_stopped());
    if (enter) s->stop_here(stop_error);
    if (enter && s != this && s == s->run_) s->run_->note_stop_requested();  // a nested run, with observers of its own
    if (enter && s->first_child_) {
      s = s->first_child_;
      continue;
    }
    while (s != this && !s->next_sibling_) s = s->parent_;
    if (s == this) return;
    s = s->next_sibling_;
  }
}

namespace {
const auto& all_reasons() noexcept {
  static const auto& reasons = *new std::array{std::make_exception_ptr(cancelled("cancelled by the caller of the run")),
      std::make_exception_ptr(cancelled("cancelled: the deadline of the run has passed")),
      std::make_exception_ptr(cancelled("cancelled: it took longer than its timeout")),
      std::make_exception_ptr(cancelled("cancelled: something that was awaited with it failed")),
      std::make_exception_ptr(cancelled("cancelled: it lost a race")),
      std::make_exception_ptr(cancelled("cancelled: a handler on the executor of the run threw")),
      std::make_exception_ptr(cancelled("cancelled: nothing that the run waits for can happen any more"))};
  return reasons;
}
}  // namespace

bool is_cancellation(const std::exception_ptr& e) noexcept {
  // Mostly it is one of the library's own, and to throw it again would cost a microsecond.
  for (const std::exception_ptr& reason : all_reasons())
    if (e == reason) return true;
  try {
    std::rethrow_exception(e);
  } catch (const cancelled&) {
    return true;
  } catch (...) {
    return false;
  }
}

const std::exception_ptr& cancelled_because(stop_reason why) noexcept {
  return all_reasons()[static_cast<std::size_t>(why)];
}

}  // namespace aethergraph::detail
