#include "aethergraph/detail/recorded_call.hpp"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/divergence_error.hpp"
#include "aethergraph/recorded_error.hpp"

namespace aethergraph::detail {

std::unique_ptr<recorded_call> durable_run::make_call(call_control& c) {
  return std::make_unique<recorded_call>(c, *this);
}

recorded_call::recorded_call(call_control& c, durable_run& d) noexcept
    : journal_event(&turn_came, &released), control_(c), run_(d) {}
recorded_call::~recorded_call() = default;

bool recorded_call::begin() noexcept {
  journal_standing standing = journal_standing::refused;
  try {
    const call_state& c = control_.call_;
    if (!control_.hooks_.codec())
      throw option_error(
          fmt::format("tool '{}' was called in a durable run, but its result has no codec in this program; include "
                      "<aethergraph/durable.hpp> where it is called",
              control_.tool_.name));
    arguments_ = control_.hooks_.arguments(control_.call_);
    run_.redact(control_.tool_.name, arguments_);
    standing = run_.enter(*this, fact_kind::call, control_.run().log()->replay_path(c.number), control_.tool_.name);
  } catch (...) {
    is_recorded_ = true;  // it fails in the same way each time
    control_.end_with(std::current_exception());
    return false;
  }
  switch (standing) {
    case journal_standing::live:
      if (const int attempt = run_.attempt_under_way(path()); attempt > 1) control_.go_on_with_attempt(attempt);
      if (may_begin()) return true;
      [[fallthrough]];  // it is released when it may
    case journal_standing::held:
    case journal_standing::replayed:
      control_.step_ = call_control::step::journal;
      control_.outer_->add_wait(control_, waits_for_its_turn, &control_.call_);
      return false;
    case journal_standing::refused:
      break;
  }
  is_recorded_ = true;
  control_.end_with(run_.failure());
  return false;
}

bool recorded_call::may_begin() noexcept { return std::exchange(has_asked_to_begin_, true) || run_.may_begin(*this); }

void recorded_call::phase_begins(node_phase what) noexcept {
  const std::chrono::system_clock::time_point now = std::chrono::system_clock::now();
  if (what == node_phase::body) started_ = now;
  if (what == node_phase::slot && phases_.empty()) return;  // as it is said of all
  try {
    phases_.push_back({what, now});
  } catch (const std::bad_alloc&) {
    // Then that is not known; it is for whoever looks, and the run does not need it.
  }
}

bool recorded_call::give_up() noexcept {
  if (run_.is_closed()) {
    journal_event::give_up();
    return true;
  }
  note_stopped();
  return false;
}

void recorded_call::released(journal_event& e) noexcept {
  auto& self = static_cast<recorded_call&>(e);
  if (!self.may_begin()) return;
  self.control_.stop_waiting();
  self.control_.go_on_from_the_list();
}

void recorded_call::turn_came(journal_event& e, const fact* replayed) noexcept {
  auto& self = static_cast<recorded_call&>(e);
  call_control& control = self.control_;
  if (!replayed) return control.end_for_good();
  self.is_recorded_ = true;
  control.stop_waiting();
  try {
    self.replay(*replayed);
  } catch (...) {
    self.run_.fail(std::current_exception());
    control.hooks_.fail(control.call_, self.run_.failure());
  }
  control.end();  // after which this is gone, soon
}

void recorded_call::replay(const fact& f) {
  const tool_info& tool = control_.tool_;
  call_state& c = control_.call_;
  const auto check = [&](std::string_view what, const std::string& recorded, const std::string& now) {
    if (recorded != now)
      throw divergence_error(
          fmt::format("run '{}' does something else than what was recorded of it: at '{}' it calls "
                      "'{}' with {} {}, and recorded is {}",
              run_.id(), path(), tool.name, what, shortened(now), shortened(recorded)));
  };
  check("the version", '\'' + f.version + '\'', '\'' + tool.version + '\'');
  check("the arguments", f.arguments, arguments_);
  if (f.attempts > 0) control_.run().node_started(c.number, tool, node_kind::call, c.made_in);
  if (f.state == node_state::done) restore(f);
  else if (f.state == node_state::failed || !control_.outer_->is_stopped())
    control_.hooks_.fail(c, decode_failure(f.value));
  else control_.hooks_.fail(c, control_.outer_->stop_error());
}

void recorded_call::restore(const fact& f) {
  try {
    control_.hooks_.restore(control_.call_, f.value);
  } catch (const std::exception& e) {
    throw divergence_error(
        fmt::format("run '{}': what was recorded of '{}' at '{}' is no result of it in this program "
                    "({}): {}",
            run_.id(), f.name, path(), e.what(), shortened(f.value)));
  }
}

fact recorded_call::make_fact() {
  const tool_info& tool = control_.tool_;
  const std::exception_ptr error = control_.hooks_.error(control_.call_);
  fact f;
  f.kind = fact_kind::call;
  f.attempts = control_.attempts_;
  f.name = tool.name;
  f.version = tool.version;
  f.arguments = std::move(arguments_);
  f.value = error ? encode_failure(error) : control_.hooks_.value(control_.call_);
  run_.redact(tool.name, f.value);
  if (error && control_.outer_->is_stopped() && is_cancellation(error))
    f.state = control_.attempts_ > 0 ? node_state::cancelled : node_state::skipped;
  else if (error) f.state = node_state::failed;
  // What was thrown is what will be thrown when this is replayed.
  if (f.state == node_state::failed) control_.hooks_.fail(control_.call_, decode_failure(f.value));
  f.made = made_;
  f.started = started_;
  f.ended = std::chrono::system_clock::now();
  if (!phases_.empty() && phases_.back().what == node_phase::body) phases_.pop_back();
  f.phases = std::move(phases_);
  return f;
}

bool recorded_call::end() noexcept {
  if (std::exchange(is_recorded_, true)) return false;
  if (!run_.is_closed()) {
    try {
      run_.forget_under(path());
      run_.occurred(*this, make_fact(), true);
      return true;
    } catch (...) {
      run_.fail(std::current_exception());
    }
  }
  // What nobody has recorded must not be seen.
  if (run_.failure() && !control_.hooks_.error(control_.call_)) control_.hooks_.fail(control_.call_, run_.failure());
  return false;
}

}  // namespace aethergraph::detail
