// resource_pool: a counted resource that tool calls of any run share, such as GPUs or connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "aethergraph/detail/ready_list.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph {

namespace detail {
class call_control;
class durable_run;
class loop;

/// A call that waits for permits of a pool.
struct pool_waiter : ready_item {
  pool_waiter* previous = nullptr;
  pool_waiter* next = nullptr;
  loop* home = nullptr;
  std::size_t weight = 1;
  bool is_queued = false;   // under the pool's mutex
  bool is_granted = false;  // likewise, until the call has seen it
  bool wants_news = false;  // likewise: its loop is to be woken when the next permits are given back
};
}  // namespace detail

/// A named number of permits. A tool with `.pool = &pool` (and `.weight = n`, 1 by default) runs its bodies only while
/// it holds so many of them; a call that waits for them holds no slot of its run.
///
/// Permits are given first come, first served. A call takes its permits and its slot together or neither: permits that
/// find no free slot pass to the next who waits. A call whose caller, or a caller of that, holds permits of the same
/// pool uses those. Pools are ranked by the order of their creation: a body that holds permits of one must not call
/// tools that need an earlier one, which could deadlock; that is an `option_error`. Thread safety: any thread; runs on
/// different threads may share it. It must outlive them.
class resource_pool {
 public:
  /// What a pool is doing.
  struct figures {
    std::size_t in_use = 0;          ///< permits that calls hold
    std::size_t waiting = 0;         ///< calls that wait for permits
    std::uint64_t waited_total = 0;  ///< calls that have had to wait, so far
  };

  /// Errors: an empty name, or a capacity below 1, is an `option_error`.
  resource_pool(std::string_view name, std::ptrdiff_t capacity);
  resource_pool(const resource_pool&) = delete;
  resource_pool& operator=(const resource_pool&) = delete;
  ~resource_pool() = default;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] figures now() const;

 private:
  friend detail::call_control;
  friend detail::durable_run;

  [[nodiscard]] std::uint64_t rank() const noexcept { return rank_; }
  /// False: the waiter stands in the queue, and will be made ready.
  [[nodiscard]] bool take_or_wait(detail::pool_waiter& w);
  void give_back(std::size_t weight) noexcept;
  /// False: it is no longer in the queue, but has permits.
  bool leave(detail::pool_waiter& w) noexcept;
  /// Whether calls hold just so many permits. False: the waiter wants news.
  [[nodiscard]] bool is_in_use(std::size_t permits, detail::pool_waiter& w) noexcept;
  void unlink(detail::pool_waiter& w) noexcept;
  void grant() noexcept;

  const std::string name_;
  const std::size_t capacity_;
  const std::uint64_t rank_;

  // Invariant: the first waiter needs more than free_; free_ and what was granted add up to capacity_.
  mutable std::mutex mutex_;
  std::size_t free_;
  std::size_t waiting_ = 0;
  std::size_t wanting_news_ = 0;  // of those that wait
  std::uint64_t waited_total_ = 0;
  detail::pool_waiter* first_ = nullptr;
  detail::pool_waiter* last_ = nullptr;
};

}  // namespace aethergraph
