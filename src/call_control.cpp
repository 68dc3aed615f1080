#include "aethergraph/detail/call_control.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <utility>

#include "aethergraph/circuit_breaker.hpp"
#include "aethergraph/detail/permits.hpp"
#include "aethergraph/detail/recorded_call.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/rate_limit.hpp"

namespace aethergraph::detail {

namespace {

const call_controls none;

/// A number in [0, 1) that follows from these.
double random_of(std::uint64_t seed, std::uint64_t node, std::uint64_t attempt) noexcept {
  // splitmix64
  std::uint64_t x = seed + 0x9e3779b97f4a7c15ULL * (node * 1000003 + attempt + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  x ^= x >> 31;
  return static_cast<double>(x >> 11) * 0x1.0p-53;
}

}  // namespace

call_control::call_control(call_state& c, const tool_info& tool, const attempt_hooks& hooks)
    : call_(c), tool_(tool), controls_(tool.controls ? *tool.controls : none), hooks_(hooks), outer_(c.cancellation) {
  on_expiry = &timer_expired;
  on_cancel = &cancelled;
  pool_wait_.owner = this;
  pool_wait_.weight = controls_.weight;
  pool_wait_.on_ready = [](ready_item& i) noexcept {
    call_control& self = *static_cast<pool_wait&>(i).owner;
    self.pool_wait_.is_granted = false;
    self.note_permits_taken();
    self.stop_waiting();
    self.acquire();
  };
  if (durable_run* d = run().durable()) recorded_ = d->make_call(*this);
}

call_control::~call_control() {
  recorded_.reset();
  // Only when the run is torn down does it wait still, or hold anything.
  if (step_ == step::pool && !controls_.pool->leave(pool_wait_)) has_permits_ = true;
  stop_waiting_for_token();
  leave_breaker(true, true);
  give_permits_back();
}

run_state& call_control::run() const noexcept { return outer_->run(); }
loop& call_control::home() const noexcept { return outer_->home(); }

void call_control::begin(bool has_slot) noexcept {
  has_slot_ = has_slot;
  if (recorded_ && !recorded_->begin()) return;
  if (home().may_start_here()) acquire();
  else go_on_from_the_list();
}

void call_control::go_on_from_the_list() noexcept {
  home().make_ready(call_,
      [](ready_item& i) noexcept { static_cast<call_state&>(static_cast<body_operation&>(i)).control->acquire(); });
}

// --- waiting for one thing at a time

void call_control::note_phase(node_phase what) noexcept {
  run().note_phase(call_, what);
  if (recorded_) recorded_->phase_begins(what);
}

void call_control::wait(step s, node_phase phase, const char* what) noexcept {
  step_ = s;
  note_phase(phase);
  outer_->add_wait(*this, what, &call_);
}

void call_control::stop_waiting() noexcept {
  step_ = step::none;
  outer_->remove_wait(*this);
}

void call_control::sleep_for(duration d, step s, node_phase phase, const char* what) noexcept {
  try {
    home().add_timer(*this, saturating_add(home().now(), d));
  } catch (...) {
    return end_with(std::current_exception());
  }
  wait(s, phase, what);
}

void call_control::timer_expired(timer& t) noexcept {
  auto& self = static_cast<call_control&>(t);
  if (self.step_ == step::body) {
    if (self.attempt_scope_->is_stopped()) return;  // by something else, which then is the cause of the end
    self.has_timed_out_ = true;
    self.attempt_scope_->cancel(cancelled_because(stop_reason::timeout));
    return;
  }
  self.stop_waiting();
  self.go_on_from_the_list();  // timers expire outside of it, but it is where calls start
}

void call_control::cancelled(cancellable_wait& w) noexcept {
  auto& self = static_cast<call_control&>(w);
  switch (self.step_) {
    case step::pool:
      if (!self.controls_.pool->leave(self.pool_wait_)) return;  // permits are on their way, and will be received
      break;
    case step::rate:
    case step::backoff:
      self.home().remove_timer(self);
      break;
    case step::journal:
      if (!self.recorded_->give_up()) return;  // it has ended before, or may have: what was recorded says
      break;
    case step::none:
    case step::slot:
    case step::permit:
    case step::body:
      return;
  }
  self.step_ = step::none;
  self.end_with(self.outer_->stop_error());
}

void call_control::cancelled_in_queue(cancellable_wait& w) noexcept {
  call_control& self = *call_state::of(w).control;
  if (self.step_ == step::slot) {
    self.run().slots.leave(self.call_);
  } else {
    self.run().permits()->leave(*self.permit_);
    self.permit_.reset();
  }
  self.step_ = step::none;
  self.end_with(self.outer_->stop_error());
}

bool call_control::waits_for_own_run() noexcept {
  if (step_ == step::pool) return run().durable()->holds_all_in_use(*controls_.pool, pool_wait_);
  if (step_ == step::permit) return run().permits()->holds_all();
  return step_ == step::slot;
}

void call_control::go_on_with_attempt(int attempt) noexcept {
  for (; attempts_ + 1 < attempt; ++attempts_)
    run().note_attempt_failed(call_, tool_, std::make_exception_ptr(error("an attempt of a former execution failed")));
}

void call_control::start_beyond_limits() noexcept {
  if (step_ == step::slot) return run().slots.grant_beyond(call_, home());
  if (step_ == step::permit) {
    run().permits()->leave(*permit_);
    permit_.reset();
    goes_without_permit_ = true;
    step_ = step::none;
    outer_->remove_wait(call_.queued);
    return go_on_from_the_list();
  }
  if (!controls_.pool->leave(pool_wait_)) return;  // permits are on their way
  uses_callers_permits_ = true;
  stop_waiting();
  go_on_from_the_list();
}

// --- taking what an attempt needs

std::exception_ptr call_control::check_pools() const {
  for (const call_state* c = call_.caller_across_runs(); c; c = c->caller_across_runs()) {
    const resource_pool* const held = c->control ? c->control->held_pool() : nullptr;
    if (held && held->rank() > controls_.pool->rank())
      return std::make_exception_ptr(
          option_error(fmt::format("tool '{}' needs pool '{}', but a body that it was called from holds pool '{}', "
                                   "which was created later; two such "
                                   "bodies could wait for each other: create '{}' first, or call it outside",
              tool_.name, controls_.pool->name(), held->name(), held->name())));
  }
  return nullptr;
}

void call_control::acquire() noexcept {
  if (outer_->is_stopped()) return end_with(outer_->stop_error());
  try {
    if (controls_.breaker) controls_.breaker->check(home().now());
    if (controls_.pool && !has_permits_ && !uses_callers_permits_) {
      for (const call_state* c = call_.caller_across_runs(); c; c = c->caller_across_runs())
        uses_callers_permits_ = uses_callers_permits_ || (c->control && c->control->holds(*controls_.pool));
      if (!uses_callers_permits_) {
        if (std::exception_ptr e = check_pools()) return end_with(std::move(e));
        pool_wait_.home = &home();
        home().make_executor();
        if (!controls_.pool->take_or_wait(pool_wait_)) {
          give_slot_back();
          return wait(step::pool, node_phase::pool, "permits of a resource_pool");
        }
        note_permits_taken();
      }
    }
  } catch (const circuit_open&) {
    return refuse();
  } catch (...) {
    return end_with(std::current_exception());
  }
  if (!has_slot_) return acquire_slot();
  acquire_permit();
}

void call_control::acquire_slot() noexcept {
  if (!run().slots.acquire(call_)) {
    give_permits_back();  // to the next who waits for them
    run().slots.wait(call_, tool_.priority, [](ready_item& i) noexcept {
      call_control& self = *static_cast<call_state&>(static_cast<body_operation&>(i)).control;
      self.has_slot_ = true;
      self.step_ = step::none;
      self.acquire();
    }, &cancelled_in_queue);
    step_ = step::slot;
    note_phase(node_phase::slot);
    return;
  }
  has_slot_ = true;
  acquire_permit();
}

void call_control::acquire_permit() noexcept {
  if (!run().permits() || permit_ || goes_without_permit_) return acquire_token();
  const call_state* const outer = call_.caller_across_runs();
  try {
    permit_ =
        std::make_unique<permit_request>(call_, outer && outer->control ? outer->control->permit_.get() : nullptr);
  } catch (...) {
    return end_with(std::current_exception());
  }
  if (run().permits()->acquire(*permit_)) return acquire_token();
  call_.on_ready = [](ready_item& i) noexcept {
    call_control& self = *static_cast<call_state&>(static_cast<body_operation&>(i)).control;
    self.step_ = step::none;
    self.acquire();
  };
  ::new (&call_.queued) queued_call;
  call_.queued.on_cancel = &cancelled_in_queue;
  step_ = step::permit;
  outer_->add_wait(call_.queued, "a permit of its runtime", &call_);
  note_phase(node_phase::permit);
  give_permits_back();
}

void call_control::acquire_token() noexcept {
  try {
    if (controls_.rate) {
      const duration d = controls_.rate->take(controls_.rate_key, home().now(), has_waited_for_token_);
      has_waited_for_token_ = d > duration::zero();
      if (has_waited_for_token_) {
        give_slot_back();
        give_permits_back();
        return sleep_for(d, step::rate, node_phase::rate, "a token of a rate_limit");
      }
    }
    if (controls_.breaker) {
      breaker_period_ = controls_.breaker->enter(home().now());
      has_entered_breaker_ = true;
    }
  } catch (const circuit_open&) {
    return refuse();  // another thread was faster
  } catch (...) {
    return end_with(std::current_exception());
  }
  start_attempt();
}

void call_control::refuse() noexcept {
  ++refused_;
  hooks_.fail(call_, std::current_exception());
  stop_waiting_for_token();
  attempt_ended();
}

// --- attempts

void call_control::start_attempt() noexcept {
  ++attempts_;
  step_ = step::body;
  note_phase(node_phase::body);
  attempt_scope_.emplace().open(*outer_);
  call_.cancellation = &*attempt_scope_;
  has_timed_out_ = false;
  if (controls_.timeout) {
    const time_point at = saturating_add(home().now(), *controls_.timeout);
    attempt_scope_->tighten_deadline(at);
    try {
      home().add_timer(*this, at);
    } catch (...) {
      hooks_.fail(call_, std::current_exception());
      return attempt_ended();
    }
  }
  if (hooks_.run_body(call_, attempts_ < controls_.retry.max_attempts)) attempt_ended();
}

void call_control::attempt_ended() noexcept {
  if (is_pending()) home().remove_timer(*this);
  if (step_ == step::body) attempt_scope_->close();
  step_ = step::none;
  call_.cancellation = outer_;
  std::exception_ptr error = hooks_.error(call_);
  if (error && has_timed_out_ && is_cancellation(error)) {
    error = std::make_exception_ptr(timed_out(fmt::format(
        "tool '{}' timed out: attempt {} took longer than {}", tool_.name, attempts_, to_text(*controls_.timeout))));
    hooks_.fail(call_, error);
  }
  const bool was_stopped = outer_->is_stopped() && error && is_cancellation(error);
  leave_breaker(error != nullptr, was_stopped);
  if (!error || outer_->is_stopped() || !is_worth_another_attempt(error)) return end();
  release_all();
  run().note_attempt_failed(call_, tool_, error);
  const duration d = delay_after(error);
  sleep_for(d, step::backoff, node_phase::delay, "the time of its next attempt");
}

bool call_control::is_worth_another_attempt(const std::exception_ptr& e) const noexcept {
  // What a breaker refuses is an attempt, too, or it would be tried for ever.
  if (attempts_ + refused_ >= controls_.retry.max_attempts) return false;
  try {
    return !controls_.retry.when || controls_.retry.when(e);
  } catch (...) {
    return false;  // such as one that throws the exception again, and catches only those that it knows
  }
}

duration call_control::delay_after(const std::exception_ptr& e) const noexcept {
  const retry& r = controls_.retry;
  try {
    std::rethrow_exception(e);
  } catch (const retry_after& said) {
    return std::max(duration::zero(), said.delay());
  } catch (...) {
  }
  const double most = static_cast<double>(r.max_delay.count());
  const double full =
      std::min(most, static_cast<double>(r.first_delay.count()) * std::pow(r.factor, attempts_ + refused_ - 1));
  const double random = r.jitter * random_of(r.seed, call_.number, static_cast<std::uint64_t>(attempts_ + refused_));
  return duration(static_cast<duration::rep>(full * (1 - r.jitter) + full * random));
}

// --- the end

void call_control::leave_breaker(bool has_failed, bool was_stopped) noexcept {
  using outcome = circuit_breaker::outcome;
  if (!std::exchange(has_entered_breaker_, false)) return;
  const outcome o = !has_failed ? outcome::success : was_stopped ? outcome::neither : outcome::failure;
  controls_.breaker->leave(home().now(), o, breaker_period_);
}
void call_control::stop_waiting_for_token() noexcept {
  if (std::exchange(has_waited_for_token_, false)) controls_.rate->leave(controls_.rate_key);
}
void call_control::give_slot_back() noexcept {
  if (permit_) {
    run().permits()->release(*permit_);
    permit_.reset();
  }
  if (std::exchange(has_slot_, false)) run().slots.release(call_, home());
}
void call_control::note_permits_taken() noexcept {
  has_permits_ = true;
  if (recorded_) run().durable()->note_taken(*controls_.pool, static_cast<std::ptrdiff_t>(controls_.weight));
}
void call_control::give_permits_back() noexcept {
  if (!std::exchange(has_permits_, false)) return;
  if (recorded_) run().durable()->note_taken(*controls_.pool, -static_cast<std::ptrdiff_t>(controls_.weight));
  controls_.pool->give_back(controls_.weight);
}
void call_control::release_all() noexcept {
  give_slot_back();
  give_permits_back();
  uses_callers_permits_ = false;
  goes_without_permit_ = false;
}

void call_control::end_with(std::exception_ptr e) noexcept {
  hooks_.fail(call_, std::move(e));
  end();
}

void call_control::end() noexcept {
  stop_waiting_for_token();
  // In a durable run it keeps its slot until its end is safe.
  if (!recorded_ || !recorded_->end()) end_for_good();
}

void call_control::end_for_good() noexcept {
  release_all();
  hooks_.note_end(call_);
  home().make_ready(call_, &body_operation::finish);
}

}  // namespace aethergraph::detail
