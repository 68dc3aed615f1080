// one_shot: something that happens once, and who waits for it.
#pragma once

#include <mutex>

#include "aethergraph/detail/operation.hpp"
#include "aethergraph/detail/waiting_threads.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph::detail {

/// Happens once. Threads and tasks of any run may wait for it. Any thread.
// Invariant: waiters are queued only while it has not happened.
class one_shot {
 public:
  struct waiter : ready_item {
    waiter* previous = nullptr;
    waiter* next = nullptr;
    loop* home = nullptr;
    bool is_queued = false;  // under the mutex
  };

  one_shot() = default;
  one_shot(const one_shot&) = delete;
  one_shot& operator=(const one_shot&) = delete;
  ~one_shot() = default;

  /// It has happened: whoever waits goes on, each on its own executor.
  void set() noexcept;
  [[nodiscard]] bool is_set() const;
  void wait() const;
  /// False: it has not happened in that time.
  [[nodiscard]] bool wait_for(duration d) const;

  /// False: it has happened already.
  [[nodiscard]] bool add(waiter& w);
  /// False: it has happened, and the waiter is being told.
  bool remove(waiter& w) noexcept;

 private:
  mutable std::mutex mutex_;
  mutable waiting_threads happened_;
  bool is_set_ = false;
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

/// Awaiting a one_shot in a task.
class one_shot_wait : public one_shot::waiter, public cancellable_wait {
 public:
  /// True: it has happened already, or could not be waited for.
  bool start(one_shot& s, const char* what, environment& e, receiver& r) noexcept;
  one_shot_wait() = default;
  one_shot_wait(const one_shot_wait&) = delete;
  one_shot_wait& operator=(const one_shot_wait&) = delete;
  ~one_shot_wait();
  /// Why it was not waited for to the end, or null.
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }
  void refuse(const std::exception_ptr& e) noexcept { error_ = e; }

 private:
  one_shot* awaited_ = nullptr;  // while it waits
  scope* scope_ = nullptr;
  receiver* parent_ = nullptr;
  std::exception_ptr error_;
};

}  // namespace aethergraph::detail
