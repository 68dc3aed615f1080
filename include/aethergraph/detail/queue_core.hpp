// The part of a queue that knows nothing of its elements: who waits, and what has been promised to whom.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>

#include "aethergraph/detail/operation.hpp"
#include "aethergraph/detail/recorded_wait.hpp"

namespace aethergraph::detail {

class queue_core;
struct queue_line;

/// One who waits for a place or for an element. What was promised to it is taken in a step of its own run, so that a
/// request to stop that comes first takes nothing.
class queue_wait : public ready_item, public cancellable_wait {
 public:
  /// What all wait for that pop, or push.
  struct kind {
    const char* what;
    queue_line queue_core::* line;  // that they stand in
    /// Takes what it waits for, unless it has to wait for its turn: then false. On the strand.
    bool (*try_to_end)(queue_wait&);
    /// Takes what was promised, or ends since the queue is closed. On the strand.
    void (*arrive)(queue_wait&) noexcept;
  };

  queue_wait(const queue_wait&) = delete;
  queue_wait& operator=(const queue_wait&) = delete;

  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }
  void refuse(const std::exception_ptr& e) noexcept { error_ = e; }

 protected:
  friend queue_core;
  friend queue_line;

  /// Pushing, or popping.
  queue_wait(queue_core& q, bool pushes) noexcept : core_(q), pushes_(pushes) {}
  ~queue_wait();

  bool start(environment& e, receiver& r) noexcept;

  queue_core& core_;
  std::exception_ptr error_;

 private:
  // queued: stands in its line. promised: no longer, and is on its way. turned_away: likewise, since it is closed.
  enum class state : std::uint8_t { idle, queued, promised, turned_away };

  void go_on() noexcept;
  [[nodiscard]] const kind& what() const noexcept;
  [[nodiscard]] queue_line& line() const noexcept;

  queue_wait* previous_ = nullptr;  // in its line, where next_ready is the next one
  scope* scope_ = nullptr;
  receiver* parent_ = nullptr;

  state state_ = state::idle;     // under the queue's mutex
  bool is_from_outside_ = false;  // likewise: no step of its own run has let it through
  bool is_waiting_ = false;       // on the strand
  const bool pushes_;
  std::unique_ptr<recorded_grant> recorded_;  // in a durable run
};

/// Those who wait for the same thing, first come, first served.
struct queue_line {
  queue_wait* first = nullptr;
  queue_wait* last = nullptr;
  std::size_t promised = 0;  // how many are on their way to what was promised to them

  /// Whether somebody who came earlier has not got it yet.
  [[nodiscard]] bool has_somebody() const noexcept { return first || promised > 0; }
  void append(queue_wait& w) noexcept;
  void remove(queue_wait& w) noexcept;
};

/// All members but the constructor are used under the mutex.
// Invariant: consumers_.promised <= size_, producers_.promised + size_ <= capacity_; after settle(), nobody stands in a
//            line for what is there and not promised.
class queue_core {
 public:
  /// `kinds`: of who pops and of who pushes.
  queue_core(std::ptrdiff_t capacity, const queue_wait::kind* kinds);
  queue_core(const queue_core&) = delete;
  queue_core& operator=(const queue_core&) = delete;

 protected:
  friend queue_wait;
  ~queue_core() = default;

  [[nodiscard]] bool has_place() const noexcept { return !is_closed_ && size_ + producers_.promised < capacity_; }
  [[nodiscard]] bool has_element() const noexcept { return size_ > consumers_.promised; }
  [[nodiscard]] bool is_drained() const noexcept { return is_closed_ && size_ == 0; }

  /// Promises what is there to those who stand in line, and turns them away when there is nothing to wait for.
  void settle() noexcept;
  /// Puts one at the end of its line.
  void enqueue(queue_wait& w) noexcept;
  /// What was promised to this one is taken now, or never. False: nothing was, since the queue is closed.
  [[nodiscard]] bool redeem(queue_wait& w) noexcept;
  void close() noexcept;

  [[nodiscard]] static std::exception_ptr closed_error();

  mutable std::mutex mutex_;
  const std::size_t capacity_;
  const queue_wait::kind* const kinds_;
  std::size_t size_ = 0;
  bool is_closed_ = false;
  queue_line producers_;
  queue_line consumers_;

 private:
  /// False: it is turned away already, and will hear of it.
  [[nodiscard]] bool stop_waiting(queue_wait& w, bool& is_on_its_way) noexcept;
  static void send(queue_wait& w, queue_wait::state s) noexcept;
};

}  // namespace aethergraph::detail
