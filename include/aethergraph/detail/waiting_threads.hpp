// waiting_threads: a condition variable that takes no more than a pointer where nobody waits, and whose header costs
// little.
#pragma once

#include <chrono>
#include <mutex>

namespace aethergraph::detail {

/// Threads that wait for something under a mutex of somebody else's. All members are called under it.
// Invariant: each of the list waits, and has not been woken.
class waiting_threads {
 public:
  waiting_threads() = default;
  waiting_threads(const waiting_threads&) = delete;
  waiting_threads& operator=(const waiting_threads&) = delete;

  template <class Condition>
  void wait(std::unique_lock<std::mutex>& lock, Condition is_met) {
    while (!is_met()) static_cast<void>(wait_once(lock, std::chrono::system_clock::time_point::max()));
  }
  /// False: it is not met by then.
  template <class Condition>
  [[nodiscard]] bool wait_until(
      std::unique_lock<std::mutex>& lock, std::chrono::system_clock::time_point end, Condition is_met) {
    while (!is_met())
      if (!wait_once(lock, end)) return is_met();
    return true;
  }
  void notify_all() noexcept;

 private:
  struct waiter;
  /// False: it is that time.
  bool wait_once(std::unique_lock<std::mutex>& lock, std::chrono::system_clock::time_point end);

  waiter* first_ = nullptr;
};

}  // namespace aethergraph::detail
