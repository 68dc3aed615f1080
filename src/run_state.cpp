#include "aethergraph/detail/run_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/core/demangle.hpp>
#include <utility>

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/detail/host.hpp"
#include "aethergraph/detail/message_of.hpp"
#include "aethergraph/detail/plan.hpp"
#include "aethergraph/detail/recorded_wait.hpp"
#include "aethergraph/detail/tool_info.hpp"
#include "aethergraph/logger.hpp"

namespace aethergraph::detail {

void run_state::delete_kv(key_value_store* kv) noexcept { delete kv; }
void run_state::delete_rarities(rarities* r) noexcept { delete r; }

run_state::rarities& run_state::few_have() {
  if (!rarities_) rarities_.reset(new rarities);
  return *rarities_;
}

namespace {

void check_supported(std::string_view run, const run_options& o, bool is_graph, bool is_nested) {
  if (!is_graph && o.on_error != on_error::stop)
    throw option_error(fmt::format(
        "run of '{}': the option `on_error` is for static graphs, whose nodes have dependents; leave it out "
        "for an agent, whose body decides what a failure means",
        run));
  if (o.store && o.run_id.empty())
    throw option_error(fmt::format(
        "run of '{}': it has a `store`, but no `run_id`, by which it is found there; give it one such as \"nightly-7\"",
        run));
  if (!o.store && !o.run_id.empty())
    throw option_error(
        fmt::format("run of '{}': it has the `run_id` '{}', but no `store` that could know it", run, o.run_id));
  if (o.store && is_nested)
    throw option_error(fmt::format(
        "run of '{}': it has a `store`, but is nested in another run; what it does is recorded with the outermost run, "
        "so give the store to that",
        run));
}

}  // namespace

std::uint64_t next_run_number() noexcept {
  static std::atomic<std::uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: only the number matters
}

std::string to_text(duration d) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d);
  return ms == d ? fmt::format("{}ms", ms.count()) : fmt::format("{}ns", d.count());
}

void run_state::begin(loop& l) {
  open_root(l);
  begin_here(l, nullptr, no_node);
  if (options_.deadline) begin_deadline();
}

void run_state::begin(const environment& outer, node_number self) {
  open(outer);
  awaiting_call_ = outer.current_call ? outer.current_call : outer.cancellation->run().awaiting_call_;
  current_call = nullptr;  // the cap is the run's own: its calls are no children of an outer call
  begin_here(home(), &outer.cancellation->run(), self);
  if (options_.deadline) begin_deadline();
}

void run_state::begin_here(loop& l, run_state* outer, node_number self) {
  if (id_ == 0) id_ = l.next_run_number();
  outer_ = outer;
  if (name().empty()) throw option_error("a graph_fn has an empty name; give it a name such as \"batch_agent\"");
  if (!what_->problem.empty()) throw option_error(what_->problem);
  check_supported(name(), options_, declared_ != nullptr, outer != nullptr);
  const std::optional<int> cap = options_.max_concurrency ? options_.max_concurrency : default_cap_;
  if (cap && *cap < 1)
    throw option_error(fmt::format("run of '{}': max_concurrency is {}; it must be at least 1", name(), *cap));
  slots.set_capacity(static_cast<std::size_t>(cap.value_or(4)));
  host* const h = l.host();
  has_begun_ = true;
  if (h) permits_ = h->permits;
  if (outer) durable_ = outer->durable_;
  has_gates_ = permits_ || durable_;
  is_parallel_ = (options_.parallel || (outer && outer->is_parallel_)) && !l.runs_workers_inline();
  if (is_parallel_) l.note_parallel();
  begin_recording(outer, self);
}

void run_state::begin_deadline() {
  deadline_timer& deadline = few_have().deadline;
  deadline.run = this;
  const time_point at = saturating_add(home().now(), *options_.deadline);
  tighten_deadline(at);
  deadline.on_expiry = [](timer& t) noexcept {
    auto& d = static_cast<deadline_timer&>(t);
    if (d.run->is_stopped()) return;  // by something else, which then is the cause of the end
    d.has_passed = true;
    d.run->cancel(cancelled_because(stop_reason::deadline));
  };
  if (durable_ && outer_) {
    rarities_->recorded_deadline = durable_->make_deadline(*this, *options_.deadline, [](void* d) noexcept {
      auto& self = *static_cast<deadline_timer*>(d);
      self.on_expiry(self);
    }, &deadline);
  } else {
    deadline.may_outlast = true;
    home().add_timer(deadline, at);
  }
}

void run_state::begin_recording(run_state* outer, node_number self) {
  add_observers();
  const bool has_own_observers = rarities_ && !rarities_->observers.empty();
  is_observed_ = has_own_observers || (outer && outer->is_observed_);
  const bool is_recorded = options_.record != record::off || is_observed_ || durable_ || options_.store;
  if (!outer || (!outer->log_ && has_own_observers)) {
    // A run of its own books: a root, or one that only its own observers can see.
    if (is_recorded)
      own_log_ = std::make_unique<recorder>(
          options_.record == record::times, home(), declared_ ? declared_->graph().size() : 0);
    log_ = own_log_.get();
    self = no_node;
  } else {
    book_ = outer->book_;
    log_ = is_recorded ? outer->log_ : nullptr;
    if (!log_ && outer->log_) book_ = this;
  }
  body_steps_.within = self;
  steps = log_ ? &body_steps_ : nullptr;
  const bool has_times = log_ && log_->has_times();
  is_watched_ = is_observed_ || has_times;
  if (!is_watched_) [[likely]]
    return;
  if (has_times) log_->note_slots(self, slots.capacity());
  if (is_observed_) tell_of_run(event_kind::run_started, node_state::running, nullptr);
}

void run_state::add_observers() {
  if (options_.observer) few_have().observers.push_back(options_.observer);
  if (const host* h = home().host(); h && !outer_ && !h->observers.empty()) {
    std::vector<observer*>& mine = few_have().observers;
    mine.insert(mine.end(), h->observers.begin(), h->observers.end());
  }
}

run_state::rarities::rarities() noexcept = default;
run_state::rarities::~rarities() = default;

void run_state::begin_durable(const durable_claim& claim) {
  few_have().durable = options_.store->make_durable_run(*this, home(), claim);
  durable_ = few_have().durable.get();
  has_gates_ = true;
}

void run_state::refuse_without_codec() const {
  throw option_error(fmt::format(
      "run of '{}': it has a `store`, but its result has no codec in this program; include <aethergraph/durable.hpp> "
      "where it is run",
      name()));
}

bool run_state::take_recorded_outcome(const codec_ops& codec, void* outcome, std::exception_ptr& failure) const {
  return durable_->take_outcome(codec, outcome, failure);
}

std::unique_ptr<recorded_end> run_state::make_recorded_end() { return durable_->make_end(*this); }

void run_state::end_durable() noexcept {
  durable_ = nullptr;
  rarities_->durable.reset();
}

void run_state::end(std::exception_ptr& failure) noexcept {
  if (rarities_) {
    if (rarities_->durable && rarities_->durable->thrown()) failure = rarities_->durable->thrown();
    if (rarities_->deadline.is_pending()) home().remove_timer(rarities_->deadline);
    rarities_->recorded_deadline.reset();
    if (rarities_->watch.is_pending()) home().remove_timer(rarities_->watch);
  }
  close();
  const bool was_cancelled = failure && is_stopped() && is_cancellation(failure);
  if (was_cancelled && rarities_ && rarities_->deadline.has_passed)
    failure = std::make_exception_ptr(timed_out(
        fmt::format("run of '{}' timed out: its deadline of {} has passed", name(), to_text(*options_.deadline))));
  if (is_watched_) watch_end(failure);
}

void run_state::watch_end(const std::exception_ptr& failure) noexcept {
  if (own_log_ && own_log_->has_times()) own_log_->note_run_ended(home().now());
  if (is_observed_) tell_of_run(event_kind::run_ended, state_after(failure), failure);
}

node_state run_state::state_after(const std::exception_ptr& failure) const noexcept {
  if (!failure) return node_state::done;
  return is_stopped() && is_cancellation(failure) ? node_state::cancelled : node_state::failed;
}

void run_state::tell(event_kind e, node_number n, const tool_info& what, node_kind kind, node_state state,
    const std::exception_ptr& cause) noexcept {
  tell_observers(event(*this, e, home().now(), n, what.name, kind, state, cause));
}

void run_state::tell_of_run(event_kind e, node_state state, const std::exception_ptr& cause) noexcept {
  tell_own(event(*this, e, home().now(), no_node, name(), node_kind::run, state, cause));
}

void run_state::tell_observers(const event& e) noexcept {
  for (run_state* r = this; r && r->is_observed_; r = r->outer_) r->tell_own(e);
}

void run_state::tell_own(const event& e) noexcept {
  if (!rarities_) return;
  for (observer*& o : rarities_->observers) {
    if (!o) continue;
    try {
      o->on_event(e);
    } catch (...) {
      o = nullptr;
      report_detached(std::current_exception());
    }
  }
}

void run_state::report_detached(const std::exception_ptr& why) noexcept {
  try {
    if (!logger().is_enabled(log_level::error)) return;
    const std::string run = identity();
    const std::string text = "an observer threw and is detached: " + message_of(why);
    logger().write({log_level::error, std::chrono::system_clock::now(), run, {}, text});
  } catch (...) {
  }
}

void run_state::watch_stop() noexcept {
  try {
    stop_watch& watch = book_->few_have().watch;
    if (watch.is_pending()) home().remove_timer(watch);
    watch.run = book_;
    watch.interval = std::chrono::seconds(1);
    watch.only_watches = true;
    watch.on_expiry = [](timer& t) noexcept { static_cast<stop_watch&>(t).run->tell_stopping(); };
    home().add_timer(watch, home().now());
  } catch (...) {
    // no timer, no events: the nodes stop all the same
  }
}

void run_state::tell_stopping() noexcept {
  bool is_any_stopping = false;
  log_->for_each_live([&](node_number n, const node_record& r) {
    if (r.state != node_state::running || !r.live->is_stopped()) return;
    is_any_stopping = true;
    // The scope that a nested run can be stopped by is that run, but the node belongs to the run around it.
    run_state& run = r.kind == node_kind::run ? *r.live->run().outer_ : r.live->run();
    run.tell(event_kind::node_stopping, n, *r.tool, r.kind, node_state::stopping, r.live->stop_error());
  });
  if (!is_any_stopping) return;
  stop_watch& watch = rarities_->watch;
  const time_point at = saturating_add(home().now(), watch.interval);
  watch.interval = std::min<duration>(2 * watch.interval, std::chrono::minutes(1));
  try {
    home().add_timer(watch, at);
  } catch (...) {
  }
}

node_number run_state::note_made(const tool_info& what, node_kind kind, environment& e, const scope& live) noexcept {
  if (declared_) [[unlikely]]
    if (const node_number n = declared_->take_starting()) return n;
  if (!e.steps) return ++book_->unrecorded_;
  const node_number n = log_->note_made(what, kind, *e.steps, live);
  if (is_watched_) [[unlikely]] {
    if (log_->has_times()) log_->note_time(n, moment::made, home().now());
    if (is_observed_) tell(event_kind::node_made, n, what, kind, node_state::waiting, nullptr);
  }
  return n;
}

void run_state::note_time_of(const call_state& c, node_phase what) noexcept {
  const bool is_recorded = c.made_in || is_declared(c.number);
  if (is_recorded && log_->has_times()) log_->note_phase(c.number, what, home().now());
}

void run_state::note_started(node_number n, const tool_info& what, node_kind kind, sequence* made_in) noexcept {
  if (!made_in || is_declared(n)) return declared_->note_started(entry_of(n));
  log_->note_started(n);
  if (is_watched_) [[unlikely]] {
    if (log_->has_times()) log_->note_time(n, moment::started, home().now());
    if (is_observed_) tell(event_kind::node_started, n, what, kind, node_state::running, nullptr);
  }
}

void run_state::note_ended(
    node_number n, const tool_info& what, node_kind kind, sequence* made_in, const std::exception_ptr& cause) noexcept {
  if (!made_in || is_declared(n)) return declared_->note_ended(entry_of(n), cause);
  if (is_watched_ && log_->has_times()) [[unlikely]]
    log_->note_time(n, moment::ended, home().now());  // first: then it may be an old one
  const node_state state = log_->note_ended(n, cause, *made_in);
  if (is_observed_) [[unlikely]]
    tell(event_kind::node_ended, n, what, kind, state, cause);
}

logger& run_state::logger() const noexcept {
  for (const run_state* r = this; r; r = r->outer_)
    if (r->options_.logger) return *r->options_.logger;
  const host* const h = home().host();
  return h && h->logger ? *h->logger : stderr_logger();
}

std::string_view run_state::name() const noexcept { return what_->name; }

void run_state::note_attempt_failed(
    const call_state& c, const tool_info& tool, const std::exception_ptr& cause) noexcept {
  try {
    if (is_declared(c.number)) declared_->note_attempt_failed(entry_of(c.number), cause);
    else if (log_ && c.made_in) log_->note_attempt_failed(c.number, cause);
  } catch (const std::bad_alloc&) {
    // the attempt is counted all the same
  }
  if (is_observed_ && (c.made_in || is_declared(c.number)))
    tell(event_kind::node_attempt_failed, c.number, tool, node_kind::call, node_state::running, cause);
}

void run_state::note_failure(const call_state& c, const tool_info& tool, const std::exception_ptr& cause) noexcept {
  if (is_declared(c.number)) return;                                   // of those there is a list
  if (c.cancellation->is_stopped() && is_cancellation(cause)) return;  // cancelled, which is no failure
  try {
    std::vector<node_failure>& all = failures();
    if (all.size() >= kept_failures) return;
    all.push_back({node_id(c.number, tool.name), tool.name, cause});
  } catch (const std::bad_alloc&) {
    // the failure itself still reaches whoever awaits the call
  }
}

std::vector<node_failure> run_state::take_failures() noexcept {
  return rarities_ ? std::move(rarities_->failures) : std::vector<node_failure>();
}
std::vector<partial_output> run_state::take_outputs() noexcept {
  return rarities_ ? std::move(rarities_->outputs) : std::vector<partial_output>();
}

std::string run_state::node_id(node_number n, std::string_view tool) const {
  return is_declared(n) ? declared_->graph().id_of(entry_of(n)) : fmt::format("{}#{}", tool, n);
}

std::string run_state::root_node_id(node_number n, std::string_view tool) const {
  if (!is_declared(n) || !outer_) return node_id(n, tool);
  // Declared nodes are numbered within their graph, so the graph's own place comes before them.
  return outer_->root_node_id(number(), name()) + "/" + node_id(n, tool);
}

std::string run_state::identity() const { return run_identity(name(), id_); }

std::string run_identity(std::string_view name, std::uint64_t number) {
  const fmt::format_int digits(number);
  std::string text;
  text.reserve(name.size() + 1 + digits.size());
  text.append(name).append(1, '#').append(digits.data(), digits.size());
  return text;
}

const void* find_output(const std::vector<partial_output>& all, std::size_t position, std::type_index type) {
  if (position >= all.size())
    throw error(
        fmt::format("output {} was asked for, but there are {}, counted from 0; only of a graph that failed are "
                    "there any",
            position, all.size()));
  const partial_output& o = all[position];
  if (o.type != type)
    throw error(fmt::format("output {} was asked for as '{}', but is a '{}'", position,
        boost::core::demangle(type.name()), boost::core::demangle(o.type.name())));
  return o.value.get();
}

void refuse_blocking_run() {
  if (loop::current())
    throw error("run() was called from inside a run, whose thread it would block; use `co_await run_async(…)` there");
}

namespace {
thread_local constinit bool is_owned_by_runtime = false;
}

void mark_thread_as_owned() noexcept { is_owned_by_runtime = true; }

void refuse_blocking_wait() {
  if (loop::current())
    throw error(
        "waiting for a run was tried from inside a run, whose thread it would block; use `co_await handle` there");
  if (is_owned_by_runtime)
    throw error(
        "waiting for a run was tried on a thread that a runtime owns, which it would block; use `co_await handle` in a "
        "task, or wait on a thread of your own");
}

}  // namespace aethergraph::detail
