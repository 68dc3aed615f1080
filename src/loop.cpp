#include "aethergraph/detail/loop.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <chrono>
#include <cstdint>
#include <limits>
#include <random>
#include <thread>
#include <utility>

#include "aethergraph/detail/crew.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/detail/suspend_tracing.hpp"

namespace aethergraph::detail {

namespace {
thread_local constinit loop* current_loop = nullptr;
}

loop* loop::current() noexcept { return current_loop; }

loop::current_mark::current_mark(loop& l) noexcept : outer_(current_loop), suspended_tracing_(suspend_tracing()) {
  current_loop = &l;
}
loop::current_mark::~current_mark() {
  current_loop = outer_;
  resume_tracing(suspended_tracing_);
}

loop::not_in_a_loop::not_in_a_loop() noexcept : here_(std::exchange(current_loop, nullptr)) {}
loop::not_in_a_loop::~not_in_a_loop() { current_loop = here_; }

// What a durable run does between two facts must not depend on how much of it was replayed.
constexpr int unlimited = std::numeric_limits<int>::max();

void loop::take_turns_from(turn_source* t) noexcept {
  turns_ = t;
  if (t) steps_left_ = unlimited;
}

void loop::lock_step() const noexcept {
  if (crew_) lock_soon(*step_mutex_);
  else step_mutex_->lock();
}

void loop::drain() noexcept {
  const stepping here(*this);
  if (crew_) crew_->begin_step();
  do {
    steps_left_ = turns_ ? unlimited : steps_between_looks;
    while (!ready_.empty() && steps_left_ > 0) {
      --steps_left_;
      ready_item& i = next_ready();
      i.on_ready(i);
    }
  } while (turns_ && ready_.empty() && turns_->take_turn());
}

loop::look_from_outside::look_from_outside(loop& l) noexcept : loop_(l), here_(current()) {}

bool loop::look_from_outside::enter(duration patience) {
  if (here_ == &loop_ || !loop_.step_mutex_) return true;
  if (here_ && here_->step_mutex_) {
    here_->step_mutex_->unlock();
    has_left_here_ = true;
  }
  if (patience == duration::max()) {
    loop_.step_mutex_->lock();
    is_locked_ = true;
  } else {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!(is_locked_ = loop_.step_mutex_->try_lock()) && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return is_locked_;
}

loop::look_from_outside::~look_from_outside() {
  if (is_locked_) loop_.step_mutex_->unlock();
  if (has_left_here_) here_->step_mutex_->lock();
}

void loop::add_timer(timer& t, time_point at) {
  timers_.add(t, at);
  if (has_alarm_ && !timers_.is_earliest(t)) return;
  const auto renew_alarm = [this] {
    has_alarm_ = false;  // as long as it is being set, the others have none either
    set_alarm(timers_.earliest());
    has_alarm_ = true;
  };
  try {
    renew_alarm();
  } catch (...) {
    timers_.remove(t);
    try {
      if (!timers_.empty()) renew_alarm();
    } catch (...) {
      // the next timer tries again
    }
    throw;
  }
}

std::uint64_t loop::random_bits() {
  thread_local std::mt19937_64 generator([] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }());
  return generator();
}

bool loop::has_others_at_work() const noexcept {
  // acquire: pairs with post_from_elsewhere
  return foreign_ > 0 || on_the_way_.load(std::memory_order_acquire) > 0 || (crew_ && !crew_->is_idle());
}

std::uint64_t loop::next_run_number() noexcept { return detail::next_run_number(); }

boost::asio::any_io_executor loop::tracked_executor() {
  return boost::asio::prefer(executor(), boost::asio::execution::outstanding_work.tracked);
}

void loop::expire_timers(time_point now) noexcept {
  const quiet guard(*this);
  while (!timers_.empty() && timers_.earliest() <= now) {
    timer& t = timers_.pop();
    t.on_expiry(t);
  }
}

time_point loop::next_alarm() const noexcept {
  constexpr std::size_t many = 1000;
  constexpr std::chrono::microseconds pause(50);
  if (timers_.empty()) return time_point::max();
  const time_point earliest = timers_.earliest();
  return timers_.size() < many ? earliest : std::max(earliest, now() + pause);
}

crew& loop::workers() {
  if (!crew_) {
    crew_ = std::make_shared<crew>(*this, workers_of(*this));
    if (!step_mutex_) {
      step_mutex_ = &crew_->own_step_mutex();
      step_mutex_->lock();  // this is a step, whose end unlocks it
    }
    crew_->set_step_mutex(*step_mutex_);
    crew_->let_strand_help(may_strand_help());
  }
  return *crew_;
}

bool loop::is_anything_ready() const noexcept {
  if (!crew_) return !ready_.empty();
  if (crew_->has_returned()) return true;
  lock_step();
  const std::lock_guard lock(*step_mutex_, std::adopt_lock);
  return !ready_.empty();
}

void loop::dismiss_crew() noexcept {
  if (crew_) crew_->close();
}

void loop::make_ready_from_anywhere(ready_item& i) {
  if (current() == this) {
    {
      const quiet guard(*this);
      make_ready(i);
    }
    wake();
    return;
  }
  post_from_elsewhere(&i);
}

void loop::wake_from_anywhere() {
  if (current() == this) wake();
  else post_from_elsewhere(nullptr);
}

// Held while another thread posts, which may end this loop's run. So it is no part of the loop, and shared with others.
std::mutex& loop::posting_mutex() const noexcept {
  static std::array<std::mutex, 64> mutexes;
  return mutexes[reinterpret_cast<std::uintptr_t>(this) / sizeof(loop) % mutexes.size()];
}

void loop::post_from_elsewhere(ready_item* i) {
  const std::lock_guard lock(posting_mutex());
  if (are_posts_stopped_ || !try_add_reference()) return;  // the run is being torn down, and the item with it
  loop_reference self(*this, loop_reference::adopt);
  const boost::asio::any_io_executor ex = tracked_executor();
  on_the_way_.fetch_add(1, std::memory_order_release);
  try {
    boost::asio::post(ex, [self = std::move(self), i] {
      self->on_the_way_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: it is read on this strand
      if (i) {
        const quiet guard(*self);
        self->make_ready(*i);
      }
      self->wake();
    });
  } catch (...) {
    on_the_way_.fetch_sub(1, std::memory_order_relaxed);
    throw;
  }
}

void loop::stop_posts() noexcept {
  const std::lock_guard lock(posting_mutex());
  are_posts_stopped_ = true;
}

}  // namespace aethergraph::detail
