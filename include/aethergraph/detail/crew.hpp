// A crew: what a run has its worker threads do, and how that comes back.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>

#include "aethergraph/detail/ready_list.hpp"
#include "aethergraph/detail/waiting_threads.hpp"

namespace aethergraph::detail {

class loop;
struct worker_pool;

/// What a call waits for whose body is on one. Such a wait's `on_cancel` only sets a flag, and may be called again.
inline constexpr char on_worker_thread[] = "a worker thread";

/// Locks what others hold for moments only: it pays to try again before going to sleep.
void lock_soon(std::mutex& m) noexcept;

/// Something to be done on a worker thread. As a ready item: it has been done, and the strand goes on from there.
struct crew_job : ready_item {
  /// Does it, beside everything else. True: `settle` may follow on any thread.
  bool (*execute)(crew_job&) noexcept = nullptr;
  /// Keeps the books, between two steps of the run and as if on its strand. Runs no code of the user's that could tell
  /// the difference. It may start further jobs, and make things ready.
  void (*settle)(crew_job&) noexcept = nullptr;
  bool may_settle = false;
  /// It may not end before it is asked to stop, which takes the strand: not for the thread of that.
  bool may_wait_for_stop = false;
};

/// The jobs of one loop. Workers take them one after the other as long as there are any, so that many jobs cost one
/// post.
///
/// Whoever has done a job tries to keep the books itself, under the lock that a step of the loop holds; if somebody
/// else has that lock, it puts the job into the inbox, where that one looks afterwards. So nobody waits for it, and
/// what one job makes possible starts without the strand's thread. The jobs that this starts go to the queue, and the
/// next one comes from there, under one lock.
// Invariant: a job is in the queue, being executed, or in the inbox; jobs in the queue have a drainer under way, or the
//            strand itself helps; when the inbox is not empty, whoever holds the step lock or the strand will look.
class crew : public std::enable_shared_from_this<crew> {
 public:
  crew(loop& l, worker_pool& workers) noexcept : loop_(l), workers_(workers) {}
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;
  ~crew() = default;

  /// For loops that have none of their own.
  [[nodiscard]] std::mutex& own_step_mutex() noexcept { return own_step_mutex_; }
  /// What each step of the loop holds.
  void set_step_mutex(std::mutex& m) noexcept { step_ = &m; }

  /// In a step of the loop, or in a `settle`, under the step lock: has it done. Errors: `std::bad_alloc`, or what
  /// starting a thread throws; then it will not be done.
  void start(crew_job& j);

  // --- on the strand's thread
  /// A step begins: settles, or makes ready, what has been done.
  void begin_step() noexcept;
  /// Whether nothing is to be done, being done, or has been done without the strand knowing. False: the strand is woken
  /// once nothing is to be done or being done.
  [[nodiscard]] bool is_idle() noexcept;
  [[nodiscard]] bool has_returned() const noexcept { return inbox_.load(std::memory_order_acquire) != nullptr; }
  /// Whether its thread takes jobs while nothing is ready; one worker less is asked for where it does.
  void let_strand_help(bool may) noexcept { strand_helps_.store(may, std::memory_order_relaxed); }
  /// Does jobs until something is ready for the strand, or others on this executor may be due a turn. False: nothing
  /// came for a while.
  bool help() noexcept;
  /// From here on the strand is woken by `loop::wake_from_crew`. False: something has come already.
  [[nodiscard]] bool fall_asleep() noexcept;
  /// Nothing more is done, and nobody is at it: to be called before the loop goes.
  void close() noexcept;

 private:
  enum class role : bool { worker, strand };
  void hand_back(crew_job& done) noexcept;
  void collect() noexcept;
  [[nodiscard]] crew_job* take(role who) noexcept;
  [[nodiscard]] crew_job* take_locked(role who) noexcept;
  [[nodiscard]] crew_job* wait_for_job() noexcept;
  [[nodiscard]] crew_job* do_job(crew_job& j, role who, bool takes_another) noexcept;
  void settle(crew_job* done, ready_list& started) noexcept;
  [[nodiscard]] bool is_at_rest_locked() const noexcept;
  [[nodiscard]] bool needs_drainer(bool strand_helps) const noexcept;
  [[nodiscard]] bool add_drainer_if_needed() noexcept;
  void post_drainer();
  void wake_strand() noexcept;
  void drain() noexcept;

  loop& loop_;
  worker_pool& workers_;
  std::mutex* step_ = nullptr;
  std::mutex own_step_mutex_;
  ready_list* started_ = nullptr;  // under the step lock: where jobs go that are started meanwhile; null: to the queue

  std::mutex mutex_;
  waiting_threads has_left_;
  // Under mutex_:
  ready_list queue_;
  std::size_t drainers_ = 0;  // posted, or at it
  std::size_t active_ = 0;    // at it
  std::size_t idle_ = 0;      // at it, but without a job for the moment
  bool is_closed_ = false;
  bool is_rest_awaited_ = false;  // the strand is to be woken once nothing is queued or executing

  std::atomic<std::size_t> queued_ = 0;     // as in queue_, for a look without the lock
  std::atomic<std::size_t> executing_ = 0;  // who does a job, or keeps the books of it: else nothing will come
  std::atomic<crew_job*> inbox_ = nullptr;  // the latest first, linked by next_ready
  std::atomic<bool> is_strand_asleep_ = false;
  std::atomic<bool> is_strand_wanted_ = false;  // something is ready
  std::atomic<bool> strand_helps_ = false;      // a hint
};

/// The threads that the crew of this loop's run consists of: those of the runtime that hosts it, else the process's.
[[nodiscard]] worker_pool& workers_of(const loop& l);

}  // namespace aethergraph::detail
