// The journal of a durable run: what was recorded, what is, and the end. Whose turn is next is in durable_turns.cpp,
// what the store says in durable_messages.cpp.
#include "aethergraph/detail/durable_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <charconv>

#include "aethergraph/detail/recorded_structure.hpp"
#include "aethergraph/detail/recorder.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/detail/tool_info.hpp"
#include "aethergraph/divergence_error.hpp"
#include "aethergraph/resource_pool.hpp"

namespace aethergraph::detail {

namespace {

/// Which lane a path belongs to: up to the innermost node of a static graph, with the index of an element of a map.
std::string_view lane_key(std::string_view path) noexcept {
  const std::size_t node = path.rfind(':');
  if (node == std::string_view::npos) return {};
  return path.substr(0, path.find_first_of("/~", node));
}

/// What has a turn of its own.
bool has_turn(fact_kind k) noexcept { return k != fact_kind::race && k != fact_kind::value; }

/// Calls `fn` for each recorded fact of what the body of the call at this path did.
template <class Facts, class Fn>
void for_each_under(Facts& all, const std::string& path, Fn fn) {
  for (const char separator : {'/', '~'}) {
    const std::string prefix = path + separator;
    for (auto f = all.lower_bound(prefix); f != all.end() && f->first.starts_with(prefix);) fn(f++);
  }
}

/// The lines of a JSON array of texts that another has not, in short.
std::string lines_beyond(const boost::json::array& all, const boost::json::array& others) {
  std::string text;
  for (const boost::json::value& line : all)
    if (std::find(others.begin(), others.end(), line) == others.end())
      text += (text.empty() ? "" : "; ") + std::string(line.as_string());
  return shortened(text);
}

std::string difference_of_structures(const std::string& recorded, const std::string& now) {
  if (recorded.empty()) return "it was no graph";
  if (now.empty()) return "now it is none";
  const boost::json::value before = boost::json::parse(recorded);
  const boost::json::value after = boost::json::parse(now);
  const std::string gone = lines_beyond(before.as_array(), after.as_array());
  const std::string come = lines_beyond(after.as_array(), before.as_array());
  return fmt::format("{}{}{}{}", gone.empty() ? "" : "recorded and no longer there: ", gone,
      come.empty()   ? ""
      : gone.empty() ? "new: "
                     : "; new: ",
      come);
}

}  // namespace

std::string shortened(std::string_view text) {
  constexpr std::size_t most = 200;
  return text.size() <= most ? std::string(text) : fmt::format("{}… ({} bytes)", text.substr(0, most), text.size());
}

void journal_event::note_stopped() noexcept {
  is_stopped_ = true;
  if (!recorded_ || recorded_->lane->pending.front() != recorded_) return;
  try {
    run_->make_replayable(*recorded_);
  } catch (...) {
    run_->fail(std::current_exception());
  }
}

durable_run::durable_run(run_state& root, loop& home, run_store& store, const durable_claim& claim)
    : root_(root), home_(home), id_(root.options().run_id) {
  home.make_executor();
  std::string arguments = claim.arguments;
  redact(root.name(), arguments);
  const run_claim whole{
      id_, std::string(root.name()), root.what().version, arguments, claim.structure, root.slots.capacity()};
  journal_ = store.open(whole, *this);
  if (info().structure.starts_with(accepts_changes) && info().program == whole.program &&
      info().arguments == whole.arguments) {
    const stored_run recorded = info();
    journal_.reset();  // nobody executes the run while it is changed
    accept_changes(store, recorded, whole);
    journal_ = store.open(whole, *this);
  }
  check_same(whole);
  clock_offset_ = std::chrono::system_clock::now().time_since_epoch() - home.now().time_since_epoch();
  if (has_ended_before()) return;
  load();
  home.take_turns_from(this);
  if (info().cancel_requested) cancel_for_good();  // that came when a former execution was ending, or was no more
}

durable_run::~durable_run() {
  home_.take_turns_from(nullptr);
  wait_for_commit(false);
}

bool durable_run::has_ended_before() const noexcept { return has_ended(info().status); }

void durable_run::check_same(const run_claim& claim) const {
  const auto check = [&](std::string_view what, const std::string& recorded, const std::string& now) {
    if (recorded != now)
      throw divergence_error(
          fmt::format("run '{}' was recorded with {} {}, and cannot be resumed with {}; use another run_id, or "
                      "resume it with what it was begun with",
              id_, what, shortened(recorded), shortened(now)));
  };
  check("the program", info().program, claim.program);
  check("the version", '\'' + info().version + '\'', '\'' + claim.version + '\'');
  check("the arguments", info().arguments, claim.arguments);
  if (info().structure != claim.structure)
    throw divergence_error(fmt::format("run '{}' was recorded of another graph: {}", id_,
        difference_of_structures(info().structure, claim.structure)));
}

void durable_run::load() {
  for (fact& f : journal_->take_facts()) {
    next_number_ = std::max(next_number_, f.number + 1);
    std::string path = f.path;
    recorded_.insert_or_assign(std::move(path), recorded_fact{std::move(f)});
  }
  // What the body of a call did does not matter once the call itself has ended.
  for (auto r = recorded_.begin(); r != recorded_.end(); ++r)
    if (r->second.what.kind == fact_kind::call) {
      const std::string path = r->first;
      for_each_under(recorded_, path, [&](auto under) { recorded_.erase(under); });
    }
  std::vector<recorded_fact*> in_order;
  for (auto& [path, r] : recorded_)
    if (has_turn(r.what.kind)) in_order.push_back(&r);
  std::sort(in_order.begin(), in_order.end(),
      [](const recorded_fact* a, const recorded_fact* b) { return a->what.number < b->what.number; });
  for (recorded_fact* r : in_order) {
    r->lane = &lanes_[std::string(lane_key(r->what.path))];
    r->lane->pending.push_back(r);
  }
  replaying_lanes_ = lanes_.size();
}

journal_lane* durable_run::lane_of(std::string_view path) noexcept {
  const auto found = lanes_.find(lane_key(path));
  return found == lanes_.end() ? nullptr : &found->second;
}

// --- events

std::string durable_run::next_path(const environment& e) const {
  return e.cancellation->run().log()->replay_path(e.steps->next());
}

journal_standing durable_run::enter(
    journal_event& e, fact_kind kind, std::string path, std::string_view name) noexcept {
  try {
    e.path_ = std::move(path);
    if (failure_) return journal_standing::refused;
    const auto found = recorded_.find(e.path_);
    if (found != recorded_.end() && !found->second.is_gone) {
      recorded_fact& r = found->second;
      if (r.what.kind != kind || r.what.name != name)
        throw divergence_error(
            fmt::format("run '{}' does something else than what was recorded of it: at '{}' it comes "
                        "to the {} '{}', and recorded is the {} '{}'",
                id_, e.path_, to_string(kind), name, to_string(r.what.kind), r.what.name));
      r.event = &e;
      e.run_ = this;
      e.recorded_ = &r;
      if (is_closed_ || r.lane->pending.front() == &r) make_replayable(r);
      return journal_standing::replayed;
    }
    if (is_closed_ || replaying_lanes_ == 0) return journal_standing::live;
    if (kind == fact_kind::call) {
      bool is_under_way = false;
      for_each_under(recorded_, e.path_, [&](auto under) { is_under_way = is_under_way || !under->second.is_gone; });
      if (is_under_way) return journal_standing::live;  // its body leads to what was recorded
    }
    journal_lane* const l = lane_of(e.path_);
    (l && !l->is_replayed ? l->held : held_).push_back(&e);
    e.run_ = this;
    e.is_held_ = true;
    return journal_standing::held;
  } catch (...) {
    fail(std::current_exception());
    return journal_standing::refused;
  }
}

void durable_run::occurred(journal_event& e, fact f, bool when_safe) noexcept {
  try {
    f.number = next_number_++;
    f.path = e.path_;
    std::uint64_t safe_at = 0;
    if (!is_closed()) {
      if (when_safe) {
        write(std::move(f));
        safe_at = written_;
      } else {
        e.unwritten_ = std::make_unique<fact>(std::move(f));
      }
    }
    due_.push_back({&e, safe_at});
    e.run_ = this;
    e.is_due_ = true;
  } catch (...) {
    fail(std::current_exception());
    // Nothing can be recorded any more, so nothing has to wait; and there is no memory to say more.
    let_others_go_first();
    e.on_turn_(e, nullptr);
  }
}

void durable_run::let_others_go_first() noexcept {
  if (std::exchange(pause_.is_ready, true)) return;
  home_.make_ready(pause_, [](ready_item& i) noexcept { static_cast<pause&>(i).is_ready = false; });
}

void durable_run::occurred_at(journal_event& e, const std::string& path, fact f) noexcept {
  try {
    e.path_ = path;
  } catch (...) {
    fail(std::current_exception());
  }
  occurred(e, std::move(f), false);
}

void durable_run::give_up(journal_event& e) noexcept {
  if (recorded_fact* r = std::exchange(e.recorded_, nullptr)) {
    r->event = nullptr;
    replayable_.erase(r->what.number);
  }
  if (std::exchange(e.is_held_, false)) {
    std::erase(held_, &e);
    if (journal_lane* l = lane_of(e.path_)) std::erase(l->held, &e);
  }
  if (std::exchange(e.is_due_, false))
    for (due& d : due_)
      if (d.event == &e) d.event = nullptr;
  for (auto& [token, asked] : asked_)
    if (asked.first == &e) asked.first = nullptr;
  for (std::deque<due>* const waiting : {&asking_, &starting_})
    for (due& d : *waiting)
      if (d.event == &e) d.event = nullptr;
  e.run_ = nullptr;
}

const fact* durable_run::find(std::string_view path, fact_kind kind) const noexcept {
  const auto found = recorded_.find(path);
  return found != recorded_.end() && found->second.what.kind == kind ? &found->second.what : nullptr;
}

void durable_run::note(fact_kind kind, std::string path, std::string_view name, std::string value) noexcept {
  if (is_closed()) return;
  try {
    fact f;
    f.number = next_number_++;
    f.kind = kind;
    f.path = std::move(path);
    f.name = name;
    f.value = std::move(value);
    f.ended = std::chrono::system_clock::now();
    write(std::move(f));
    learned_at_ = written_;
  } catch (...) {
    fail(std::current_exception());
  }
}

std::string durable_run::value(const environment& e, std::string_view name, std::string fresh) {
  std::string path = next_path(e);
  if (const fact* f = find(path, fact_kind::value)) {
    if (f->name == name) return f->value;
    fail(std::make_exception_ptr(
        divergence_error(fmt::format("run '{}' does something else than what was recorded of it: at '{}' it asks for "
                                     "'{}', and recorded is '{}'",
            id_, path, name, f->name))));
    std::rethrow_exception(failure_);
  }
  note(fact_kind::value, std::move(path), name, fresh);
  return fresh;
}

void durable_run::write(fact f) {
  ++written_;
  journal_->write(std::move(f));
}

void durable_run::forget(recorded_fact& r) noexcept {
  if (std::exchange(r.is_gone, true)) return;
  if (r.lane) advance(*r.lane);
}

void durable_run::forget_under(const std::string& path) noexcept {
  if (recorded_.empty()) return;
  try {
    for_each_under(recorded_, path, [&](auto under) { forget(under->second); });
  } catch (...) {
    fail(std::current_exception());
  }
}

int durable_run::attempt_under_way(const std::string& path) noexcept {
  if (recorded_.empty()) return 1;
  int latest = 1;
  const auto attempt_of = [&path](const std::string& inner) {
    int n = 1;
    if (inner[path.size()] == '~') std::from_chars(inner.data() + path.size() + 1, inner.data() + inner.size(), n);
    return n;
  };
  try {
    for_each_under(recorded_, path, [&](auto under) {
      if (!under->second.is_gone) latest = std::max(latest, attempt_of(under->first));
    });
    for_each_under(recorded_, path, [&](auto under) {
      if (attempt_of(under->first) < latest) forget(under->second);
    });
  } catch (...) {
    fail(std::current_exception());
  }
  return latest;
}

bool durable_run::leads_to_what_is_next(const std::string& path) const {
  bool leads = false;
  for_each_under(recorded_, path, [&](auto under) {
    const recorded_fact& r = under->second;
    leads = leads || (r.lane && !r.lane->pending.empty() && r.lane->pending.front() == &r);
  });
  return leads;
}

bool durable_run::may_begin(journal_event& e) noexcept {
  if (committed_ >= learned_at_ || is_closed()) return true;
  try {
    starting_.push_back({&e, learned_at_});
  } catch (...) {
    fail(std::current_exception());
    return true;
  }
  e.run_ = this;
  return false;
}

void durable_run::make_replayable(recorded_fact& r) {
  const bool was_stopped = r.what.state == node_state::cancelled || r.what.state == node_state::skipped;
  if (is_closed_ || !was_stopped || r.event->is_stopped_) replayable_.emplace(r.what.number, &r);
}

void durable_run::advance(journal_lane& l) noexcept {
  if (l.is_replayed) return;
  while (!l.pending.empty() && l.pending.front()->is_gone) l.pending.pop_front();
  try {
    if (recorded_fact* next = l.pending.empty() ? nullptr : l.pending.front()) {
      if (next->event) make_replayable(*next);
    } else {
      l.is_replayed = true;
      --replaying_lanes_;
      replayed_lanes_.push_back(&l);
    }
  } catch (...) {
    fail(std::current_exception());
  }
}

void durable_run::release(std::vector<journal_event*>& held) noexcept {
  const std::vector<journal_event*> released = std::exchange(held, {});
  for (journal_event* e : released) {
    e->is_held_ = false;
    e->run_ = nullptr;
  }
  for (journal_event* e : released) e->on_release_(*e);
}

// --- questions

void durable_run::ask(journal_event& e, question q) noexcept {
  if (is_closed()) return;
  try {
    q.run_id = id_;
    asked_.insert_or_assign(q.token, std::pair(&e, q));
    e.run_ = this;
    asking_.push_back({&e, written_ + 1});
    ++written_;
    journal_->ask(std::move(q));
  } catch (...) {
    fail(std::current_exception());
  }
}

void durable_run::withdraw(const std::string& token) noexcept {
  if (asked_.erase(token) == 0 || is_closed()) return;
  ++written_;
  journal_->withdraw(token);
}

void durable_run::sleeps_until(std::chrono::system_clock::time_point at) noexcept {
  try {
    sleeps_.insert(at);
  } catch (...) {
    fail(std::current_exception());
  }
}
void durable_run::has_slept_until(std::chrono::system_clock::time_point at) noexcept {
  if (const auto found = sleeps_.find(at); found != sleeps_.end()) sleeps_.erase(found);
}

// --- the end

bool durable_run::is_closed() const noexcept { return is_closed_ || failure_ || root_.is_stopped(); }

void durable_run::close() noexcept {
  is_closed_ = true;
  replayable_.clear();
  for (auto& [path, r] : recorded_) {
    // What calls came to is still known, should one be made all the same: behind a shield.
    r.is_gone = !r.event && (failure_ || r.what.kind != fact_kind::call);
    if (r.event) replayable_.emplace(r.what.number, &r);
  }
  for (auto& [key, l] : lanes_) {
    l.pending.clear();
    release(l.held);
  }
  release(held_);
  for (const due& d : std::exchange(starting_, {}))
    if (journal_event* const e = d.event) {
      e->run_ = nullptr;
      e->on_release_(*e);
    }
  // Those that a shield keeps from the request to stop.
  for (auto& [token, asked] : std::exchange(asked_, {}))
    if (journal_event* e = asked.first) {
      e->run_ = nullptr;
      e->on_turn_(*e, nullptr);
    }
  asking_.clear();  // what was asked has ended just now, or is no longer known here when it goes
}

void durable_run::fail(std::exception_ptr why) noexcept {
  if (failure_) return;
  failure_ = std::move(why);
  root_.cancel(cancelled_because(stop_reason::asked_by_caller));
}

void durable_run::check_is_replayed() noexcept {
  if (is_closed()) return;
  const bool is_replayed = std::ranges::all_of(lanes_, [](const auto& keyed) { return keyed.second.pending.empty(); });
  if (!is_replayed) diverge();
}

void durable_run::note_taken(const resource_pool& p, std::ptrdiff_t weight) noexcept {
  try {
    taken_[&p] += weight;
  } catch (...) {
    fail(std::current_exception());
  }
}

bool durable_run::holds_all_in_use(resource_pool& p, pool_waiter& w) const noexcept {
  const auto found = taken_.find(&p);
  return found != taken_.end() && p.is_in_use(static_cast<std::size_t>(found->second), w);
}

void durable_run::leave(run_status s, std::string outcome, void (*on_left)(void*) noexcept, void* whom) noexcept {
  ++written_;
  journal_->end(s, std::move(outcome), std::nullopt);
  on_left_ = on_left;
  left_ = whom;
}

void durable_run::leave_resumable(void (*on_left)(void*) noexcept, void* whom) noexcept {
  on_left_ = on_left;
  left_ = whom;
  if (!is_parked_) return;
  ++written_;
  journal_->end(run_status::parked, {}, due_at_);
}

void durable_run::redact(std::string_view tool, std::string& json) const {
  if (root_.options().redact && !json.empty()) root_.options().redact(tool, json);
}

}  // namespace aethergraph::detail
