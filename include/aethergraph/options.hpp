// The options of runs, agents and tools: aggregates for designated initialisers.
//
// All of them are trivially destructible, so that a temporary of one is safe inside a `co_await` expression (g++ 12
// destroys such temporaries twice): what they point to must outlive the run.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "aethergraph/fwd.hpp"

namespace aethergraph {

/// What a static graph does when one of its nodes fails.
enum class on_error {
  stop,            ///< start nothing more, ask what runs to stop, await it, throw
  skip_dependents  ///< finish everything that depends on no failure, then throw
};

/// How often, and after what delays, a tool's body is tried again.
///
/// After the n-th failed attempt the delay is `first_delay` times `factor` to the power of n - 1, at most `max_delay`;
/// a tool that throws `retry_after` says itself. Of it the part `jitter` is random: 0 none, 1 all ("full jitter"). The
/// random numbers follow from `seed`, the node and the attempt, so that a run is the same each time.
/// Source of the full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
struct retry {
  int max_attempts = 1;  ///< at least 1
  duration first_delay{};
  double factor = 2;  ///< at least 1
  duration max_delay = std::chrono::minutes{1};
  double jitter = 0;  ///< from 0 to 1
  unsigned seed = 0;
  bool (*when)(const std::exception_ptr&) = nullptr;  ///< whether this exception is worth another attempt; null: any
};

/// What a run remembers of its nodes.
class record {
 public:
  enum level : unsigned char {
    off,    ///< nothing; their numbers are given all the same
    nodes,  ///< each call and nested run: what it is, where it stands, how it ended
    times   ///< that, and when each was made, started and ended, and what it waited for: three clock readings a node
  };
  // NOLINTNEXTLINE(google-explicit-constructor): `.record = ag::record::times`
  constexpr record(level l) noexcept : level_(l) {}
  /// `nodes` or `off`.
  constexpr record(bool on) noexcept : level_(on ? nodes : off) {}
  constexpr operator level() const noexcept { return level_; }

 private:
  level level_;
};

/// Options of one run. A field that this version does not support yet is refused with an `option_error`.
struct run_options {
  /// Slots: how many tool bodies may be in flight. At least 1. Unset: the agent's own, else 4.
  std::optional<int> max_concurrency = {};
  aethergraph::on_error on_error = aethergraph::on_error::stop;
  /// From the start of the run; when it has passed, the run is asked to stop and ends with `timed_out`.
  std::optional<duration> deadline = {};
  /// What `run_result::graph()` will show. A nested run may turn it off; what else it says is the outer run's.
  aethergraph::record record = aethergraph::record::nodes;
  /// Where `ctx.channel()` leads. Null: the parent run's, else the console.
  aethergraph::channel* channel = nullptr;
  /// Receives the events of this run and of all that nests in it. It needs nodes: `record` is `nodes` at least.
  aethergraph::observer* observer = nullptr;
  /// Where the run is recorded, so that another process can go on with it; see docs/guide/durable.md. Of a root run.
  run_store* store = nullptr;
  /// What the run is called there: the id of an unfinished run resumes it, that of a finished one gives its result.
  std::string_view run_id = {};
  /// Has all plain functions run on worker threads, also those of runs that nest in it; see docs/guide/control.md.
  /// Their bodies then need locks for what they share. In a simulation it changes nothing.
  bool parallel = false;
  /// Where `ctx.logger()` writes. Null: where the outer run's does, or the runtime's; else to standard error.
  aethergraph::logger* logger = nullptr;
  /// Objects for `ctx.service<T>()`, before those of the outer run and the runtime.
  aethergraph::services* services = nullptr;
  /// Changes what is recorded of a durable run: called with the name of a tool, or of the run itself, and the JSON of
  /// its arguments, its result or its failure. What it leaves is what comes back when the run is resumed.
  void (*redact)(std::string_view tool, std::string& json) = nullptr;
};

/// Options of an agent.
struct graph_fn_options {
  /// The cap of its runs, unless a run says otherwise. At least 1; checked by the first run.
  std::optional<int> max_concurrency = {};
  std::string_view version = {};
};

/// Options of a tool, or of one call of it. What they point to must outlive the calls. Values that cannot work are an
/// `option_error` of the first call, which names them.
struct tool_options {
  /// How long one attempt may take, from the start of its body; then it is asked to stop, and fails with `timed_out`.
  std::optional<duration> timeout = {};
  /// Attempts after failed ones. Each takes a slot, permits and a token like any call; waiting in between holds none.
  aethergraph::retry retry = {};
  /// What a body needs permits of, and how many.
  resource_pool* pool = nullptr;
  int weight = 1;
  /// What each attempt takes a token of.
  rate_limit* rate = nullptr;
  /// Of calls that wait for a slot, those of higher priority go first.
  int priority = 0;
  /// Runs the body, a plain function, on a worker thread; see docs/guide/control.md.
  bool workers = false;
  std::string_view version = {};
  std::string_view label = {};
  /// Which bucket of `rate` the token comes from.
  std::string_view rate_key = {};
  /// What refuses attempts while they keep failing.
  circuit_breaker* breaker = nullptr;
};

namespace detail {
template <class O>
concept option_struct = std::is_aggregate_v<O> && std::is_trivially_destructible_v<O>;
static_assert(option_struct<run_options> && option_struct<graph_fn_options> && option_struct<tool_options> &&
              option_struct<retry>);
}  // namespace detail

}  // namespace aethergraph
