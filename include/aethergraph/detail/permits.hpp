// The process-wide cap of a runtime: permits that the runs of different threads take turns at.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

#include "aethergraph/detail/frame_allocator.hpp"
#include "aethergraph/detail/ready_list.hpp"

namespace aethergraph::detail {

struct call_state;
class loop;
class permit_account;

/// The permits of one runtime, each for one tool body in flight. Any thread.
// Invariant: free_ > 0 only while no account waits; free_ and what the accounts hold add up to capacity_.
class permit_pool {
 public:
  explicit permit_pool(std::size_t permits) noexcept : capacity_(permits), free_(permits) {}
  permit_pool(const permit_pool&) = delete;
  permit_pool& operator=(const permit_pool&) = delete;
  ~permit_pool() = default;

  /// False: the account waits for its turn, and will be granted one.
  [[nodiscard]] bool take_or_wait(permit_account& a);
  /// To the next account in turn.
  void give_back(std::size_t permits) noexcept;
  /// What was granted since the last time.
  [[nodiscard]] std::size_t collect(permit_account& a) noexcept;
  /// The account waits for no more.
  void leave(permit_account& a) noexcept;

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::size_t free() const;

 private:
  void unlink(permit_account& a) noexcept;

  mutable std::mutex mutex_;
  const std::size_t capacity_;
  std::size_t free_;
  permit_account* first_ = nullptr;
  permit_account* last_ = nullptr;
};

/// What one call has to do with permits, while it waits for one or its body runs.
// Invariant: as in call_state: `children` counts the started, not yet ended calls whose caller this is.
struct permit_request {
  explicit permit_request(call_state& c, permit_request* caller_) noexcept : call(&c), caller(caller_) {}
  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* p, std::size_t size) noexcept { free_frame(p, size); }

  call_state* call;
  permit_request* caller;  // of the call that awaits it, also across nested runs
  std::size_t children = 0;
  bool is_waiting = false;
  permit_request* next = nullptr;
  permit_request* previous = nullptr;
  permit_request* next_sibling = nullptr;
  permit_request* previous_sibling = nullptr;
  permit_request* first_waiting_child = nullptr;
  permit_request* last_waiting_child = nullptr;
};

/// The permits of one root run and all that nests in it: the family rule, as between a run's slots and its calls. Used
/// on the run's strand; lives as long as its loop, since permits may be granted to a run that is over.
// Invariant: held_ is the sum of max(1, children) over the families of the calls that no call awaits.
class permit_account : ready_item {
 public:
  permit_account(std::shared_ptr<permit_pool> pool, loop& l) noexcept;
  permit_account(const permit_account&) = delete;
  permit_account& operator=(const permit_account&) = delete;
  ~permit_account();

  /// True: the call has a permit. False: it waits, and will be made ready.
  [[nodiscard]] bool acquire(permit_request& r) noexcept;
  /// The call has ended, or will not start after all.
  void release(permit_request& r) noexcept;
  /// A waiting call gives up its place.
  void leave(permit_request& r) noexcept;
  /// Nothing of the run holds or wants a permit any more: gives back those that came too late.
  void settle() noexcept;

  [[nodiscard]] std::size_t held() const noexcept { return held_; }
  /// Whether no other run has any permit.
  [[nodiscard]] bool holds_all() const noexcept { return held_ == pool_->capacity(); }

 private:
  friend permit_pool;

  void wait(permit_request& r) noexcept;
  void unlink(permit_request& r) noexcept;
  void grant(permit_request& r) noexcept;
  void hand_out() noexcept;

  std::shared_ptr<permit_pool> pool_;
  loop& loop_;
  std::size_t held_ = 0;
  permit_request* first_ = nullptr;
  permit_request* last_ = nullptr;

  // Under the pool's mutex:
  permit_account* next_in_turn_ = nullptr;
  permit_account* previous_in_turn_ = nullptr;
  bool is_in_turn_ = false;
  std::size_t granted_ = 0;  // and not collected
};
void delete_permit_account(permit_account* a) noexcept;

}  // namespace aethergraph::detail
