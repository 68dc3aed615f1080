// The slots of one run: who holds them, who waits, who is next. It knows calls only as families.
#pragma once

#include <cstddef>
#include <cstdint>

#include "aethergraph/detail/body.hpp"
#include "aethergraph/detail/owned.hpp"
#include "aethergraph/detail/sequence.hpp"

namespace aethergraph::detail {

class call_control;
struct tool_info;

/// The attempts of a call, if its tool has options that ask for more than one running of a body. It outlives the body.
struct control_owner {
  control_owner() noexcept = default;
  control_owner(const control_owner&) = delete;
  control_owner& operator=(const control_owner&) = delete;
  ~control_owner() {
    if (control) [[unlikely]]
      delete_control();
  }
  call_control* control = nullptr;

 private:
  void delete_control() noexcept;
};

/// A call that waits for a slot, in its places in the run's queue and in its caller's, or for a permit of its runtime.
/// Meanwhile it stands in no ready list, whose link is that to the next one in the queue.
struct queued_call : cancellable_wait {
  call_state* previous;
  call_state* next_sibling;
  call_state* previous_sibling;

  queued_call() noexcept {}
};

/// Of a call that waits for a slot.
struct ranked {
  int priority;
};

/// A call whose body has started.
// Invariant: `children` counts the started, not yet ended calls whose caller this is: the k of the family rule;
//            first_waiting_child is null while children is 0.
struct calling_body {
  union {
    sequence steps;  // what it awaits; made only if the run is recorded
  };
  call_state* first_waiting_child = nullptr;
  call_state* last_waiting_child = nullptr;
  std::size_t children = 0;

  calling_body() noexcept {}
};

/// One tool call as the scheduler and its own body see it.
// What has no initialiser is set where it first matters: there is a call_state to each call, there may be a million of
// them, and most need few of these.
struct call_state : control_owner, body_operation, ranked, environment {
  // (The rank finds room behind the body's phase.)
  call_state* caller;  // the call whose body made this one; null: the run's own body did
  node_number number;  // 1, 2, … in the order in which the nodes of the root run were made
  sequence* made_in;   // where this call stands; null when the run is not recorded
  union {
    queued_call queued;  // from when it waits until its body starts
    calling_body body;   // from there on
  };

  call_state() noexcept {}
  call_state(const call_state&) = delete;
  call_state& operator=(const call_state&) = delete;
  ~call_state() = default;

  /// The call that this one is a child of towards the runtime: its caller, or who awaits the run that it is made in.
  [[nodiscard]] call_state* caller_across_runs() const noexcept;

  /// While it is queued.
  [[nodiscard]] call_state* next_in_queue() const noexcept {
    return static_cast<call_state*>(static_cast<body_operation*>(next_ready));
  }

  /// The call of what its `queued` waits for.
  [[nodiscard]] static call_state& of(cancellable_wait& w) noexcept { return *w.waiting_call; }
};

/// First come, first served within equal priority, with one exception: the family rule. A started body and the calls
/// that it awaits together hold max(1, k) slots, k being the calls among them that have started. So the first child
/// runs on its caller's slot, and no body ever waits to get its own slot back: no cap can deadlock.
// Invariant: held() + free_ == capacity_; free_ > 0 only while nobody waits, and < 0 only after `grant_beyond`;
//            held() is the sum of max(1, k) over the families of the run's top-level calls.
class scheduler {
 public:
  void set_capacity(std::size_t slots) noexcept { capacity_ = free_ = least_free_ = static_cast<std::int32_t>(slots); }
  [[nodiscard]] std::size_t held() const noexcept { return static_cast<std::size_t>(capacity_ - free_); }
  [[nodiscard]] std::size_t capacity() const noexcept { return static_cast<std::size_t>(capacity_); }
  /// How many calls wait for a slot. Complexity: linear in them.
  [[nodiscard]] std::size_t waiting() const noexcept;
  [[nodiscard]] std::size_t peak() const noexcept { return static_cast<std::size_t>(capacity_ - least_free_); }

  /// True: the call has a slot. False: there is none for it, and it may `wait`.
  [[nodiscard]] bool acquire(call_state& c) noexcept {
    if (call_state* caller = c.caller) {
      if (caller->body.children == 0) {  // the caller lends its slot
        caller->body.children = 1;
        return true;
      }
      if (free_ <= 0) return false;
      ++caller->body.children;
    }
    return take_free();
  }

  /// The call has ended, or will not start after all. Its slot goes to the next in line, by way of the ready list.
  void release(call_state& c, loop& l) noexcept {
    if (call_state* caller = c.caller) {
      if (--caller->body.children == 0) {
        // The slot is the caller's again; its own next child may have it at once.
        if (call_state* next = caller->body.first_waiting_child) grant(*next, l);
        return;
      }
    }
    if (first_) give_on(l);
    else ++free_;
  }

  /// The same in two steps, for calls without a caller: true, and a slot is taken; or false.
  [[nodiscard]] bool take_free() noexcept {
    if (free_ <= 0) return false;
    if (--free_ < least_free_) least_free_ = free_;
    return true;
  }
  void release_top_level(loop& l) noexcept {
    if (first_) give_on(l);
    else ++free_;
  }
  /// Lets a call wait for which there is no free slot. When it gets one it will be made ready as `on_slot`; a request
  /// to stop reaches it by `on_cancelled`, unless that is null.
  void wait(call_state& c, int priority, void (*on_slot)(ready_item&) noexcept,
      void (*on_cancelled)(cancellable_wait&) noexcept = nullptr) noexcept;

  [[nodiscard]] bool has_waiting() const noexcept { return first_ != nullptr; }
  /// Whether this is the call that waits for the next slot.
  [[nodiscard]] bool is_first(const call_state& c) const noexcept { return first_ == &c; }
  /// A waiting call gets a slot though there is none, so that for some time more than the capacity are held.
  void grant_beyond(call_state& c, loop& l) noexcept;
  /// A waiting call gives up its place.
  void leave(call_state& c) noexcept;

 private:
  /// Behind which waiting call one has its place where priorities count; null: it is the first. Takes a note of it.
  [[nodiscard]] call_state* last_ranked_before(call_state& c) noexcept;
  void leave_rank(call_state& c) noexcept;
  void grant(call_state& c, loop& l) noexcept;
  void give_on(loop& l) noexcept;

  std::int32_t capacity_ = 0;
  std::int32_t free_ = 0;
  std::int32_t least_free_ = 0;
  call_state* first_ = nullptr;
  call_state* last_ = nullptr;
  // The last waiting call of each priority, while there are others than 0; else empty, or not made yet.
  struct ranks;
  static void delete_ranks(ranks* r) noexcept;
  [[nodiscard]] bool has_ranks() const noexcept { return last_of_ && has_any_rank(); }
  [[nodiscard]] bool has_any_rank() const noexcept;
  owned<ranks, delete_ranks> last_of_;
};

}  // namespace aethergraph::detail
