// What the store tells a durable run, on any thread, and how that comes to the run's strand.
#include <chrono>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

void durable_run::wake() noexcept {
  if (loop::current() == &home_ || is_woken_.exchange(true)) return;  // a step looks when it ends
  try {
    home_.wake_from_anywhere();
  } catch (...) {
    is_woken_ = false;  // the next one tries again
  }
}

void durable_run::committed(std::uint64_t count) noexcept {
  committed_ = count;
  wake();
}

void durable_run::failed(std::exception_ptr why) noexcept {
  {
    const std::lock_guard lock(messages_mutex_);
    if (!store_failure_) store_failure_ = std::move(why);
  }
  wake();
}

void durable_run::answered(std::string_view token, std::string_view answer) noexcept {
  try {
    const std::lock_guard lock(messages_mutex_);
    answers_.emplace_back(token, answer);
  } catch (...) {
    return failed(std::current_exception());
  }
  wake();
}

void durable_run::cancel_requested() noexcept {
  {
    const std::lock_guard lock(messages_mutex_);
    is_cancel_requested_ = true;
  }
  wake();
}

void durable_run::cancel_for_good() noexcept {
  is_cancelled_for_good_ = true;
  root_.cancel(cancelled_because(stop_reason::asked_by_caller));
}

void durable_run::take_messages() noexcept {
  std::vector<std::pair<std::string, std::string>> answers;
  std::exception_ptr failure;
  bool is_cancelled = false;
  {
    const std::lock_guard lock(messages_mutex_);
    answers.swap(answers_);
    failure = std::exchange(store_failure_, nullptr);
    is_cancelled = std::exchange(is_cancel_requested_, false);
  }
  if (failure) {
    has_store_failed_ = true;
    fail(std::move(failure));
  }
  if (is_cancelled && !is_closed()) cancel_for_good();
  for (auto& [token, answer] : answers) {
    const auto found = asked_.find(token);
    if (found == asked_.end() || is_closed()) continue;
    journal_event* const e = found->second.first;
    const question q = std::move(found->second.second);
    asked_.erase(found);
    if (!e) continue;
    e->answer = answer;
    fact f;
    f.kind = fact_kind::answer;
    f.name = to_string(q.kind);
    f.value = std::move(answer);
    f.ended = std::chrono::system_clock::now();
    occurred(*e, std::move(f), true);
  }
}

}  // namespace aethergraph::detail
