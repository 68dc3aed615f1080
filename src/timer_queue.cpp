#include "aethergraph/detail/timer_queue.hpp"

namespace aethergraph::detail {

void timer_queue::place(const entry& e, std::size_t position) noexcept {
  heap_[position] = e;
  e.what->position = static_cast<std::uint32_t>(position);
}

void timer_queue::sift_up(const entry& e, std::size_t position) noexcept {
  while (position > 0) {
    const std::size_t above = (position - 1) / 2;
    if (!e.is_before(heap_[above])) break;
    place(heap_[above], position);
    position = above;
  }
  place(e, position);
}

void timer_queue::sift_down(const entry& e, std::size_t position) noexcept {
  for (;;) {
    std::size_t below = 2 * position + 1;
    if (below >= heap_.size()) break;
    if (below + 1 < heap_.size() && heap_[below + 1].is_before(heap_[below])) ++below;
    if (!heap_[below].is_before(e)) break;
    place(heap_[below], position);
    position = below;
  }
  place(e, position);
}

void timer_queue::add(timer& t, time_point at) {
  heap_.push_back({at, next_order_++, &t});
  watches_ += t.only_watches;
  outlasting_ += t.may_outlast;
  sift_up(entry(heap_.back()), heap_.size() - 1);
}

void timer_queue::remove(timer& t) noexcept {
  watches_ -= t.only_watches;
  outlasting_ -= t.may_outlast;
  const std::size_t hole = t.position;
  t.position = timer::not_pending;
  const entry last = heap_.back();
  heap_.pop_back();
  if (last.what == &t) return;
  sift_up(last, hole);
  if (last.what->position == hole) sift_down(last, hole);
}

timer& timer_queue::pop() noexcept {
  timer& first = *heap_.front().what;
  remove(first);
  return first;
}

}  // namespace aethergraph::detail
