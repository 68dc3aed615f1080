#include "aethergraph/detail/strand_loop.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/prefer.hpp>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include "aethergraph/detail/alarm.hpp"
#include "aethergraph/detail/crew.hpp"
#include "aethergraph/detail/run_strand.hpp"

namespace aethergraph::detail {

/// The live runs of one execution context. When the context goes, they go.
// Invariant: holds one reference to each loop in its list.
class run_registry final : public boost::asio::execution_context::service {
 public:
  static boost::asio::execution_context::id id;

  explicit run_registry(boost::asio::execution_context& owner) : service(owner) {}

  void add(strand_loop& l) noexcept {
    const std::lock_guard lock(mutex_);
    l.previous_ = nullptr;
    l.next_ = first_;
    if (first_) first_->previous_ = &l;
    first_ = &l;
  }

  /// True: the loop was in the list, and the caller now owns its reference.
  bool remove(strand_loop& l) noexcept {
    const std::lock_guard lock(mutex_);
    if (!l.previous_ && first_ != &l) return false;
    (l.previous_ ? l.previous_->next_ : first_) = l.next_;
    if (l.next_) l.next_->previous_ = l.previous_;
    l.previous_ = nullptr;
    return true;
  }

  [[nodiscard]] std::shared_ptr<const std::atomic<bool>> end() const noexcept { return has_ended_; }

 private:
  void shutdown() override {
    *has_ended_ = true;
    for (;;) {
      strand_loop* l = nullptr;
      {
        const std::lock_guard lock(mutex_);
        l = first_;
        if (!l) return;
        first_ = l->next_;
        if (first_) first_->previous_ = nullptr;
        l->previous_ = nullptr;
      }
      l->stop_crew();
      l->leave_executor();
      l->drop_reference();
    }
  }

  std::mutex mutex_;
  strand_loop* first_ = nullptr;
  std::shared_ptr<std::atomic<bool>> has_ended_ = std::make_shared<std::atomic<bool>>(false);
};

boost::asio::execution_context::id run_registry::id;

void run_gate::cancel() const {
  const std::lock_guard lock(mutex_);
  if (loop_) loop_->cancel_from_anywhere();
}

std::optional<loop_reference> run_gate::enter() const {
  const std::lock_guard lock(mutex_);
  ++visits_;
  if (!loop_ || !loop_->try_add_reference()) return std::nullopt;
  return loop_reference(*loop_, loop_reference::adopt);
}

void run_gate::leave() const noexcept {
  const std::lock_guard lock(mutex_);
  if (--visits_ == 0) has_left_.notify_all();
}

void run_gate::close_and_wait() noexcept {
  std::unique_lock lock(mutex_);
  loop_ = nullptr;
  has_left_.wait(lock, [this] { return visits_ == 0; });
}

void run_gate::close() noexcept {
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

std::shared_ptr<const std::atomic<bool>> strand_loop::context_end(const boost::asio::any_io_executor& ex) {
  return boost::asio::use_service<run_registry>(boost::asio::query(ex, boost::asio::execution::context)).end();
}

strand_loop::strand_loop(const boost::asio::any_io_executor& ex)
    : work_(boost::asio::prefer(ex, boost::asio::execution::outstanding_work.tracked)),
      strand_(new run_strand(ex)),
      registry_(boost::asio::use_service<run_registry>(boost::asio::query(ex, boost::asio::execution::context))) {
  registry_.add(*this);
}

strand_loop::~strand_loop() { registry_.remove(*this); }  // still there only if its construction has failed

namespace {

namespace execution = boost::asio::execution;

/// An executor of a run's strand, small enough for an any_io_executor to hold it without memory of its own: Asio makes
/// and drops several copies for each operation. `Kept` is what it keeps.
template <class Kept, bool never_blocks = false>
class strand_executor {
 public:
  explicit strand_executor(Kept k) noexcept : kept_(std::move(k)) {}

  [[nodiscard]] boost::asio::execution_context& query(execution::context_t) const noexcept {
    return boost::asio::query(kept_.strand().inner(), execution::context);
  }
  [[nodiscard]] static constexpr execution::blocking_t query(execution::blocking_t) noexcept {
    if constexpr (never_blocks) return execution::blocking.never;
    else return execution::blocking.possibly;
  }
  [[nodiscard]] strand_executor<Kept, true> require(execution::blocking_t::never_t) const noexcept {
    return strand_executor<Kept, true>(kept_);
  }
  [[nodiscard]] strand_executor<Kept, false> require(execution::blocking_t::possibly_t) const noexcept {
    return strand_executor<Kept, false>(kept_);
  }
  // Without this Asio takes it that nothing is ever tracked, and never asks for the second of those below.
  [[nodiscard]] execution::outstanding_work_t query(execution::outstanding_work_t) const noexcept
    requires requires(const Kept& k) { k.tracks_work(); }
  {
    if (kept_.tracks_work()) return execution::outstanding_work.tracked;
    return execution::outstanding_work.untracked;
  }
  [[nodiscard]] strand_executor prefer(execution::outstanding_work_t::tracked_t) const
    requires requires(Kept& k) { k.track_work(); }
  {
    strand_executor e = *this;
    e.kept_.track_work();
    return e;
  }
  [[nodiscard]] strand_executor prefer(execution::outstanding_work_t::untracked_t) const
    requires requires(Kept& k) { k.track_work(); }
  {
    strand_executor e = *this;
    e.kept_.forget_work();
    return e;
  }
  template <class F>
  void execute(F&& f) const {
    if constexpr (never_blocks) kept_.strand().post(std::forward<F>(f));
    else kept_.strand().dispatch(std::forward<F>(f));
  }
  bool operator==(const strand_executor& o) const noexcept { return &kept_.strand() == &o.kept_.strand(); }

 private:
  Kept kept_;
};

/// Keeps the run, and so its strand and the event loop beneath.
class kept_run {
 public:
  kept_run(loop& run, run_strand& s) noexcept : run_(run), strand_(&s) {}
  [[nodiscard]] run_strand& strand() const noexcept { return *strand_; }

 private:
  loop_reference run_;
  run_strand* strand_;
};

/// Keeps the strand, and where work is tracked the event loop beneath. The run may be over.
class kept_strand {
 public:
  explicit kept_strand(run_strand& s) noexcept : strand_(&s) { s.add_reference(); }
  kept_strand(const kept_strand& o) noexcept : strand_(o.strand_), work_(o.work_) { strand_->add_reference(); }
  kept_strand& operator=(const kept_strand&) = delete;
  ~kept_strand() { strand_->drop_reference(); }
  [[nodiscard]] run_strand& strand() const noexcept { return *strand_; }
  void track_work() {
    work_ = std::make_shared<const boost::asio::any_io_executor>(
        boost::asio::prefer(strand_->inner(), execution::outstanding_work.tracked));
  }
  void forget_work() noexcept { work_.reset(); }
  [[nodiscard]] bool tracks_work() const noexcept { return work_ != nullptr; }

 private:
  run_strand* strand_;
  std::shared_ptr<const boost::asio::any_io_executor> work_;
};

}  // namespace

boost::asio::any_io_executor strand_loop::executor() { return strand_executor<kept_strand>(kept_strand(*strand_)); }
boost::asio::any_io_executor strand_loop::handler_executor() {
  return strand_executor<kept_run>(kept_run(*this, *strand_));
}

void delete_alarm(alarm* a) noexcept { delete a; }

void drop_strand(run_strand* s) noexcept { s->drop_reference(); }

bool strand_loop::is_on_strand() const noexcept { return strand_->is_here(); }

boost::asio::any_io_executor strand_loop::inner_executor() const { return strand_->inner(); }

void strand_loop::begin() {
  try {
    strand_->post([self = loop_reference(*this), this] {
      start();
      wake();
    });
  } catch (...) {
    if (registry_.remove(*this)) drop_reference();
    throw;
  }
}

void strand_loop::look() noexcept {
  if (was_delivered_) return;
  drain();
  if (is_finished_) {
    {
      const std::lock_guard lock(step_mutex_);
      was_delivered_ = true;
    }
    if (alarm_) alarm_->cancel();
    dismiss_crew();
    leave_executor();
    deliver();
    if (registry_.remove(*this)) drop_reference();
  } else if (crew* c = crew_if_any(); is_anything_ready() || (c && !c->fall_asleep())) {
    strand_->post([self = loop_reference(*this), this] { wake(); });
  }
}

// The bodies on worker threads refer to the run, and nothing of it must go before they have ended.
void strand_loop::stop_crew() noexcept {
  if (!crew_if_any()) return;
  {
    look_from_outside between_steps(*this);
    static_cast<void>(between_steps.enter());
    root().for_each_wait([](const scope&, cancellable_wait& w) {
      if (w.waits_for == on_worker_thread) w.on_cancel(w);
    });
  }
  dismiss_crew();
}

// The executor may go from here on, so nobody who is elsewhere may come to it any more.
void strand_loop::leave_executor() noexcept {
  stop_posts();
  if (gate_) gate_->close_and_wait();
}

void strand_loop::wake_from_crew() noexcept {
  strand_->post([self = loop_reference(*this), this] { wake(); });
}

void strand_loop::set_alarm(time_point at) {
  if (!alarm_) alarm_.reset(new alarm(strand_->inner()));
  const auto on_alarm = [this] {
    if (was_delivered_) return time_point::max();
    expire_timers(now());
    wake();
    return next_alarm();
  };
  alarm_->set(at, boost::asio::bind_executor(strand_executor<kept_run>(kept_run(*this, *strand_)), on_alarm));
}

std::shared_ptr<run_gate> strand_loop::gate() {
  if (!gate_) gate_ = std::make_shared<run_gate>(*this);
  return gate_;
}

void strand_loop::cancel_from_anywhere() {
  if (!try_add_reference()) return;
  strand_->post([self = loop_reference(*this, loop_reference::adopt), this] {
    if (was_delivered_) return;
    {
      const quiet guard(*this);
      root().cancel(cancelled_because(stop_reason::asked_by_caller));
    }
    wake();
  });
}

void strand_loop::dispose() noexcept {
  if (gate_) gate_->close();
  delete this;
}

}  // namespace aethergraph::detail
