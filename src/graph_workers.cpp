// A static graph whose plain functions run on worker threads.
#include <utility>

#include "aethergraph/detail/graph_executor.hpp"

namespace aethergraph::detail {

namespace {

/// One such call.
struct worker_frame final : in_flight, crew_job {
  worker_frame(graph_executor& ex, std::uint32_t e) noexcept : in_flight(ex, e) {
    execute = [](crew_job& j) noexcept {
      auto& self = static_cast<worker_frame&>(j);
      if (self.executor.must_workers_stop()) return false;
      try {
        const plan_entry& here = self.executor.entry_at(self.entry);
        here.ops->call(self.executor, self.entry, here.record);
        self.has_returned = true;
      } catch (...) {
        self.failure = std::current_exception();
      }
      return self.has_returned && !self.executor.is_watched();
    };
    settle = [](crew_job& j) noexcept {
      auto& self = static_cast<worker_frame&>(j);
      graph_executor& owner = self.executor;
      const std::uint32_t done = self.entry;
      owner.drop_frame(self);
      owner.call_returned_beside(done);
    };
    on_ready = [](ready_item& i) noexcept {
      auto& self = static_cast<worker_frame&>(static_cast<crew_job&>(i));
      graph_executor& owner = self.executor;
      const std::uint32_t ended = self.entry;
      const bool is_done = self.has_returned;
      const std::exception_ptr why = self.failure ? self.failure : owner.surroundings().stop_error();
      owner.drop_frame(self);
      if (is_done) owner.call_returned(ended);
      else owner.call_failed(ended, why);
      owner.wake();
    };
  }
  std::exception_ptr failure;
  bool has_returned = false;
};

}  // namespace

void graph_executor::call_on_worker(std::uint32_t e) noexcept {
  node_starts(e);
  worker_frame* frame = nullptr;
  try {
    frame = &add_frame<worker_frame>(e);
    workers_->start(*frame);
  } catch (...) {
    if (frame) drop_frame(*frame);
    call_failed(e, std::current_exception());
  }
}

void graph_executor::call_returned_beside(std::uint32_t e) noexcept {
  state_[e] = static_cast<std::uint8_t>(node_state::done);
  // If only this graph waits for a slot, its next call may have this one.
  scheduler& slots = run().slots;
  if (slots.is_first(ticket_)) {
    slots.leave(ticket_);
    is_queued_ = false;
    has_slot_ = true;
  } else {
    give_slot_back();
  }
  entry_done(e);
  run_ready_beside();
}

// As `run_ready`, but starts only what goes to workers. For everything else the strand is called.
void graph_executor::run_ready_beside() noexcept {
  while (!is_scheduled_) {
    if (scope_.is_stopped() || !ready_.empty()) return schedule();
    if (ready_calls_.empty()) {
      if (std::exchange(has_slot_, false)) give_slot_back();
      if (is_over()) schedule();
      return;
    }
    const std::uint32_t first = ready_calls_.first();
    const std::uint32_t e = rank_ ? plan_->by_rank[first] : first;
    if (!calls_directly(e)) return schedule();
    if (!take_slot()) return;
    ready_calls_.take_first();
    state_[e] |= entry_state::is_handed_out;
    const plan_entry& here = plan_->entries[e];
    here.ops->start(*this, e, here.record);
  }
}

}  // namespace aethergraph::detail
