#include "aethergraph/detail/timer_queue.hpp"

namespace aethergraph::detail {

namespace {
bool is_before(const timer& a, const timer& b) noexcept { return a.at != b.at ? a.at < b.at : a.order < b.order; }
}  // namespace

void timer_queue::place(timer& t, std::size_t position) noexcept {
  heap_[position] = &t;
  t.position = static_cast<std::uint32_t>(position);
}

void timer_queue::sift_up(timer& t, std::size_t position) noexcept {
  while (position > 0) {
    const std::size_t above = (position - 1) / 2;
    if (!is_before(t, *heap_[above])) break;
    place(*heap_[above], position);
    position = above;
  }
  place(t, position);
}

void timer_queue::sift_down(timer& t, std::size_t position) noexcept {
  for (;;) {
    std::size_t below = 2 * position + 1;
    if (below >= heap_.size()) break;
    if (below + 1 < heap_.size() && is_before(*heap_[below + 1], *heap_[below])) ++below;
    if (!is_before(*heap_[below], t)) break;
    place(*heap_[below], position);
    position = below;
  }
  place(t, position);
}

void timer_queue::add(timer& t) {
  heap_.push_back(&t);
  watches_ += t.only_watches;
  t.order = next_order_++;
  sift_up(t, heap_.size() - 1);
}

void timer_queue::remove(timer& t) noexcept {
  watches_ -= t.only_watches;
  const std::size_t hole = t.position;
  t.position = timer::not_pending;
  timer& last = *heap_.back();
  heap_.pop_back();
  if (&last == &t) return;
  sift_up(last, hole);
  if (last.position == hole) sift_down(last, hole);
}

timer& timer_queue::pop() noexcept {
  timer& first = *heap_.front();
  remove(first);
  return first;
}

}  // namespace aethergraph::detail
