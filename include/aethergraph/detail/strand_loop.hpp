// The loop of a run on somebody's executor: steps on a strand of it.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>

#include "aethergraph/detail/loop.hpp"
#include "aethergraph/detail/owned.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/detail/waiting_threads.hpp"

namespace aethergraph::detail {

class alarm;
void delete_alarm(alarm* a) noexcept;
class run_registry;
class run_strand;
void drop_strand(run_strand* s) noexcept;
class strand_loop;

/// A way to a run that may be gone. Any thread.
class run_gate {
 public:
  explicit run_gate(strand_loop& l) noexcept : loop_(&l) {}
  run_gate(const run_gate&) = delete;
  run_gate& operator=(const run_gate&) = delete;
  ~run_gate() = default;
  void cancel() const;
  /// Calls `fn(run_state&)` between two steps of the run.
  enum class sight { seen, busy, over };
  template <class Fn>
  sight look(Fn fn, duration patience = duration::max()) const;
  /// The run is over: whoever is inside leaves first, since the executor may go as soon as the run has ended.
  void close_and_wait() noexcept;
  /// The run is gone.
  void close() noexcept;

 private:
  /// Counts who is inside, from `enter` on.
  class visit {
   public:
    explicit visit(const run_gate& g) noexcept : gate_(g) {}
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    ~visit() { gate_.leave(); }

   private:
    const run_gate& gate_;
  };

  /// The run, kept from being destroyed, or nothing. Followed by `leave`, when the reference has been dropped.
  [[nodiscard]] std::optional<loop_reference> enter() const;
  void leave() const noexcept;

  mutable std::mutex mutex_;
  mutable waiting_threads has_left_;
  strand_loop* loop_;  // under mutex_, as is:
  mutable std::size_t visits_ = 0;
};

/// Owned by its references: handlers under way hold one each, and the registry of the executor's context holds one
/// until the run has ended, so that a context that is destroyed first takes the run with it.
class strand_loop : public loop {
 public:
  boost::asio::any_io_executor executor() final;
  boost::asio::any_io_executor handler_executor() final;
  bool is_on_strand() const noexcept final;
  void wake_from_crew() noexcept final;

  /// Posts the first step.
  void begin();

  /// Of the executor's context: turns true when that is destroyed.
  [[nodiscard]] static std::shared_ptr<const std::atomic<bool>> context_end(const boost::asio::any_io_executor& ex);

 protected:
  explicit strand_loop(const boost::asio::any_io_executor& ex);
  ~strand_loop() override;

  /// The first step, on the strand: makes the run's start ready.
  virtual void start() noexcept = 0;
  /// Called once, on the strand and outside a drain, after `finished` was said: gives the result away.
  virtual void deliver() noexcept = 0;
  [[nodiscard]] virtual run_state& root() noexcept = 0;
  void finished() noexcept { is_finished_ = true; }
  /// The executor beneath the strand.
  [[nodiscard]] boost::asio::any_io_executor inner_executor() const;

  /// Made at the first request; its owners may outlive the run.
  [[nodiscard]] std::shared_ptr<run_gate> gate();
  /// To be called before the start: others may look at the run.
  void allow_looks() noexcept { loop::allow_looks(step_mutex_); }

 private:
  friend run_registry;
  friend run_gate;

  void look() noexcept final;
  void set_alarm(time_point at) final;
  void dispose() noexcept final;
  void cancel_from_anywhere();
  void stop_crew() noexcept;
  void leave_executor() noexcept;

  // What is beneath the strand, kept running as long as anybody refers to this: the first member, so that it goes last.
  boost::asio::any_io_executor work_;
  owned<run_strand, drop_strand> strand_;  // shared with its executors
  owned<alarm, delete_alarm> alarm_;       // made when a timer is first set
  std::shared_ptr<run_gate> gate_;
  std::mutex step_mutex_;
  run_registry& registry_;
  strand_loop* previous_ = nullptr;
  strand_loop* next_ = nullptr;
  bool is_finished_ = false;
  bool was_delivered_ = false;  // written on the strand, and where looks are allowed under step_mutex_
};

template <class Fn>
run_gate::sight run_gate::look(Fn fn, duration patience) const {
  const visit here(*this);
  const std::optional<loop_reference> run = enter();
  if (!run) return sight::over;
  auto& l = static_cast<strand_loop&>(**run);
  loop::look_from_outside between_steps(l);
  if (!between_steps.enter(patience)) return sight::busy;
  if (l.was_delivered_) return sight::over;
  fn(l.root());
  return sight::seen;
}

}  // namespace aethergraph::detail
