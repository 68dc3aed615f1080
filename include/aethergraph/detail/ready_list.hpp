// The first-in-first-out list of everything that may go on.
#pragma once

#include <cstddef>
#include <utility>

namespace aethergraph::detail {

/// Something that a loop will run once, soon: a coroutine to resume, a granted call to start, an operation that has
/// ended. It lives inside the operation that it belongs to, so that making something ready allocates nothing.
struct ready_item {
  ready_item* next_ready = nullptr;
  void (*on_ready)(ready_item&) noexcept = nullptr;
};

// Invariant: head_ is null exactly if tail_ is; an item stands in at most one list, at most once.
class ready_list {
 public:
  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }

  void push(ready_item& i) noexcept {
    i.next_ready = nullptr;
    if (tail_) tail_->next_ready = &i;
    else head_ = &i;
    tail_ = &i;
  }

  /// The oldest item. The list must not be empty.
  [[nodiscard]] ready_item& front() const noexcept { return *head_; }
  /// Takes the oldest item away. The list must not be empty.
  ready_item& pop() noexcept {
    ready_item& i = *head_;
    head_ = i.next_ready;
    if (!head_) tail_ = nullptr;
    return i;
  }

  /// The item at position `n`, which must exist: linear in `n`, for simulation only.
  ready_item& take(std::size_t n) noexcept {
    ready_item* before = nullptr;
    ready_item* i = head_;
    for (; n > 0; --n) before = std::exchange(i, i->next_ready);
    (before ? before->next_ready : head_) = i->next_ready;
    if (tail_ == i) tail_ = before;
    return *i;
  }

  [[nodiscard]] std::size_t count(std::size_t limit) const noexcept {
    std::size_t n = 0;
    for (const ready_item* i = head_; i && n < limit; i = i->next_ready) ++n;
    return n;
  }

 private:
  ready_item* head_ = nullptr;
  ready_item* tail_ = nullptr;
};

}  // namespace aethergraph::detail
