#include "aethergraph/resource_pool.hpp"

#include <fmt/format.h>

#include <atomic>
#include <utility>

#include "aethergraph/detail/loop.hpp"
#include "aethergraph/error.hpp"

namespace aethergraph {

namespace {

std::size_t checked_capacity(std::string_view name, std::ptrdiff_t capacity) {
  if (name.empty()) throw option_error("a resource_pool has an empty name; give it a name such as \"gpu\"");
  if (capacity < 1)
    throw option_error(fmt::format("resource_pool '{}' has a capacity of {}; it must be at least 1", name, capacity));
  return static_cast<std::size_t>(capacity);
}

std::uint64_t next_rank() noexcept {
  static std::atomic<std::uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: only the number matters
}

}  // namespace

resource_pool::resource_pool(std::string_view name, std::ptrdiff_t capacity)
    : name_(name), capacity_(checked_capacity(name, capacity)), rank_(next_rank()), free_(capacity_) {}

resource_pool::figures resource_pool::now() const {
  const std::lock_guard lock(mutex_);
  return {capacity_ - free_, waiting_, waited_total_};
}

void resource_pool::unlink(detail::pool_waiter& w) noexcept {
  (w.previous ? w.previous->next : first_) = w.next;
  (w.next ? w.next->previous : last_) = w.previous;
  w.is_queued = false;
  --waiting_;
  wanting_news_ -= std::exchange(w.wants_news, false);
}

bool resource_pool::take_or_wait(detail::pool_waiter& w) {
  const std::lock_guard lock(mutex_);
  if (!first_ && w.weight <= free_) {
    free_ -= w.weight;
    return true;
  }
  w.previous = last_;
  w.next = nullptr;
  (last_ ? last_->next : first_) = &w;
  last_ = &w;
  w.is_queued = true;
  ++waiting_;
  ++waited_total_;
  return false;
}

void resource_pool::grant() noexcept {
  while (first_ && first_->weight <= free_) {
    detail::pool_waiter& w = *first_;
    unlink(w);
    free_ -= w.weight;
    w.is_granted = true;
    // Under the lock: a waiter that was unlinked cannot go before it has been made ready. Its run's executor exists
    // already, so this only posts.
    w.home->make_ready_from_anywhere(w);
  }
}

void resource_pool::give_back(std::size_t weight) noexcept {
  const std::lock_guard lock(mutex_);
  free_ += weight;
  grant();
  for (detail::pool_waiter* w = first_; w && wanting_news_ > 0; w = w->next)
    if (std::exchange(w->wants_news, false)) {
      --wanting_news_;
      w->home->wake_from_anywhere();
    }
}

bool resource_pool::leave(detail::pool_waiter& w) noexcept {
  const std::lock_guard lock(mutex_);
  if (!w.is_queued) return false;
  unlink(w);
  grant();  // who came behind may need less
  return true;
}

bool resource_pool::is_in_use(std::size_t permits, detail::pool_waiter& w) noexcept {
  const std::lock_guard lock(mutex_);
  if (capacity_ - free_ == permits) return true;
  if (w.is_queued && !std::exchange(w.wants_news, true)) ++wanting_news_;
  return false;
}

}  // namespace aethergraph
