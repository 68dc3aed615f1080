#include "aethergraph/detail/crew.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <thread>

#include "aethergraph/detail/host.hpp"
#include "aethergraph/detail/loop.hpp"
#include "aethergraph/detail/worker_pool.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace aethergraph::detail {

namespace {

using namespace std::chrono_literals;

// How long somebody who has nothing to do looks out for more before letting go of the thread, which costs a wake-up.
constexpr int looks_before_leaving = 2000;
// How long one loop's jobs may keep a worker before others have their turn.
constexpr auto turn = 10ms;
constexpr int jobs_between_clock_reads = 64;

void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

/// The sections under `mutex_` are short, so it pays to try again before going to sleep.
class short_lock {
 public:
  explicit short_lock(std::mutex& m) : lock_(m, std::try_to_lock) {
    for (int i = 0; !lock_ && i < 200; ++i) {
      pause();
      static_cast<void>(lock_.try_lock());
    }
    if (!lock_) lock_.lock();
  }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace

worker_pool& workers_of(const loop& l) {
  if (const host* h = l.host(); h && h->workers) return *h->workers;
  static worker_pool process_wide(std::max(1U, std::thread::hardware_concurrency()));
  return process_wide;
}

// --- in a step

void crew::start(crew_job& j) {
  bool needs_drainer = false;
  {
    const short_lock lock(mutex_);
    queue_.push(j);
    // relaxed: whoever sees it takes the lock
    const std::size_t n = queued_.load(std::memory_order_relaxed) + 1;
    queued_.store(n, std::memory_order_relaxed);
    const std::size_t helpers = strand_helps_.load(std::memory_order_relaxed) && !j.may_wait_for_stop ? 1 : 0;
    const std::size_t others = std::max<std::size_t>(1, workers_.threads - helpers);
    needs_drainer = n > idle_ && drainers_ < others && !is_closed_;
    if (needs_drainer) ++drainers_;
  }
  if (!needs_drainer) return;
  try {
    boost::asio::post(workers_.pool, [self = shared_from_this()] { self->drain(); });
  } catch (...) {
    const short_lock lock(mutex_);
    if (--drainers_ > 0) return;  // another one will come to it
    const std::size_t others = queued_.load(std::memory_order_relaxed) - 1;
    static_cast<void>(queue_.take(others));  // it is the last, still
    queued_.store(others, std::memory_order_relaxed);
    throw;
  }
}

void crew::begin_step() noexcept {
  is_strand_asleep_.store(false, std::memory_order_relaxed);  // whoever finds it asleep meanwhile wakes it in vain
  is_strand_wanted_.store(false, std::memory_order_relaxed);
  if (has_returned()) collect();
}

void crew::collect() noexcept {
  // acquire: pairs with the release in do_job, so that what the job has done is seen
  crew_job* j = inbox_.exchange(nullptr, std::memory_order_acquire);
  crew_job* in_order = nullptr;
  while (j) {
    crew_job* const next = static_cast<crew_job*>(j->next_ready);
    j->next_ready = in_order;
    in_order = j;
    j = next;
  }
  while (in_order) {
    crew_job& done = *in_order;
    in_order = static_cast<crew_job*>(done.next_ready);
    if (done.may_settle) done.settle(done);
    else loop_.make_ready(done);
  }
}

// --- whoever does jobs

crew_job* crew::take(bool is_strand) noexcept {
  if (queued_.load(std::memory_order_relaxed) == 0) return nullptr;  // relaxed: only a hint
  const short_lock lock(mutex_);
  if (is_strand && !queue_.empty() && static_cast<crew_job&>(queue_.front()).may_wait_for_stop) return nullptr;
  return take_locked();
}

crew_job* crew::take_locked() noexcept {
  if (is_closed_ || queue_.empty()) return nullptr;
  queued_.store(queued_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  executing_.fetch_add(1, std::memory_order_relaxed);
  return &static_cast<crew_job&>(queue_.pop());
}

void crew::do_job(crew_job& j) noexcept {
  j.may_settle = j.execute(j) && j.settle;
  crew_job* before = inbox_.load(std::memory_order_relaxed);
  do j.next_ready = before;
  // seq_cst: pairs with fall_asleep, so that either this sees it asleep or it sees the inbox
  while (!inbox_.compare_exchange_weak(before, &j, std::memory_order_seq_cst, std::memory_order_relaxed));
  settle_all();
  executing_.fetch_sub(1, std::memory_order_relaxed);
}

void crew::settle_all() noexcept {
  while (has_returned()) {
    if (!step_->try_lock()) {
      // Whoever has it will look. But somebody who looks at the run from outside will not.
      wake_strand();
      return;
    }
    collect();
    const bool is_wanted = loop_.has_ready();
    if (is_wanted) is_strand_wanted_.store(true, std::memory_order_seq_cst);
    step_->unlock();
    if (is_wanted) wake_strand();
  }
}

void crew::wake_strand() noexcept {
  if (!is_strand_asleep_.exchange(false, std::memory_order_seq_cst)) return;
  loop_.wake_from_crew();
}

void crew::drain() noexcept {
  {
    const short_lock lock(mutex_);
    if (is_closed_) {
      --drainers_;
      return;
    }
    ++active_;
  }
  const auto until = std::chrono::steady_clock::now() + turn;
  int left = jobs_between_clock_reads;
  bool is_due_to_leave = false;
  while (!is_due_to_leave) {
    crew_job* const j = wait_for_job();
    if (!j) return;  // it has left
    do_job(*j);
    if (--left == 0) {
      left = jobs_between_clock_reads;
      is_due_to_leave = std::chrono::steady_clock::now() >= until;
    }
  }
  try {
    boost::asio::post(workers_.pool, [self = shared_from_this()] { self->drain(); });
    const short_lock lock(mutex_);
    --active_;
    has_left_.notify_all();
  } catch (...) {
    while (crew_job* const j = wait_for_job()) do_job(*j);
  }
}

crew_job* crew::wait_for_job() noexcept {
  if (crew_job* j = take(false)) return j;
  {
    const short_lock lock(mutex_);
    ++idle_;
  }
  for (int i = 0; i < looks_before_leaving; ++i) {
    if (queued_.load(std::memory_order_relaxed) > 0) break;
    if (executing_.load(std::memory_order_relaxed) == 0 && i > looks_before_leaving / 8) break;
    pause();
  }
  const short_lock lock(mutex_);
  --idle_;
  if (crew_job* j = take_locked()) return j;
  --drainers_;
  --active_;
  has_left_.notify_all();
  return nullptr;
}

// --- the strand's thread

bool crew::help() noexcept {
  int left = jobs_between_clock_reads;
  for (int i = 0; i < looks_before_leaving; ++i) {
    if (is_strand_wanted_.load(std::memory_order_relaxed) || has_returned()) return true;
    if (crew_job* const j = take(true)) {
      do_job(*j);
      if (--left == 0) return true;
      i = 0;
      continue;
    }
    if (executing_.load(std::memory_order_relaxed) == 0) break;
    pause();
  }
  return is_strand_wanted_.load(std::memory_order_relaxed) || has_returned();
}

bool crew::fall_asleep() noexcept {
  is_strand_asleep_.store(true, std::memory_order_seq_cst);  // pairs with do_job and settle_all
  if (inbox_.load(std::memory_order_seq_cst) == nullptr && !is_strand_wanted_.load(std::memory_order_seq_cst))
    return true;
  is_strand_asleep_.store(false, std::memory_order_relaxed);
  return false;
}

void crew::close() noexcept {
  std::unique_lock lock(mutex_);
  is_closed_ = true;
  has_left_.wait(lock, [this] { return active_ == 0; });
}

}  // namespace aethergraph::detail
