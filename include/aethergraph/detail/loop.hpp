// A loop: the strand on which one run, and all that nests in it, takes its steps.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "aethergraph/detail/ready_list.hpp"
#include "aethergraph/detail/timer_queue.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph::detail {

class crew;
struct host;

/// What a durable run hands out, one at a time, when nothing is ready.
class turn_source {
 public:
  /// True: something has been handed out. On the strand, when nothing is ready.
  [[nodiscard]] virtual bool take_turn() noexcept = 0;

 protected:
  ~turn_source() = default;
};

/// The ready list, the timers and the executor of a root run and of every run nested in it.
///
/// All members are used on the loop's strand, except those that say otherwise.
// Invariant: while `draining_`, every ready item will be reached without any further wake-up;
//            while not, a non-empty ready list has a wake-up under way.
class loop {
 public:
  /// After this many steps without a look at the executor, the loop lets timers, sockets and cancellation have a turn.
  static constexpr int steps_between_looks = 256;
  /// How many of them a body may be expected to take at once.
  static constexpr int steps_of_a_body = 16;
  /// How deep bodies may start one inside another before a start goes through the ready list instead.
  static constexpr int max_nested_starts = 48;

  loop() = default;
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;

  // --- the ready list
  void make_ready(ready_item& i) noexcept { ready_.push(i); }
  void make_ready(ready_item& i, void (*on_ready)(ready_item&) noexcept) noexcept {
    i.on_ready = on_ready;
    ready_.push(i);
  }

  /// Each operation that begins is a step.
  void count_step() noexcept { --steps_left_; }
  /// Whether the executor is due its turn. What would go on right here goes through the ready list instead.
  [[nodiscard]] bool is_look_due() const noexcept { return steps_left_ <= 0; }
  /// The same for who is about to start many bodies, one after the other: soon enough for each to take a few steps.
  [[nodiscard]] bool is_look_near() const noexcept { return steps_left_ <= steps_of_a_body; }
  /// Whether a body may start right here. If not, it goes through the ready list.
  [[nodiscard]] bool may_start_here() const noexcept { return !is_look_due() && nested_starts_ < max_nested_starts; }

  /// Stands on the stack while a body starts inside another.
  class nested_start {
   public:
    explicit nested_start(loop& l) noexcept : loop_(l) { ++loop_.nested_starts_; }
    nested_start(const nested_start&) = delete;
    nested_start& operator=(const nested_start&) = delete;
    ~nested_start() { --loop_.nested_starts_; }

   private:
    loop& loop_;
  };

  /// Sees to it that ready items are run: to be called after `make_ready` by whoever is on the strand but may not be
  /// inside a drain (completion handlers, expired timers, a cancellation).
  void wake() noexcept {
    if (!draining_) look();
  }

  /// Marks the calling thread as executing a loop: what is called meanwhile is no part of a graph that is being traced.
  class current_mark {
   public:
    explicit current_mark(loop& l) noexcept;
    current_mark(const current_mark&) = delete;
    current_mark& operator=(const current_mark&) = delete;
    ~current_mark();

   private:
    loop* outer_;
    void* suspended_tracing_;
  };

  /// The calling thread does what a worker does, though it executes a loop.
  class not_in_a_loop {
   public:
    not_in_a_loop() noexcept;
    not_in_a_loop(const not_in_a_loop&) = delete;
    not_in_a_loop& operator=(const not_in_a_loop&) = delete;
    ~not_in_a_loop();

   private:
    loop* here_;
  };

  /// Stands on the stack while steps are taken.
  class stepping {
   public:
    explicit stepping(loop& l) noexcept : mark_(l), loop_(l) {
      if (l.step_mutex_) l.lock_step();
      l.draining_ = true;
    }
    stepping(const stepping&) = delete;
    stepping& operator=(const stepping&) = delete;
    ~stepping() {
      loop_.draining_ = false;
      if (loop_.step_mutex_) loop_.step_mutex_->unlock();
    }

   private:
    current_mark mark_;
    loop& loop_;
  };

  /// Another thread looks at this loop's run between its steps. Any thread, also one that is itself in a step: of this
  /// loop, or of another one, which others may then look at meanwhile (so that two runs can look at each other).
  class look_from_outside {
   public:
    explicit look_from_outside(loop& l) noexcept;
    look_from_outside(const look_from_outside&) = delete;
    look_from_outside& operator=(const look_from_outside&) = delete;
    ~look_from_outside();

    /// Waits for the end of the current step, up to so long. False: it still goes on.
    [[nodiscard]] bool enter(duration patience = duration::max());

   private:
    loop& loop_;
    loop* const here_;
    bool has_left_here_ = false;
    bool is_locked_ = false;
  };

  /// Stands on the stack while something outside a drain makes items ready and must not be interrupted by running them
  /// (timers that expire, a request to stop). Whoever made it wakes the loop afterwards.
  class quiet {
   public:
    explicit quiet(loop& l) noexcept {
      if (!l.draining_) step_.emplace(l);
    }
    quiet(const quiet&) = delete;
    quiet& operator=(const quiet&) = delete;

   private:
    std::optional<stepping> step_;
  };

  // --- time
  [[nodiscard]] virtual time_point now() const noexcept { return std::chrono::steady_clock::now(); }
  void add_timer(timer& t, time_point at);
  void remove_timer(timer& t) noexcept { timers_.remove(t); }

  // --- the executor
  /// The executor that runs this loop's steps and nothing else at the same time.
  [[nodiscard]] virtual boost::asio::any_io_executor executor() = 0;
  /// Makes it, where that waits until it is asked for: in a step, before anything waits that another thread may wake.
  /// Errors: `std::bad_alloc`.
  virtual void make_executor() {}
  /// The same for handlers, of which Asio makes and drops many copies: cheaper. It keeps the loop, and so the event
  /// loop.
  [[nodiscard]] virtual boost::asio::any_io_executor handler_executor() { return executor(); }
  /// The same, as a copy that keeps the executor's event loop running and alive until it goes: for posting to a run
  /// that may end meanwhile.
  [[nodiscard]] boost::asio::any_io_executor tracked_executor();
  /// Whether the calling thread is executing this loop's strand. Any thread.
  [[nodiscard]] virtual bool is_on_strand() const noexcept = 0;
  /// Makes an item ready from any thread. The item must stay valid until it has run.
  void make_ready_from_anywhere(ready_item& i);
  /// Has the loop look what there is to do. Any thread; the loop must be there, as for whatever waits in it.
  void wake_from_anywhere();

  /// Random bits: of the machine, or in a simulation by its seed. Any thread.
  [[nodiscard]] virtual std::uint64_t random_bits();
  /// The number of a run that begins here: unique in this process, or in this simulation.
  [[nodiscard]] virtual std::uint64_t next_run_number() noexcept;

  /// What the runtime that hosts this loop's run lends to it; null where none does.
  [[nodiscard]] aethergraph::detail::host* host() const noexcept { return host_; }

  // --- durable runs
  /// Whether anybody else is at something that will come back here: Asio, another run, a worker thread.
  [[nodiscard]] bool has_others_at_work() const noexcept;
  /// Takes turns whenever nothing is ready; null: no longer. One at most.
  void take_turns_from(turn_source* t) noexcept;
  /// Whether a timer leads somewhere by itself.
  [[nodiscard]] bool has_timers_to_wait_for() const noexcept { return timers_.has_any_to_wait_for(); }

  // --- worker threads
  /// Whether what is for them runs right here: in a simulation, which is one thread.
  [[nodiscard]] virtual bool runs_workers_inline() const noexcept { return false; }
  /// Those of this loop, made when they are first asked for. In a step. Errors: `std::bad_alloc`.
  [[nodiscard]] crew& workers();
  /// A parallel run begins: the strand's own thread may work, too, while it has nothing else to do.
  void note_parallel() noexcept { is_parallel_ = true; }
  /// Something has come back from them: has the strand look. Any thread; only while the crew is not closed.
  virtual void wake_from_crew() noexcept = 0;
  /// Whether something is ready. Only where nobody else is in a step.
  [[nodiscard]] bool has_ready() const noexcept { return !ready_.empty(); }

  /// The loop whose steps this thread is executing, or null. Any thread.
  [[nodiscard]] static loop* current() noexcept;

  /// What others do (operations of Asio's, runs elsewhere), which will make something ready when it ends.
  void foreign_started() noexcept { ++foreign_; }
  void foreign_ended() noexcept { --foreign_; }

  // --- ownership: handlers that may outlive a stopped io_context hold a reference. Any thread.
  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  /// False: the loop is on its way out.
  [[nodiscard]] bool try_add_reference() noexcept {
    std::size_t n = references_.load(std::memory_order_relaxed);
    while (n > 0)
      if (references_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) return true;
    return false;
  }
  void drop_reference() noexcept {
    // acq_rel: pairs with itself, so that the last one out sees all that the others did
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) dispose();
  }

 protected:
  virtual ~loop() = default;

  /// Runs ready items until there are none or a look at the executor is due.
  void drain() noexcept;
  /// Called on the strand, outside a drain, when items may be ready.
  virtual void look() noexcept = 0;
  /// Called when the earliest timer has changed to an earlier one.
  virtual void set_alarm(time_point at) = 0;
  /// The next item to run; simulation chooses by its seed.
  [[nodiscard]] virtual ready_item& next_ready() noexcept { return ready_.pop(); }
  virtual void dispose() noexcept = 0;
  /// Lets every timer expire that is due.
  void expire_timers(time_point now) noexcept;
  /// When to do that again. Of many timers that may be 50 us later than the earliest of them: waking up for each of
  /// them would cost more than what they lead to.
  [[nodiscard]] time_point next_alarm() const noexcept;

  /// The executor goes: from here on nobody posts to it from another thread.
  void stop_posts() noexcept;

  /// From the start on, others may look at the run between its steps.
  void allow_looks(std::mutex& m) noexcept { step_mutex_ = &m; }
  /// Whether something is ready, also where workers may be keeping the books.
  [[nodiscard]] bool is_anything_ready() const noexcept;
  [[nodiscard]] crew* crew_if_any() const noexcept { return crew_.get(); }
  /// Whether its thread may do what workers do, as long as nothing changes.
  [[nodiscard]] virtual bool may_strand_help() const noexcept { return false; }
  /// Before the loop goes, or can no longer be reached. Not in a step.
  void dismiss_crew() noexcept;
  void set_host(aethergraph::detail::host& h) noexcept { host_ = &h; }

  ready_list ready_;
  timer_queue timers_;
  bool has_alarm_ = true;  // false: setting it has failed
  std::size_t foreign_ = 0;
  bool is_parallel_ = false;
  turn_source* turns_ = nullptr;

 private:
  void lock_step() const noexcept;
  void post_from_elsewhere(ready_item* i);
  [[nodiscard]] std::mutex& posting_mutex() const noexcept;
  int steps_left_ = steps_between_looks;
  int nested_starts_ = 0;
  bool draining_ = false;
  aethergraph::detail::host* host_ = nullptr;
  std::mutex* step_mutex_ = nullptr;  // held while draining_; null where nobody else comes near
  std::shared_ptr<crew> crew_;
  std::atomic<std::size_t> references_ = 1;
  std::atomic<std::size_t> on_the_way_ = 0;  // what was posted from other threads
  bool are_posts_stopped_ = false;           // under posting_mutex()
};

/// Keeps a loop, and the run that it belongs to, from being destroyed.
class loop_reference {
 public:
  explicit loop_reference(loop& l) noexcept : loop_(&l) { l.add_reference(); }
  struct adopt_t {};
  static constexpr adopt_t adopt{};
  loop_reference(loop& l, adopt_t) noexcept : loop_(&l) {}
  loop_reference(const loop_reference& o) noexcept : loop_(o.loop_) {
    if (loop_) loop_->add_reference();
  }
  loop_reference(loop_reference&& o) noexcept : loop_(std::exchange(o.loop_, nullptr)) {}
  loop_reference& operator=(loop_reference o) noexcept {
    std::swap(loop_, o.loop_);
    return *this;
  }
  ~loop_reference() {
    if (loop_) loop_->drop_reference();
  }

  loop& operator*() const noexcept { return *loop_; }
  loop* operator->() const noexcept { return loop_; }

 private:
  loop* loop_;
};

}  // namespace aethergraph::detail
