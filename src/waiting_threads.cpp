#include "aethergraph/detail/waiting_threads.hpp"

#include <condition_variable>
#include <utility>

namespace aethergraph::detail {

struct waiting_threads::waiter {
  explicit waiter(waiter* n) noexcept : next(n) {}
  waiter* next;
  bool is_woken = false;
  std::condition_variable woken;
};

bool waiting_threads::wait_once(std::unique_lock<std::mutex>& lock, std::chrono::system_clock::time_point end) {
  waiter here(first_);
  first_ = &here;
  const auto is_woken = [&here] { return here.is_woken; };
  if (end == std::chrono::system_clock::time_point::max()) here.woken.wait(lock, is_woken);
  else if (!here.woken.wait_until(lock, end, is_woken)) {
    waiter** at = &first_;
    while (*at != &here) at = &(*at)->next;
    *at = here.next;
  }
  return here.is_woken;
}

void waiting_threads::notify_all() noexcept {
  waiter* w = std::exchange(first_, nullptr);
  while (w) {
    waiter* const next = w->next;
    w->is_woken = true;
    w->woken.notify_one();  // under the mutex, so that it is still there
    w = next;
  }
}

}  // namespace aethergraph::detail
