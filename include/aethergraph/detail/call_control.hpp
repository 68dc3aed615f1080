// The attempts of one call, and all that each of them needs: a slot, permits of a pool, a token, time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aethergraph/detail/scheduler.hpp"
#include "aethergraph/detail/tool_info.hpp"
#include "aethergraph/node_state.hpp"
#include "aethergraph/resource_pool.hpp"

namespace aethergraph::detail {

class recorded_call;
struct permit_request;
struct codec_ops;

/// What a controlled call can do, whatever its types.
struct attempt_hooks {
  /// Starts the body with the call's environment. True: it has ended already. `keep`: arguments are wanted again.
  bool (*run_body)(call_state& c, bool keep) noexcept;
  const std::exception_ptr& (*error)(call_state& c) noexcept;  // of the last attempt; null: it returned
  void (*fail)(call_state& c, std::exception_ptr e) noexcept;
  void (*note_end)(call_state& c) noexcept;  // the call has ended, with what the last attempt ended with
  // In a durable run, as JSON; these may throw. `codec` is null where the result has none.
  std::string (*arguments)(call_state& c);
  const codec_ops* (*codec)() noexcept;
  std::string (*value)(call_state& c);  // that the last attempt returned
  void (*restore)(call_state& c, std::string_view json);
};

/// One call of a tool with controls, or in a run where calls need more than a slot (a permit of the runtime, or the
/// journal), from its making to its end. On the strand of its run; what waits for pools may be woken from elsewhere.
///
/// In each attempt it takes what it needs in this order: permits of its pool, a slot, a permit of the runtime, a token.
/// Where one is not to be had, it gives back what it has and waits for that one alone; only who waits for the runtime
/// keeps its slot, as every call does, since nobody who has what it waits for ever waits for the slot.
// Waiting for a slot, or for a permit of the runtime, is the call's own wait, which whoever grants those ends; the
// others are the control's. Invariant: has_permits_ says whether it holds `weight` permits of its pool; has_slot_
// whether it holds a slot;
//            step_ what it waits for, of which exactly one thing will lead on.
class call_control : timer, cancellable_wait {
 public:
  call_control(call_state& c, const tool_info& tool, const attempt_hooks& hooks);
  call_control(const call_control&) = delete;
  call_control& operator=(const call_control&) = delete;
  ~call_control();

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* p, std::size_t size) noexcept { free_frame(p, size); }

  /// Goes on until the call has ended, which its receiver is told by the loop. `has_slot`: one was taken for it.
  void begin(bool has_slot) noexcept;
  /// The body that had suspended has ended, and its frame is gone.
  void body_ended() noexcept { attempt_ended(); }

  /// In a durable run: waits for room (a slot, permits) that only calls of this run have. False: the run is woken when
  /// that may have changed.
  [[nodiscard]] bool waits_for_own_run() noexcept;
  /// Then: goes on without, since it had them when what is replayed now was recorded.
  void start_beyond_limits() noexcept;

  /// Holds permits of this pool, for calls that its body makes.
  [[nodiscard]] bool holds(const resource_pool& p) const noexcept { return has_permits_ && controls_.pool == &p; }
  [[nodiscard]] const resource_pool* held_pool() const noexcept { return has_permits_ ? controls_.pool : nullptr; }

 private:
  friend recorded_call;

  enum class step : std::uint8_t { none, journal, pool, slot, rate, permit, body, backoff };

  struct pool_wait : pool_waiter {
    call_control* owner = nullptr;
  };

  void acquire() noexcept;
  void acquire_slot() noexcept;
  void acquire_permit() noexcept;
  void acquire_token() noexcept;
  void refuse() noexcept;
  void start_attempt() noexcept;
  void attempt_ended() noexcept;
  void end() noexcept;
  void end_with(std::exception_ptr e) noexcept;
  void end_for_good() noexcept;
  /// The attempts before this one were made by a former execution.
  void go_on_with_attempt(int attempt) noexcept;
  void note_phase(node_phase what) noexcept;
  void wait(step s, node_phase phase, const char* what) noexcept;
  void stop_waiting() noexcept;
  void release_all() noexcept;
  void leave_breaker(bool has_failed, bool was_stopped) noexcept;
  void stop_waiting_for_token() noexcept;
  void give_slot_back() noexcept;  // and with it the permit of the runtime
  void note_permits_taken() noexcept;
  void give_permits_back() noexcept;
  [[nodiscard]] std::exception_ptr check_pools() const;
  [[nodiscard]] bool is_worth_another_attempt(const std::exception_ptr& e) const noexcept;
  [[nodiscard]] duration delay_after(const std::exception_ptr& e) const noexcept;
  void sleep_for(duration d, step s, node_phase phase, const char* what) noexcept;
  [[nodiscard]] run_state& run() const noexcept;
  [[nodiscard]] loop& home() const noexcept;

  void go_on_from_the_list() noexcept;

  static void timer_expired(timer& t) noexcept;
  static void cancelled(cancellable_wait& w) noexcept;
  static void cancelled_in_queue(cancellable_wait& w) noexcept;

  call_state& call_;
  const tool_info& tool_;
  const call_controls& controls_;
  const attempt_hooks& hooks_;
  scope* const outer_;                  // that the call was made in
  std::optional<scope> attempt_scope_;  // of the attempt under way, or the last one
  pool_wait pool_wait_;
  int attempts_ = 0;
  int refused_ = 0;  // attempts that a circuit breaker let not begin
  step step_ = step::none;
  bool uses_callers_permits_ = false;
  bool has_permits_ = false;
  bool goes_without_permit_ = false;  // of the runtime
  bool has_slot_ = false;
  bool has_waited_for_token_ = false;
  bool has_entered_breaker_ = false;
  std::uint64_t breaker_period_ = 0;  // when it has entered
  bool has_timed_out_ = false;
  std::unique_ptr<permit_request> permit_;   // in a run under the cap of a runtime: from its slot on
  std::unique_ptr<recorded_call> recorded_;  // in a durable run
};

}  // namespace aethergraph::detail
