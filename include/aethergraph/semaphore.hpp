// semaphore: a cap of the user's own.
#pragma once

#include <cstddef>
#include <mutex>
#include <utility>

#include "aethergraph/detail/operation.hpp"
#include "aethergraph/detail/recorded_wait.hpp"

namespace aethergraph {

/// A count of permits, shared by whatever tasks its owner hands it to.
///
/// Permits are given first come, first served: a newcomer never passes one who waits.
/// Thread safety: any thread; runs on different threads may share it, and each waiter goes on on its own run's strand.
/// It must outlive its permits and waiters.
class semaphore {
 public:
  class acquire_awaitable;

  /// Errors: no permits at all is an `option_error`.
  explicit semaphore(std::ptrdiff_t permits);
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore() = default;

  /// One permit, given back when this goes.
  class [[nodiscard("a permit is given back at once if it is not kept")]] permit {
   public:
    permit(permit&& o) noexcept : owner_(std::exchange(o.owner_, nullptr)) {}
    permit& operator=(permit o) noexcept {
      std::swap(owner_, o.owner_);
      return *this;
    }
    ~permit() {
      if (owner_) owner_->release();
    }
    /// Gives the permit back now.
    void release() noexcept {
      if (semaphore* s = std::exchange(owner_, nullptr)) s->release();
    }

   private:
    friend detail::operation<acquire_awaitable>;
    explicit permit(semaphore& s) noexcept : owner_(&s) {}
    semaphore* owner_;
  };

  class [[nodiscard("a permit is acquired only when this is awaited")]] acquire_awaitable {
   public:
    explicit acquire_awaitable(semaphore& s) noexcept : semaphore_(s) {}

   private:
    friend detail::operation<acquire_awaitable>;
    semaphore& semaphore_;
  };

  /// Awaited in a task, gives a `permit` as soon as one is free.
  /// Cancellation: gives up its place and throws `cancelled`. Slot: a tool's body keeps its slot while it waits.
  acquire_awaitable acquire() noexcept { return acquire_awaitable(*this); }

  /// Permits that are free now.
  [[nodiscard]] std::ptrdiff_t available() const;

 private:
  friend detail::operation<acquire_awaitable>;

  struct waiter : detail::ready_item, detail::cancellable_wait {
    waiter* previous = nullptr;
    waiter* next = nullptr;
    detail::loop* home = nullptr;
    bool is_queued = false;        // under the semaphore's mutex
    bool has_permit = false;       // likewise, until the waiter has been made ready
    bool is_from_outside = false;  // likewise: it was given by no step of the waiter's run
  };

  void release() noexcept;
  bool acquire_or_wait(waiter& w);        // true: has a permit
  bool stop_waiting(waiter& w) noexcept;  // false: it was given a permit already
  void unlink(waiter& w) noexcept;

  // Invariant: free_ > 0 only while nobody waits.
  mutable std::mutex mutex_;
  std::ptrdiff_t free_;
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

namespace detail {

template <>
class operation<semaphore::acquire_awaitable> : public semaphore::waiter {
 public:
  using result_type = semaphore::permit;

  explicit operation(semaphore::acquire_awaitable& a) noexcept : semaphore_(a.semaphore_) {}
  ~operation();

  bool start(environment& e, receiver& r) noexcept;
  semaphore::permit take() {
    if (error_) std::rethrow_exception(error_);
    has_permit = false;
    return semaphore::permit(semaphore_);
  }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }
  void refuse(const std::exception_ptr& e) noexcept { error_ = e; }

 private:
  semaphore& semaphore_;
  scope* scope_ = nullptr;
  receiver* parent_ = nullptr;
  std::exception_ptr error_;
  bool is_waiting_ = false;
  std::unique_ptr<recorded_grant> recorded_;  // in a durable run

  void go_on() noexcept;
};

}  // namespace detail
}  // namespace aethergraph
