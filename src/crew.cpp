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
constexpr int most_jobs_between_looks = 64;

/// Between two looks for something that comes soon. Whoever it comes from may be waiting for this processor.
void pause(int look) noexcept {
#if defined(__x86_64__) || defined(__i386__)
  if (look % 32 != 31) return _mm_pause();
#else
  static_cast<void>(look);
#endif
  std::this_thread::yield();
}

/// What is written under a lock only, and read without.
void change(std::atomic<std::size_t>& count, std::ptrdiff_t by) noexcept {
  count.store(count.load(std::memory_order_relaxed) + static_cast<std::size_t>(by), std::memory_order_relaxed);
}

/// The sections under `mutex_` are short.
class short_lock {
 public:
  explicit short_lock(std::mutex& m) noexcept : mutex_(m) { lock_soon(m); }
  short_lock(const short_lock&) = delete;
  short_lock& operator=(const short_lock&) = delete;
  ~short_lock() { mutex_.unlock(); }

 private:
  std::mutex& mutex_;
};

}  // namespace

void lock_soon(std::mutex& m) noexcept {
  for (int i = 0; i < 200; ++i) {
    if (m.try_lock()) return;
    pause(i);
  }
  m.lock();
}

worker_pool& workers_of(const loop& l) {
  if (const host* h = l.host(); h && h->workers) return *h->workers;
  static worker_pool process_wide(std::max(1U, std::thread::hardware_concurrency()));
  return process_wide;
}

// --- in a step

void crew::start(crew_job& j) {
  if (started_) return started_->push(j);
  {
    const short_lock lock(mutex_);
    queue_.push(j);
    change(queued_, 1);
    if (!needs_drainer(strand_helps_.load(std::memory_order_relaxed) && !j.may_wait_for_stop)) return;
    ++drainers_;
  }
  try {
    post_drainer();
  } catch (...) {
    const short_lock lock(mutex_);
    if (drainers_ > 0) return;  // another one will come to it
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

void crew::hand_back(crew_job& done) noexcept {
  if (done.may_settle) done.settle(done);
  else loop_.make_ready(done);
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
    hand_back(done);
  }
}

// --- whoever does jobs

bool crew::needs_drainer(bool strand_helps) const noexcept {
  const std::size_t most = std::max<std::size_t>(1, workers_.threads - (strand_helps ? 1 : 0));
  return queued_.load(std::memory_order_relaxed) > idle_ && drainers_ < most && !is_closed_;
}

/// False: nobody can be had for what is queued.
bool crew::add_drainer_if_needed() noexcept {
  {
    const short_lock lock(mutex_);
    if (queue_.empty() || !needs_drainer(false)) return true;
    ++drainers_;
  }
  try {
    post_drainer();
    return true;
  } catch (...) {
    const short_lock lock(mutex_);
    return drainers_ > 0;
  }
}

/// It is counted already, and no more if this throws.
void crew::post_drainer() {
  try {
    boost::asio::post(workers_.pool, [self = shared_from_this()] { self->drain(); });
  } catch (...) {
    const short_lock lock(mutex_);
    --drainers_;
    throw;
  }
}

crew_job* crew::take(role who) noexcept {
  if (queued_.load(std::memory_order_relaxed) == 0) return nullptr;  // relaxed: only a hint
  const short_lock lock(mutex_);
  crew_job* const j = take_locked(who);
  if (j) change(executing_, 1);
  return j;
}

crew_job* crew::take_locked(role who) noexcept {
  if (is_closed_ || queue_.empty()) return nullptr;
  if (who == role::strand && static_cast<crew_job&>(queue_.front()).may_wait_for_stop) return nullptr;
  change(queued_, -1);
  return &static_cast<crew_job&>(queue_.pop());
}

/// Does it, keeps the books, and takes another one where it may.
crew_job* crew::do_job(crew_job& j, role who, bool takes_another) noexcept {
  j.may_settle = j.execute(j) && j.settle;
  ready_list started;
  if (step_->try_lock()) {
    settle(&j, started);
  } else {
    crew_job* before = inbox_.load(std::memory_order_relaxed);
    do j.next_ready = before;
    // seq_cst: pairs with fall_asleep, so that either this sees it asleep or it sees the inbox
    while (!inbox_.compare_exchange_weak(before, &j, std::memory_order_seq_cst, std::memory_order_relaxed));
  }
  while (has_returned()) {
    if (!step_->try_lock()) {
      // Whoever has it will look. But somebody who looks at the run from outside will not.
      wake_strand();
      break;
    }
    settle(nullptr, started);
  }
  bool is_drainer_missing = false;
  bool is_strand_missing = false;
  bool is_rest_told = false;
  crew_job* next = nullptr;
  {
    const short_lock lock(mutex_);
    bool strand_helps = strand_helps_.load(std::memory_order_relaxed);
    while (!started.empty()) {
      crew_job& another = static_cast<crew_job&>(started.pop());
      strand_helps = strand_helps && !another.may_wait_for_stop;
      queue_.push(another);
      change(queued_, 1);
    }
    const bool is_called_away = who == role::strand && is_strand_wanted_.load(std::memory_order_relaxed);
    if (takes_another && !is_called_away) next = take_locked(who);
    if (!next) change(executing_, -1);
    if (is_rest_awaited_ && is_at_rest_locked()) {
      is_rest_awaited_ = false;
      is_rest_told = true;
    }
    is_drainer_missing = needs_drainer(strand_helps);
    if (is_drainer_missing) ++drainers_;
    is_strand_missing = strand_helps && queued_.load(std::memory_order_relaxed) > idle_;
  }
  if (is_rest_told) {
    is_strand_wanted_.store(true, std::memory_order_seq_cst);
    wake_strand();
  }
  // relaxed: only a hint
  if (is_strand_missing && is_strand_asleep_.load(std::memory_order_relaxed)) wake_strand();
  try {
    if (is_drainer_missing) post_drainer();
  } catch (...) {
    // A worker will come to all that is queued; where the strand is at it, it tries again before it sleeps.
  }
  return next;
}

/// Under the step lock, which it lets go of: keeps the books of this one, if any, and of all that has come back.
void crew::settle(crew_job* done, ready_list& started) noexcept {
  started_ = &started;
  if (has_returned()) collect();
  if (done) hand_back(*done);
  started_ = nullptr;
  const bool is_wanted = loop_.has_ready();
  if (is_wanted) is_strand_wanted_.store(true, std::memory_order_seq_cst);
  step_->unlock();
  if (is_wanted) wake_strand();
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
  auto last_look = std::chrono::steady_clock::now();
  const auto until = last_look + turn;
  int jobs_between_looks = 1;
  int left = jobs_between_looks;
  bool is_due_to_leave = false;
  crew_job* next = nullptr;
  while (!is_due_to_leave) {
    if (!next) next = wait_for_job();
    if (!next) return;  // it has left
    if (--left == 0) {
      const auto now = std::chrono::steady_clock::now();
      const bool are_quick = now - last_look < turn / 64;
      jobs_between_looks = are_quick ? std::min(2 * jobs_between_looks, most_jobs_between_looks) : 1;
      left = jobs_between_looks;
      last_look = now;
      is_due_to_leave = now >= until;
    }
    next = do_job(*next, role::worker, !is_due_to_leave);
  }
  try {
    boost::asio::post(workers_.pool, [self = shared_from_this()] { self->drain(); });
    const short_lock lock(mutex_);
    --active_;
    has_left_.notify_all();
  } catch (...) {
    while ((next = wait_for_job())) static_cast<void>(do_job(*next, role::worker, false));
  }
}

crew_job* crew::wait_for_job() noexcept {
  if (crew_job* j = take(role::worker)) return j;
  {
    const short_lock lock(mutex_);
    ++idle_;
  }
  for (int i = 0; i < looks_before_leaving; ++i) {
    if (queued_.load(std::memory_order_relaxed) > 0) break;
    if (executing_.load(std::memory_order_relaxed) == 0 && i > looks_before_leaving / 8) break;
    pause(i);
  }
  const short_lock lock(mutex_);
  --idle_;
  if (crew_job* j = take_locked(role::worker)) {
    change(executing_, 1);
    return j;
  }
  --drainers_;
  --active_;
  has_left_.notify_all();
  return nullptr;
}

// --- the strand's thread

bool crew::is_at_rest_locked() const noexcept {
  return queued_.load(std::memory_order_relaxed) == 0 && executing_.load(std::memory_order_relaxed) == 0;
}

bool crew::is_idle() noexcept {
  const short_lock lock(mutex_);
  is_rest_awaited_ = !is_at_rest_locked();
  return !is_rest_awaited_ && !has_returned();
}

bool crew::help() noexcept {
  int left = most_jobs_between_looks;
  for (int i = 0; i < looks_before_leaving; ++i) {
    if (is_strand_wanted_.load(std::memory_order_relaxed)) return true;
    crew_job* next = take(role::strand);
    if (next) {
      while (next) next = do_job(*next, role::strand, --left > 0);
      if (left <= 0) return true;
      i = 0;
    } else if (executing_.load(std::memory_order_relaxed) == 0) {
      break;
    } else {
      pause(i);
    }
  }
  return is_strand_wanted_.load(std::memory_order_relaxed) || has_returned();
}

bool crew::fall_asleep() noexcept {
  // From here on it does not help.
  if (queued_.load(std::memory_order_relaxed) > 0 && !add_drainer_if_needed()) return false;
  is_strand_asleep_.store(true, std::memory_order_seq_cst);  // pairs with do_job and settle
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
