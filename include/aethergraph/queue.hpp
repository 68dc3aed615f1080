// queue: values that some tasks make and others use, at the pace of the slower ones.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/queue_core.hpp"
#include "aethergraph/error.hpp"

namespace aethergraph {

/// Thrown by a push to a queue that is closed. The value was not pushed.
class queue_closed : public error {
 public:
  using error::error;
};

namespace detail {

template <class T>
class queue_push;
template <class T>
class queue_pop;

/// A ring that grows up to what is needed of it, and then allocates no more.
// Invariant: size_ elements are alive, the oldest at first_, the others behind it, around the end.
template <class T>
class ring {
 public:
  ring() noexcept = default;
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;
  ~ring() {
    while (size_ > 0) drop_front();
    if (data_) std::allocator<T>().deallocate(data_, room_);
  }

  template <class U>
  void push_back(U&& value, std::size_t limit) {
    if (size_ == room_) grow(limit);
    std::construct_at(data_ + (first_ + size_) % room_, std::forward<U>(value));
    ++size_;
  }
  void pop_front(std::optional<T>& into) noexcept {
    into.emplace(std::move(data_[first_]));
    drop_front();
  }

 private:
  void drop_front() noexcept {
    std::destroy_at(data_ + first_);
    first_ = (first_ + 1) % room_;
    --size_;
  }
  void grow(std::size_t limit) {
    const std::size_t room = room_ == 0 ? (limit < 8 ? limit : 8) : (room_ > limit / 2 ? limit : 2 * room_);
    T* const data = std::allocator<T>().allocate(room);
    for (std::size_t i = 0; i < size_; ++i) {
      T* const old = data_ + (first_ + i) % room_;
      std::construct_at(data + i, std::move(*old));
      std::destroy_at(old);
    }
    if (data_) std::allocator<T>().deallocate(data_, room_);
    data_ = data;
    room_ = room;
    first_ = 0;
  }

  T* data_ = nullptr;
  std::size_t room_ = 0;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace detail

/// A bounded queue between tasks: who pushes waits while it is full, who pops waits while it is empty.
///
/// Values come out in the order in which they went in. Those who wait are served first come, first served, and a
/// newcomer never passes one who waits.
/// Parameters: `T`: anything that moves without exceptions, move-only types too.
/// Thread safety: any thread; runs on different threads may share it, and each waiter goes on on its own run's strand.
/// It must outlive its waiters. Complexity: constant; nothing is allocated once it has been as full as it gets.
template <class T>
class queue : private detail::queue_core {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>, "aethergraph: the elements of a queue are values");
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
      "aethergraph: the elements of a queue must move without exceptions, so that none is lost on its way");

 public:
  using value_type = T;

  /// Parameters: how many elements it holds at most.
  /// Errors: a capacity below 1 is an `option_error`.
  explicit queue(std::ptrdiff_t capacity) : queue_core(capacity, kinds) {}

  /// Awaited in a task, puts a value at the end of the queue as soon as there is a place.
  /// Errors: `queue_closed`, also when it is closed meanwhile.
  /// Cancellation: gives up its turn and throws `cancelled`; then nothing was pushed. Slot: a tool's body keeps its
  /// slot while it waits.
  detail::queue_push<T> push(T value) noexcept { return detail::queue_push<T>(*this, std::move(value)); }

  /// Awaited in a task, gives the oldest element as soon as there is one, and `std::nullopt` when the queue is closed
  /// and empty, now and for ever. Cancellation: gives up its turn and throws `cancelled`; then nothing was taken, and
  /// the next in line gets what was meant for this one. Slot: a tool's body keeps its slot while it waits.
  detail::queue_pop<T> pop() noexcept { return detail::queue_pop<T>(*this); }

  /// Pushes if there is a place that is promised to nobody. False: the queue is full or closed, and the value was left
  /// alone.
  bool try_push(T&& value) { return push_if_possible(std::move(value)); }
  bool try_push(const T& value)
    requires std::is_copy_constructible_v<T>
  {
    return push_if_possible(value);
  }

  /// The oldest element, if there is one that is promised to nobody.
  std::optional<T> try_pop() {
    std::optional<T> value;
    const std::lock_guard lock(mutex_);
    if (has_element()) take_front(value);
    return value;
  }

  /// Ends the pushing: those who wait to push get `queue_closed`, those who pop get what is left, then `std::nullopt`.
  /// Closing twice changes nothing.
  void close() noexcept {
    const std::lock_guard lock(mutex_);
    queue_core::close();
  }

  /// Elements that are in it now.
  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return size_;
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool is_closed() const {
    const std::lock_guard lock(mutex_);
    return is_closed_;
  }

 private:
  friend detail::operation<detail::queue_push<T>>;
  friend detail::operation<detail::queue_pop<T>>;

  // The rest is used under the mutex.
  template <class U>
  bool push_if_possible(U&& value) {
    const std::lock_guard lock(mutex_);
    if (!has_place()) return false;
    append(std::forward<U>(value));
    return true;
  }
  template <class U>
  void append(U&& value) {
    elements_.push_back(std::forward<U>(value), capacity_);
    ++size_;
    settle();
  }
  void take_front(std::optional<T>& into) noexcept {
    elements_.pop_front(into);
    --size_;
    settle();
  }

  static const detail::queue_wait::kind kinds[2];  // who pops, and who pushes

  detail::ring<T> elements_;
};

namespace detail {

template <class T>
class [[nodiscard("a value is pushed only when this is awaited")]] queue_push {
 public:
  queue_push(queue<T>& q, T&& value) noexcept : queue_(q), value_(std::move(value)) {}

 private:
  friend operation<queue_push>;
  queue<T>& queue_;
  T value_;
};

template <class T>
class [[nodiscard("an element is taken only when this is awaited")]] queue_pop {
 public:
  explicit queue_pop(queue<T>& q) noexcept : queue_(q) {}

 private:
  friend operation<queue_pop>;
  queue<T>& queue_;
};

template <class T>
class operation<queue_push<T>> : public queue_wait {
 public:
  using result_type = void;

  explicit operation(queue_push<T>& a) noexcept : queue_wait(a.queue_, /*pushes=*/true), value_(std::move(a.value_)) {}

  using queue_wait::start;
  void take() const {
    if (this->error_) std::rethrow_exception(this->error_);
  }

 private:
  friend queue<T>;

  static bool push_now(queue_wait& w) {
    auto& self = static_cast<operation&>(w);
    queue<T>& q = self.awaited();
    const std::lock_guard lock(q.mutex_);
    if (q.is_closed_) {
      self.error_ = queue<T>::closed_error();
      return true;
    }
    if (q.producers_.has_somebody() || !q.has_place()) {
      q.enqueue(self);
      return false;
    }
    q.append(std::move(self.value_));
    return true;
  }
  static void push_as_promised(queue_wait& w) noexcept {
    auto& self = static_cast<operation&>(w);
    queue<T>& q = self.awaited();
    const std::lock_guard lock(q.mutex_);
    try {
      if (q.redeem(self) && !q.is_closed_) q.append(std::move(self.value_));
      else self.error_ = queue<T>::closed_error();
    } catch (...) {
      self.error_ = std::current_exception();
      q.settle();
    }
  }

  [[nodiscard]] queue<T>& awaited() const noexcept { return static_cast<queue<T>&>(this->core_); }

  T value_;
};

template <class T>
class operation<queue_pop<T>> : public queue_wait {
 public:
  using result_type = std::optional<T>;

  explicit operation(queue_pop<T>& a) noexcept : queue_wait(a.queue_, /*pushes=*/false) {}

  using queue_wait::start;
  std::optional<T> take() {
    if (this->error_) std::rethrow_exception(this->error_);
    return std::move(value_);
  }

 private:
  friend queue<T>;

  static bool pop_now(queue_wait& w) {
    auto& self = static_cast<operation&>(w);
    queue<T>& q = self.awaited();
    const std::lock_guard lock(q.mutex_);
    if (q.is_drained()) return true;
    if (q.consumers_.has_somebody() || !q.has_element()) {
      q.enqueue(self);
      return false;
    }
    q.take_front(self.value_);
    return true;
  }
  static void pop_as_promised(queue_wait& w) noexcept {
    auto& self = static_cast<operation&>(w);
    queue<T>& q = self.awaited();
    const std::lock_guard lock(q.mutex_);
    if (q.redeem(self)) q.take_front(self.value_);
  }

  [[nodiscard]] queue<T>& awaited() const noexcept { return static_cast<queue<T>&>(this->core_); }

  std::optional<T> value_;
};

}  // namespace detail

template <class T>
constexpr detail::queue_wait::kind queue<T>::kinds[2] = {
    {"an element of a queue", &queue::consumers_, &detail::operation<detail::queue_pop<T>>::pop_now,
        &detail::operation<detail::queue_pop<T>>::pop_as_promised},
    {"a place in a queue", &queue::producers_, &detail::operation<detail::queue_push<T>>::push_now,
        &detail::operation<detail::queue_push<T>>::push_as_promised},
};

}  // namespace aethergraph
