#include "aethergraph/detail/blocking_loop.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>

#include "aethergraph/detail/alarm.hpp"
#include "aethergraph/detail/crew.hpp"

namespace aethergraph::detail {

struct blocking_loop::event_loop {
  boost::asio::io_context io{1};
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work{io.get_executor()};
  alarm wake_up{io.get_executor()};
};

void blocking_loop::delete_events(event_loop* e) noexcept { delete e; }

blocking_loop::blocking_loop() noexcept = default;
blocking_loop::~blocking_loop() { dismiss_crew(); }

blocking_loop::event_loop& blocking_loop::events() {
  if (!events_) events_.reset(new event_loop);
  return *events_;
}

boost::asio::any_io_executor blocking_loop::executor() { return events().io.get_executor(); }

bool blocking_loop::is_on_strand() const noexcept {
  return current() == this;  // set all through drive(), and only by it
}

void blocking_loop::set_alarm(time_point at) {
  events().wake_up.set(at, [this] {
    expire_timers(now());
    return next_alarm();
  });
}

std::size_t blocking_loop::poll() {
  if (!events_) return 0;
  // Bounded, so that handlers that post each other do not starve the run.
  std::size_t handlers = 0;
  while (handlers < 64 && events_->io.poll_one() > 0) ++handlers;
  return handlers;
}

void blocking_loop::run_one() {
  boost::asio::io_context& io = events().io;
  if (io.stopped()) io.restart();  // by foreign code that found its way to it
  io.run_one();
}

bool blocking_loop::run_one_until(time_point end) {
  boost::asio::io_context& io = events().io;
  if (io.stopped()) io.restart();
  return io.run_one_until(end) > 0;
}

bool blocking_loop::run_one_unless_idle() {
  if (!events_) return false;
  boost::asio::io_context& io = events_->io;
  if (io.stopped()) io.restart();
  events_->work.reset();
  const struct guard_again {
    event_loop& events;
    ~guard_again() {
      events.work.emplace(events.io.get_executor());
      if (events.io.stopped()) events.io.restart();
    }
  } afterwards{*events_};
  return io.run_one() > 0;
}

void blocking_loop::wait(run_state&) {
  if (crew* c = crew_if_any()) wait_with_crew(*c);
  else run_one();
}

// A job may take long. So this thread does some only where nothing else can come than what they give.
bool blocking_loop::may_strand_help() const noexcept { return is_parallel_ && foreign_ == 0 && timers_.empty(); }

void blocking_loop::wait_with_crew(crew& c) {
  if (poll() > 0) return;
  const bool helps = may_strand_help();
  c.let_strand_help(helps);
  if (helps) {
    const not_in_a_loop here;
    if (c.help()) return;
  }
  static_cast<void>(events());
  if (c.fall_asleep()) run_one();
}

void blocking_loop::wake_from_crew() noexcept {
  boost::asio::post(events_->io, [] {});
}

void blocking_loop::drive(run_state& root, const bool& is_finished) {
  const current_mark mark(*this);
  std::exception_ptr escaped;
  for (;;) {
    drain();
    if (is_finished) break;
    try {
      if (is_anything_ready()) poll();
      else wait(root);
    } catch (...) {
      if (escaped) std::rethrow_exception(escaped);  // the first one says more
      escaped = std::current_exception();
      const quiet guard(*this);
      root.cancel(cancelled_because(stop_reason::handler_threw));
    }
  }
  dismiss_crew();
  if (events_) end_events(escaped);
  if (escaped) std::rethrow_exception(escaped);
}

// The body has ended, but other threads may still hold the executor (one that has just completed an operation lets go
// of it a little later), and foreign code may have started something on it. The event loop stays until they are done.
void blocking_loop::end_events(std::exception_ptr& escaped) {
  events_->wake_up.cancel();
  events_->work.reset();
  if (events_->io.stopped()) events_->io.restart();
  for (;;) {
    try {
      events_->io.run();
      return stop_posts();  // who has posted may still be at it
    } catch (...) {
      if (!escaped) escaped = std::current_exception();
    }
  }
}

}  // namespace aethergraph::detail
