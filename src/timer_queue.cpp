#include "aethergraph/detail/timer_queue.hpp"

namespace aethergraph::detail {

namespace {
// Below that a heap costs as little, and needs no more memory.
constexpr std::size_t most_in_heap_only = 64;

/// After a burst: the entries are gone.
template <class Entries>
void free_if_large(Entries& entries) noexcept {
  if (entries.capacity() > 4096) Entries().swap(entries);
}
}  // namespace

// --- the heap

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

void timer_queue::remove_from_heap(timer& t) noexcept {
  const std::size_t hole = t.position;
  const entry last = heap_.back();
  heap_.pop_back();
  if (heap_.empty()) free_if_large(heap_);
  if (last.what == &t) return;
  sift_up(last, hole);
  if (last.what->position == hole) sift_down(last, hole);
}

// --- sorted runs

std::uint32_t timer_queue::position_in(const sorted_run& r, std::size_t i) const noexcept {
  const auto which = static_cast<std::uint32_t>(&r - runs_->data());
  return is_in_run | which << run_shift | ((r.base + static_cast<std::uint32_t>(i)) & run_mask);
}

timer_queue::sorted_run* timer_queue::run_for(time_point at) {
  if (!runs_ && heap_.size() < most_in_heap_only) return nullptr;
  if (!runs_) {
    runs_ = std::make_unique<std::array<sorted_run, runs>>();
    for (sorted_run& r : *runs_) r.base = first_position_ & run_mask;
  }
  // Behind the latest that is not later, so that each duration keeps to a run of its own.
  sorted_run* best = nullptr;
  for (sorted_run& r : *runs_) {
    if (r.pending == 0) {
      if (!best) best = &r;
    } else if (r.entries.back().at <= at && r.entries.size() < run_mask) {
      if (!best || best->pending == 0 || best->entries.back().at < r.entries.back().at) best = &r;
    }
  }
  return best;
}

void timer_queue::append(sorted_run& r, const entry& e) {
  r.entries.push_back(e);
  ++r.pending;
  e.what->position = position_in(r, r.entries.size() - 1);
}

void timer_queue::remove_from_run(timer& t) noexcept {
  sorted_run& r = (*runs_)[(t.position & ~is_in_run) >> run_shift];
  r.entries[(t.position - r.base) & run_mask].what = nullptr;
  if (--r.pending == 0) {
    r.entries.clear();
    r.first = 0;
    free_if_large(r.entries);
    return;
  }
  while (!r.entries.back().what) r.entries.pop_back();
  while (!r.entries[r.first].what) ++r.first;
  const std::size_t over = r.entries.size() - r.pending;
  if (over <= r.pending) return;
  if (r.first > over / 2) drop_front(r);
  else close_holes(r);
}

void timer_queue::drop_front(sorted_run& r) noexcept {
  r.entries.erase(r.entries.begin(), r.entries.begin() + static_cast<std::ptrdiff_t>(r.first));
  r.base = (r.base + static_cast<std::uint32_t>(r.first)) & run_mask;
  r.first = 0;
}

void timer_queue::close_holes(sorted_run& r) noexcept {
  std::erase_if(r.entries, [](const entry& e) { return !e.what; });
  r.first = 0;
  for (std::size_t i = 0; i < r.entries.size(); ++i) r.entries[i].what->position = position_in(r, i);
}

// --- both

const timer_queue::entry& timer_queue::first() const noexcept {
  const entry* found = heap_.empty() ? nullptr : &heap_.front();
  if (runs_)
    for (const sorted_run& r : *runs_)
      if (r.pending > 0 && (!found || r.entries[r.first].is_before(*found))) found = &r.entries[r.first];
  return *found;
}

void timer_queue::add(timer& t, time_point at) {
  const entry e{at, next_order_++, &t};
  if (sorted_run* const r = run_for(at)) {
    append(*r, e);
  } else {
    heap_.push_back(e);
    sift_up(e, heap_.size() - 1);
  }
  ++size_;
  watches_ += t.only_watches;
  outlasting_ += t.may_outlast;
}

void timer_queue::remove(timer& t) noexcept {
  --size_;
  watches_ -= t.only_watches;
  outlasting_ -= t.may_outlast;
  if (t.position & is_in_run) remove_from_run(t);
  else remove_from_heap(t);
  t.position = timer::not_pending;
}

timer& timer_queue::pop() noexcept {
  timer& first = *this->first().what;
  remove(first);
  return first;
}

}  // namespace aethergraph::detail
