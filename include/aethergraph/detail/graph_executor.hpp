// Runs a compiled graph: starts each entry when all that it depends on has ended, under the cap of the run.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "aethergraph/detail/body.hpp"
#include "aethergraph/detail/crew.hpp"
#include "aethergraph/detail/declared_nodes.hpp"
#include "aethergraph/detail/owned.hpp"
#include "aethergraph/detail/plan.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

class graph_executor;

/// Of a call of a graph that cannot be run.
inline const std::shared_ptr<const plan> no_plan;

/// What an entry that has started, and not ended, keeps: in a frame of its own, owned by the executor.
struct in_flight : receiver {
  graph_executor& executor;
  std::uint32_t entry;
  void (*destroy)(in_flight&) noexcept = nullptr;
  in_flight* previous = nullptr;
  in_flight* next = nullptr;

  in_flight(graph_executor& ex, std::uint32_t e) noexcept : executor(ex), entry(e) {}
  in_flight(const in_flight&) = delete;
  in_flight& operator=(const in_flight&) = delete;

 protected:
  ~in_flight() = default;
};

/// One run of one graph, whatever its types. On the strand of the run.
///
/// Ready calls start in declaration order. What waits for a slot stands in the scheduler's queue as one call, the
/// ticket.
// Invariant, for each entry e:
//   open_dependencies_[e] counts the dependencies that have not ended;
//   e is in ready_ or ready_calls_ exactly if that is 0, and it has neither started nor ended;
//   the value of a done e exists exactly if it is not tracked, or open_reads_[e] > 0; but not as long as it is due,
//     between the end of an operation and the moment when whoever started it takes its value over;
//   open_ counts the entries that have not ended.
class graph_executor : public declared_nodes, ready_item {
 public:
  /// `self` outlives it.
  explicit graph_executor(const std::shared_ptr<const plan>& self) noexcept;
  graph_executor(const graph_executor&) = delete;
  graph_executor& operator=(const graph_executor&) = delete;
  ~graph_executor();

  // --- for whoever runs it
  /// What a run of this needs in one block.
  [[nodiscard]] static std::size_t block_bytes(const plan& p) noexcept;
  /// Makes the block. Errors: `std::bad_alloc`.
  void open(environment& e, receiver& r);
  /// Where the value of an input is to be constructed, before `start`; then `set_input`.
  [[nodiscard]] void* slot(std::uint32_t entry) noexcept {
    return values_ + std::size_t{offsets_[entry]} * plan::value_unit;
  }
  void set_input(std::uint32_t entry) noexcept { state_[entry] = static_cast<std::uint8_t>(node_state::done); }
  /// True: all has ended.
  [[nodiscard]] bool start() noexcept;
  /// Why there is no result, or null: once all has ended.
  [[nodiscard]] std::exception_ptr outcome() const;
  /// Lets the run have its failures, when all has ended, and a run that goes on without it also the states.
  void leave() noexcept;
  [[nodiscard]] bool has_value(value_ref r) const noexcept { return state_of(r.entry) == node_state::done; }

  // --- for records: what they read
  [[nodiscard, gnu::always_inline]] void* address(value_ref r) noexcept {
    void* const whole = slot(r.entry);
    return r.part == 0 ? whole : part_of(whole, r.part);
  }
  // A body on a worker thread asks whether it is the last, while others give up their reads.
  [[nodiscard]] bool is_last_read(value_ref r) const noexcept {
    // acquire: pairs with the release below, so that the others have read before the last one moves
    return std::atomic_ref<std::uint32_t>(open_reads_[r.entry]).load(std::memory_order_acquire) == 1;
  }
  void release_read(std::uint32_t entry) noexcept {
    const std::atomic_ref<std::uint32_t> reads(open_reads_[entry]);
    const std::uint32_t left = reads.load(std::memory_order_relaxed) - 1;  // relaxed: only written between steps
    reads.store(left, std::memory_order_release);
    if (left == 0 && holds_value(entry)) destroy_value(entry);
  }

  // --- for records: what they do
  [[nodiscard]] scope& surroundings() noexcept { return scope_; }
  [[nodiscard]] loop& home() noexcept { return scope_.home(); }
  [[nodiscard]] run_state& run() noexcept { return scope_.run(); }
  [[nodiscard]] const plan_entry& entry_at(std::uint32_t e) const noexcept { return plan_->entries[e]; }
  [[nodiscard]] node_number number_of(std::uint32_t e) const noexcept { return declared_number(graph_number_, e); }
  /// The next node that is made by an operation is this entry.
  void is_starting(std::uint32_t e) noexcept { starting_ = number_of(e); }
  /// Whether a call of a plain function needs no operation of its own.
  [[nodiscard]] bool calls_directly(std::uint32_t e) const noexcept {
    return calls_directly_ && (flags_[e] & plan::is_direct);
  }
  /// Likewise of one whose body is a coroutine.
  [[nodiscard]] bool runs_body_directly(std::uint32_t e) const noexcept {
    return calls_directly_ && (flags_[e] & plan::is_direct_body) && scope_.home().may_start_here();
  }
  /// Whether a call starts with a slot that was taken for it. In a durable run the journal comes before that.
  [[nodiscard]] bool grants_slot(std::uint32_t e) const noexcept { return grants_slots_ && entry_at(e).takes_slot(); }
  /// The workers that such calls go to, if they do.
  [[nodiscard]] crew* workers() const noexcept { return workers_; }
  /// Whether the run was asked to stop. On a worker thread.
  [[nodiscard]] bool must_workers_stop() const noexcept {
    return workers_wait_.stop_flag.load(std::memory_order_relaxed);  // relaxed: only the flag matters
  }
  [[nodiscard]] bool is_watched() const noexcept { return is_watched_; }
  /// Starts a call of a plain function, which has a slot, on one of them.
  void call_on_worker(std::uint32_t e) noexcept;
  /// A call has returned on a worker thread. Between two steps, on any thread.
  void call_returned_beside(std::uint32_t e) noexcept;
  /// Whether something was asked to stop; what computes for long asks.
  [[nodiscard]] bool is_stopped() const noexcept { return scope_.is_stopped(); }
  [[nodiscard]] bool stops_on_failure() const noexcept { return stops_on_failure_; }
  /// A node starts, or has ended, that no operation tells the run of.
  void node_starts(std::uint32_t e) noexcept {
    state_[e] = static_cast<std::uint8_t>(node_state::running);
    if (is_watched_) [[unlikely]]
      tell_started(e);
  }
  void node_ends(std::uint32_t e, const std::exception_ptr& cause) noexcept {
    set_ended(e, cause);
    if (is_watched_) [[unlikely]]
      tell_ended(e, cause);
  }
  /// The value of an operation that had ended well was constructed.
  void value_came(std::uint32_t e) noexcept { state_[e] &= static_cast<std::uint8_t>(~entry_state::value_is_due); }
  /// Makes a `Frame` for an entry that starts. Errors: `std::bad_alloc`, and what its constructor throws.
  template <class Frame, class... A>
  Frame& add_frame(std::uint32_t e, A&&... a) {
    Frame& f = make_frame<Frame>(e, std::forward<A>(a)...);
    keep_frame(f);
    return f;
  }
  void drop_frame(in_flight& f) noexcept {
    (f.previous ? f.previous->next : first_in_flight_) = f.next;
    if (f.next) f.next->previous = f.previous;
    f.destroy(f);
  }
  /// The same for what mostly ends right where it starts: the frame is the caller's, who has this keep it, or gives it
  /// back for the next one.
  template <class Frame>
  Frame& take_frame(std::uint32_t e) {
    if (spare_frame_ && spare_frame_->destroy == &destroy_frame<Frame>) [[likely]] {
      spare_frame_->entry = e;
      return static_cast<Frame&>(*std::exchange(spare_frame_, nullptr));
    }
    return make_frame<Frame>(e);
  }
  void keep_frame(in_flight& f) noexcept {
    f.next = first_in_flight_;
    if (f.next) f.next->previous = &f;
    first_in_flight_ = &f;
  }
  void give_frame_back(in_flight& f) noexcept {
    if (in_flight* const other = std::exchange(spare_frame_, &f)) [[unlikely]]
      other->destroy(*other);
  }
  /// A call that needed no operation has returned, and its value is there.
  void call_returned(std::uint32_t e) noexcept {
    state_[e] = static_cast<std::uint8_t>(node_state::done);
    if (is_watched_) [[unlikely]]
      tell_ended(e, nullptr);
    give_slot_back();
    entry_done(e);
  }
  /// The same, but it has thrown this.
  void call_failed(std::uint32_t e, const std::exception_ptr& why) noexcept;
  /// An entry is done: what depends on it may go on.
  void entry_done(std::uint32_t e) noexcept {
    --open_;
    if (flags_[e] & (plan::is_tracked | plan::reads_tracked)) {
      if (open_reads_[e] == 0) destroy_value(e);
      release_reads(e);
    }
    settle_successors(e, 0);
  }
  /// The slot of a call that needed no operation.
  void give_slot_back() noexcept { run().slots.release_top_level(home()); }
  /// None of what it chooses from has come.
  void skip_for_condition(std::uint32_t e) noexcept {
    state_[e] |= entry_state::after_condition;
    skip(e);
  }
  /// One element of a map has failed.
  void note_element_failure(std::uint32_t e, std::size_t element, const std::exception_ptr& cause) noexcept;
  /// An entry has ended, its state is set, and its value constructed if it is done: what depends on it may go on.
  void entry_ended(std::uint32_t e) noexcept;
  /// After entry_ended, by whoever was told by the loop: goes on.
  void wake() noexcept;

  // --- declared_nodes
  void note_started(std::uint32_t e) noexcept final;
  void note_ended(std::uint32_t e, const std::exception_ptr& cause) noexcept final;
  void note_attempt_failed(std::uint32_t e, const std::exception_ptr& cause) final;
  [[nodiscard]] std::size_t failed_attempts(std::uint32_t e) const noexcept final;
  [[nodiscard]] const plan& graph() const noexcept final { return *plan_; }
  [[nodiscard]] std::shared_ptr<const plan> shared_graph() const noexcept final { return shared_plan_; }
  [[nodiscard]] declared_states copy_states() const final;
  void leave_states() noexcept final;
  [[nodiscard]] const scope& cancellation_scope() const noexcept final { return scope_; }

 private:
  /// The queue's view of all ready calls: it is granted a slot for the first of them.
  struct slot_ticket : call_state {
    graph_executor* owner = nullptr;
  };
  /// Tells bodies on worker threads that they were asked to stop.
  struct workers_wait : cancellable_wait {
    std::atomic<bool> stop_flag = false;
  };

  [[nodiscard]] node_state state_of(std::uint32_t e) const noexcept { return entry_state::state(state_[e]); }
  [[nodiscard]] bool holds_value(std::uint32_t e) const noexcept {
    return (state_[e] & (entry_state::state_bits | entry_state::value_is_due)) ==
           static_cast<std::uint8_t>(node_state::done);
  }
  template <class Frame, class... A>
  Frame& make_frame(std::uint32_t e, A&&... a) {
    void* const memory = allocate_frame(sizeof(Frame));
    Frame* f = nullptr;
    try {
      f = ::new (memory) Frame(*this, e, std::forward<A>(a)...);
    } catch (...) {
      free_frame(memory, sizeof(Frame));
      throw;
    }
    f->destroy = &destroy_frame<Frame>;
    return *f;
  }
  template <class Frame>
  static void destroy_frame(in_flight& f) noexcept {
    auto& self = static_cast<Frame&>(f);
    self.~Frame();
    free_frame(&self, sizeof(Frame));
  }
  [[nodiscard]] void* part_of(void* whole, std::uint32_t part) const noexcept;
  void pump() noexcept;
  void run_ready() noexcept;
  /// Makes a direct call, which has a slot, and then those that come next, as long as they are of the same kind: plain
  /// functions, or coroutines.
  void call_and_go_on(std::uint32_t e) noexcept;
  void run_body_and_go_on(std::uint32_t e) noexcept;
  template <class Call>
  void go_on(std::uint32_t e, std::uint8_t kind, Call call) noexcept;
  void run_ready_beside() noexcept;
  void schedule() noexcept;
  [[nodiscard, gnu::always_inline]] bool take_slot() noexcept {
    if (std::exchange(has_slot_, false)) return true;
    if (is_queued_) return false;
    if (run().slots.take_free()) return true;
    wait_for_slot();
    return false;
  }
  void wait_for_slot() noexcept;
  [[nodiscard]] bool is_condition_true(std::uint32_t e) noexcept;
  void skip(std::uint32_t e) noexcept;
  void skip_waiting() noexcept;
  void insert_call(std::uint32_t e) noexcept { ready_calls_.insert(rank_ ? rank_[e] : e); }
  void make_ready(std::uint32_t e) noexcept {
    const bool is_skipped = state_[e] & (entry_state::after_failure | entry_state::after_condition);
    if ((flags_[e] & plan::is_free_call) && !is_skipped) [[likely]]
      insert_call(e);
    else ready_.insert(e);
  }
  void settle_successors(std::uint32_t e, std::uint8_t taint) noexcept {
    const std::uint32_t* const end = successors_ + first_successor_[e + std::size_t{1}];
    for (const std::uint32_t* s = successors_ + first_successor_[e]; s != end; ++s) {
      const std::uint32_t next = *s & ~plan::tolerant;
      if (taint != 0 && !(taint == entry_state::after_condition && (*s & plan::tolerant))) state_[next] |= taint;
      if (--open_dependencies_[next] == 0) make_ready(next);
    }
  }
  void release_reads(std::uint32_t e) noexcept;
  void destroy_value(std::uint32_t e) noexcept;
  [[nodiscard]] bool has_failed_element(std::uint32_t e) const noexcept;
  void set_ended(std::uint32_t e, const std::exception_ptr& cause) noexcept;
  void tell_made() noexcept;
  void tell_started(std::uint32_t e) noexcept;
  void tell_ended(std::uint32_t e, const std::exception_ptr& cause) noexcept;
  [[nodiscard]] bool is_over() const noexcept { return open_ == 0 && !is_queued_ && !is_scheduled_; }
  void free_block() noexcept;

  const std::shared_ptr<const plan>& shared_plan_;
  const plan* const plan_ = shared_plan_.get();
  scope scope_;
  receiver* parent_ = nullptr;
  slot_ticket ticket_;

  // One block:
  std::byte* block_ = nullptr;
  std::byte* values_ = nullptr;
  std::uint32_t* open_dependencies_ = nullptr;
  std::uint32_t* open_reads_ = nullptr;
  std::uint8_t* state_ = nullptr;
  ready_set ready_;        // what needs no slot, or is to be looked at first: skipped, guarded
  ready_set ready_calls_;  // what needs a slot, by rank

  // Of the plan, at hand:
  const std::uint8_t* flags_ = nullptr;
  const std::uint32_t* rank_ = nullptr;  // null: all calls have the same priority
  const std::uint32_t* offsets_ = nullptr;
  const std::uint32_t* first_successor_ = nullptr;
  const std::uint32_t* successors_ = nullptr;

  in_flight* first_in_flight_ = nullptr;
  in_flight* spare_frame_ = nullptr;  // of the kind that was used last
  std::uint32_t open_ = 0;
  std::uint32_t graph_number_ = 0;
  bool stops_on_failure_ = true;
  bool calls_directly_ = true;
  bool grants_slots_ = true;
  crew* workers_ = nullptr;  // of a parallel run
  workers_wait workers_wait_;
  bool is_watched_ = false;  // somebody is told of nodes, or times are noted
  bool is_pumping_ = false;
  bool is_scheduled_ = false;  // stands in the ready list
  bool has_slot_ = false;      // one that the ticket was granted, or that a call has left behind
  bool has_skipped_ = false;   // all that had not started, since it was asked to stop
  bool is_queued_ = false;     // the ticket stands in the scheduler's queue, or was granted a slot just now
  /// What few runs have, made when it is first needed.
  struct rarities;
  static void delete_rarities(rarities* r) noexcept;
  [[nodiscard]] rarities& few_have();
  [[nodiscard]] bool has_failures() const noexcept;
  owned<rarities, delete_rarities> rarities_;
};

}  // namespace aethergraph::detail
