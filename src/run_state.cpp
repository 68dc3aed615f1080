#include "aethergraph/detail/run_state.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <atomic>

#include "aethergraph/channel.hpp"
#include "aethergraph/detail/tool_info.hpp"

namespace aethergraph::detail {

namespace {

std::atomic<std::uint64_t> last_run_id = 0;

void check_supported(std::string_view run, const run_options& o) {
  const char* field = o.on_error != on_error::stop ? "on_error"
                      : !o.record                  ? "record"
                      : o.observer                 ? "observer"
                      : o.store                    ? "store"
                      : !o.run_id.empty()          ? "run_id"
                      : o.parallel                 ? "parallel"
                                                   : nullptr;
  if (field)
    throw option_error(
        fmt::format("run of '{}': the option `{}` is not supported by this version; leave it out", run, field));
}

}  // namespace

std::string to_text(duration d) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d);
  return ms == d ? fmt::format("{}", ms) : fmt::format("{}", d);
}

void run_state::begin(loop& l) {
  open_root(l);
  begin_here(l, nullptr);
}

void run_state::begin(const environment& outer) {
  open(outer);
  current_call = nullptr;  // the cap is the run's own: its calls are no children of an outer call
  begin_here(home(), &outer.cancellation->run());
}

void run_state::begin_here(loop& l, const run_state* outer) {
  id_ = last_run_id.fetch_add(1, std::memory_order_relaxed) + 1;
  if (name_.empty()) throw option_error("a graph_fn has an empty name; give it a name such as \"batch_agent\"");
  check_supported(name_, options_);
  const std::optional<int> cap = options_.max_concurrency ? options_.max_concurrency : default_cap_;
  if (cap && *cap < 1)
    throw option_error(fmt::format("run of '{}': max_concurrency is {}; it must be at least 1", name_, *cap));
  slots.set_capacity(static_cast<std::size_t>(cap.value_or(4)));
  channel_ = options_.channel ? options_.channel : outer ? outer->channel_ : &console();
  if (options_.deadline) {
    deadline_.run = this;
    deadline_.at = saturating_add(l.now(), *options_.deadline);
    deadline_.on_expiry = [](timer& t) noexcept {
      auto& d = static_cast<deadline_timer&>(t);
      if (d.run->is_stopped()) return;  // by something else, which then is the cause of the end
      d.has_passed = true;
      d.run->cancel(cancelled_because(stop_reason::deadline));
    };
    l.add_timer(deadline_);
  }
}

void run_state::end(std::exception_ptr& failure) noexcept {
  if (deadline_.is_pending()) home().remove_timer(deadline_);
  close();
  if (failure && deadline_.has_passed && is_cancellation(failure))
    failure = std::make_exception_ptr(timed_out(
        fmt::format("run of '{}' timed out: its deadline of {} has passed", name_, to_text(*options_.deadline))));
}

void run_state::note_failure(const call_state& c, const tool_info& tool, const std::exception_ptr& cause) noexcept {
  if (failures_.size() >= kept_failures) return;
  if (c.cancellation->is_stopped() && is_cancellation(cause)) return;  // cancelled, which is no failure
  try {
    failures_.push_back({fmt::format("{}#{}", tool.name, c.number), tool.name, cause});
  } catch (const std::bad_alloc&) {
    // the failure itself still reaches whoever awaits the call
  }
}

std::string run_state::identity() const { return fmt::format("{}#{}", name_, id_); }

void refuse_blocking_run() {
  if (loop::current())
    throw error("run() was called from inside a run, whose thread it would block; use `co_await run_async(…)` there");
}

}  // namespace aethergraph::detail
