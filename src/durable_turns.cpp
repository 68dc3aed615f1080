// The turns of a durable run: what happens next when nothing is ready, and what if nothing can.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "aethergraph/detail/call_control.hpp"
#include "aethergraph/detail/crew.hpp"
#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/detail/recorder.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/divergence_error.hpp"
#include "aethergraph/run_parked.hpp"

namespace aethergraph::detail {

namespace {
// Two journals may not starve the timers and sockets of one loop.
constexpr int turns_between_looks = 256;
}  // namespace

bool durable_run::take_turn() noexcept {
  is_woken_ = false;
  take_messages();
  if (!is_closed_ && is_closed()) {
    close();
    return true;
  }
  if (on_left_) {
    const bool is_known = has_store_failed_ || committed_ >= written_;
    wait_for_commit(!is_known);
    if (!is_known) return false;
    std::exchange(on_left_, nullptr)(left_);  // after which this may be gone
    return true;
  }
  if (turns_in_a_row_ == turns_between_looks) {
    turns_in_a_row_ = 0;
    let_others_go_first();
    return false;
  }
  if (take_replayed_turn() || release_replayed() || start_one_beyond_limits() || release_others() || take_due_turn() ||
      release_asked() || release_starting()) {
    ++turns_in_a_row_;
    return true;
  }
  turns_in_a_row_ = 0;
  if (is_closed_ || waits_for_commit_ || !is_idle()) return false;
  for (const auto& [key, l] : lanes_)
    if (!l.pending.empty()) {
      diverge();
      return true;
    }
  if (asked_.empty() && sleeps_.empty()) return false;
  const bool is_all_safe = committed_ >= written_;  // the questions among it
  wait_for_commit(!is_all_safe);
  if (!is_all_safe) return false;
  if (!sleeps_.empty() && sleeps_.begin()->time_since_epoch() <= home_.now().time_since_epoch() + clock_offset_)
    return false;  // that time has come
  park();
  return true;
}

bool durable_run::take_replayed_turn() noexcept {
  if (replayable_.empty()) return false;
  const auto first = replayable_.begin();
  recorded_fact& r = *first->second;
  replayable_.erase(first);
  journal_event& e = *std::exchange(r.event, nullptr);
  e.recorded_ = nullptr;
  e.run_ = nullptr;
  // The path is kept alive by the fact, which goes last.
  auto here = recorded_.extract(r.what.path);
  journal_lane& l = *r.lane;
  if (!is_closed_) l.pending.pop_front();
  e.on_turn_(e, &r.what);
  if (!is_closed_) advance(l);
  return true;
}

// Not before all is done that the last fact leads to: it may be that what is held is given up.
bool durable_run::release_replayed() noexcept {
  if (replayed_lanes_.empty()) return false;
  for (journal_lane* l : std::exchange(replayed_lanes_, {})) release(l->held);
  return true;
}

bool durable_run::release_starting() noexcept {
  if (starting_.empty() || committed_ < starting_.front().safe_at) return false;
  journal_event* const e = starting_.front().event;
  starting_.pop_front();
  if (e) {
    e->run_ = nullptr;
    e->on_release_(*e);
  }
  return true;
}

bool durable_run::release_asked() noexcept {
  if (asking_.empty() || committed_ < asking_.front().safe_at) return false;
  journal_event* const e = asking_.front().event;
  asking_.pop_front();
  if (e && !e->is_due_) e->on_release_(*e);
  return true;
}

// Not before all is replayed that does not wait for it: it may be that what is held is given up.
bool durable_run::release_others() noexcept {
  if (held_.empty()) return false;
  release(held_);
  return true;
}

bool durable_run::is_behind_recorded(std::string_view path) noexcept {
  if (is_closed_ || replaying_lanes_ == 0) return false;
  const journal_lane* const l = lane_of(path);
  return l && !l->pending.empty();
}

bool durable_run::take_due_turn() noexcept {
  while (!due_.empty() && !due_.front().event) due_.pop_front();
  const auto next = std::find_if(
      due_.begin(), due_.end(), [this](const due& d) { return d.event && !is_behind_recorded(d.event->path_); });
  const bool is_safe = next == due_.end() || is_closed_ || committed_ >= next->safe_at;
  wait_for_commit(!is_safe || !starting_.empty() || (!is_closed_ && !asking_.empty()));
  if (next == due_.end() || !is_safe) return false;
  journal_event& e = *next->event;
  due_.erase(next);
  e.is_due_ = false;
  e.run_ = nullptr;
  for (due& a : asking_)
    if (a.event == &e) a.event = nullptr;
  if (const std::unique_ptr<fact> f = std::move(e.unwritten_); f && !is_closed_) {
    write(std::move(*f));
    learned_at_ = written_;
  }
  e.on_turn_(e, nullptr);
  return true;
}

void durable_run::wait_for_commit(bool waits) noexcept {
  if (std::exchange(waits_for_commit_, waits) == waits) return;
  if (waits) home_.foreign_started();
  else home_.foreign_ended();
}

bool durable_run::is_idle() const noexcept {
  if (home_.has_timers_to_wait_for() || home_.has_others_at_work()) return false;
  // Nobody is on a worker thread, then: a parallel graph's wait for them, which stands until the graph ends, is for
  // none.
  bool is_idle = true;
  root_.for_each_wait([&](const scope&, const cancellable_wait& w) {
    const std::string_view what = w.waits_for;
    call_control* const c = w.waiting_call ? w.waiting_call->control : nullptr;
    is_idle = is_idle && (what == waits_for_its_turn || what == waits_for_an_answer || what == waits_for_a_time ||
                             what == on_worker_thread || (c && c->waits_for_own_run()));
  });
  return is_idle;
}

// A call that waits between two attempts holds nothing, so that others could begin. Now one of these may have what it
// needs to go on, and wait for what was recorded after something that the body of that call did.
bool durable_run::start_one_beyond_limits() noexcept {
  if (is_closed_ || replaying_lanes_ == 0) return false;
  call_control* found = nullptr;
  try {
    root_.for_each_wait([&](const scope& s, const cancellable_wait& w) {
      call_control* const c = w.waiting_call ? w.waiting_call->control : nullptr;
      if (found || !c || !c->waits_for_own_run()) return;
      if (leads_to_what_is_next(s.run().log()->replay_path(w.waiting_call->number))) found = c;
    });
  } catch (...) {
    fail(std::current_exception());
  }
  if (found) found->start_beyond_limits();
  return found;
}

void durable_run::park() noexcept {
  try {
    std::vector<question> questions;
    if (!sleeps_.empty()) due_at_ = *sleeps_.begin();
    for (const auto& [token, asked] : asked_) {
      questions.push_back(asked.second);
      if (const auto& deadline = asked.second.deadline; deadline && (!due_at_ || *deadline < *due_at_))
        due_at_ = deadline;
    }
    std::string what = fmt::format("run '{}' is parked: ", id_);
    if (questions.empty()) what += "it waits for a time";
    else
      what += fmt::format("it waits for {} answer{}, such as that to '{}'", questions.size(),
          questions.size() == 1 ? "" : "s", questions.front().token);
    what += "; run the same id again to go on";
    is_parked_ = true;
    fail(std::make_exception_ptr(run_parked(what, std::move(questions), due_at_)));
  } catch (...) {
    is_parked_ = false;
    fail(std::current_exception());
  }
}

void durable_run::diverge() noexcept {
  try {
    const recorded_fact* next = nullptr;
    for (const auto& [key, l] : lanes_)
      if (!l.pending.empty() && (!next || l.pending.front()->what.number < next->what.number)) next = l.pending.front();
    std::string held;
    for (const auto& [key, l] : lanes_)
      for (const journal_event* e : l.held) held += (held.empty() ? "'" : ", '") + e->path() + "'";
    fail(std::make_exception_ptr(divergence_error(
        fmt::format("run '{}' does something else than what was recorded of it: recorded next is the {} '{}' at '{}', "
                    "which the program does not come to{}{}",
            id_, to_string(next->what.kind), next->what.name, next->what.path,
            held.empty() ? "" : "; it waits to begin what is at ", shortened(held)))));
  } catch (...) {
    fail(std::current_exception());
  }
}

}  // namespace aethergraph::detail
