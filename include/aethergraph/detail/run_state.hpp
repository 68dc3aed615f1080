// What one run consists of, whatever it runs and wherever.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <typeindex>
#include <vector>

#include "aethergraph/detail/declared_nodes.hpp"
#include "aethergraph/detail/owned.hpp"
#include "aethergraph/detail/recorder.hpp"
#include "aethergraph/detail/scheduler.hpp"
#include "aethergraph/error.hpp"
#include "aethergraph/key_value_store.hpp"
#include "aethergraph/observer.hpp"
#include "aethergraph/options.hpp"

namespace aethergraph::detail {

class durable_run;
class graph_source;
class permit_account;
class recorded_end;
class recorded_timer;
struct codec_ops;
struct durable_claim;
struct tool_info;

/// A result of a static graph that failed otherwise.
struct partial_output {
  std::type_index type;
  std::shared_ptr<void> value;  // null: it was not produced
};

/// A run: a scope with slots, a name, an identity, and a memory of its nodes. Used on its loop's strand only.
// Invariant: log_ is where its nodes are recorded, null if they are not: its own, or that of the run it nests in;
//            is_observed_ says whether it, or a run it nests in, has observers, and implies log_;
//            is_watched_ whether that is so, or times are noted.
class run_state : public scope {
 public:
  /// `default_cap` is the agent's own. The options outlive the run.
  run_state(const tool_info* what, std::optional<int> default_cap, const run_options& o) noexcept
      : scope(*this), default_cap_(default_cap), what_(what), options_(o) {}
  run_state(const run_state&) = delete;
  run_state& operator=(const run_state&) = delete;

  /// Makes the run ready to start its body, as a root of its own or nested. Errors: `option_error`.
  void begin(loop& l);
  void begin(const environment& outer, node_number self);
  /// The body has ended: closes the scope. What an escaping `cancelled` stands for takes its place.
  void end(std::exception_ptr& failure) noexcept;

  /// Before it begins: its identity, where somebody has named it already.
  void set_id(std::uint64_t id) noexcept { id_ = id; }
  /// Whether there is anything to see yet.
  [[nodiscard]] bool has_begun() const noexcept { return has_begun_; }

  // --- nodes: each is made, starts unless it never does, and ends
  // What is recorded nowhere takes the short way, which is meant to stand in the caller.
  /// Gives the number of a new node, which is awaited in `e` and can be stopped by way of `live`.
  node_number node_made(const tool_info& what, node_kind kind, environment& e, const scope& live) noexcept {
    if (!e.steps && !declared_) return ++book_->unrecorded_;
    return note_made(what, kind, e, live);
  }
  void node_started(node_number n, const tool_info& what, node_kind kind, sequence* made_in) noexcept {
    if (made_in || is_declared(n)) note_started(n, what, kind, made_in);
  }
  /// `cause` is null of one that is done.
  void node_ended(node_number n, const tool_info& what, node_kind kind, sequence* made_in,
      const std::exception_ptr& cause) noexcept {
    if (made_in || is_declared(n)) note_ended(n, what, kind, made_in, cause);
  }

  /// Tells whoever observes. To be called only if `is_observed()`.
  void tell(event_kind e, node_number n, const tool_info& what, node_kind kind, node_state state,
      const std::exception_ptr& cause) noexcept;
  [[nodiscard]] bool is_observed() const noexcept { return is_observed_; }

  // --- durable runs
  /// The journal of the root run; null: it has none.
  [[nodiscard]] durable_run* durable() const noexcept { return durable_; }
  /// As a root that has begun: opens its journal. Errors: `option_error`, `store_error`, `divergence_error`.
  void begin_durable(const durable_claim& claim);
  /// Errors: `option_error`, always.
  [[noreturn]] void refuse_without_codec() const;
  /// As a root whose journal is open. False: it has not ended before. Else the outcome, a `result` of the codec's type,
  /// or the failure is set. Errors: what the codec throws.
  [[nodiscard]] bool take_recorded_outcome(const codec_ops& codec, void* outcome, std::exception_ptr& failure) const;
  /// In a durable run, as a root whose journal is open or a nested run that has begun: what its end has to wait for;
  /// null: nothing. Errors: `std::bad_alloc`.
  [[nodiscard]] std::unique_ptr<recorded_end> make_recorded_end();
  /// Its journal is closed, and others may open the run.
  void end_durable() noexcept;
  /// Whether a call needs more than a slot before its body may start: a permit of the runtime, or the journal.
  [[nodiscard]] bool has_gates() const noexcept { return has_gates_; }

  /// A number that stands for this execution of the root run, in this process or any other.
  [[nodiscard]] std::uint64_t nonce() const;

  /// Before it begins: it runs a static graph.
  void declare(declared_nodes& d) noexcept { declared_ = &d; }
  [[nodiscard]] const declared_nodes* declared() const noexcept { return declared_; }

  /// The identity of a node of this run: within it, or within its root run.
  [[nodiscard]] std::string node_id(node_number n, std::string_view tool) const;
  [[nodiscard]] std::string root_node_id(node_number n, std::string_view tool) const;

  /// A call waits for something from here on, or an attempt of it begins.
  void note_phase(const call_state& c, node_phase what) noexcept {
    if (is_watched_) [[unlikely]]
      note_time_of(c, what);
  }
  /// An attempt of a call has failed, and another one will follow.
  void note_attempt_failed(const call_state& c, const tool_info& tool, const std::exception_ptr& cause) noexcept;
  /// Takes a note of a call that failed. Never throws; the first `kept_failures` are kept.
  void note_failure(const call_state& c, const tool_info& tool, const std::exception_ptr& cause) noexcept;

  [[nodiscard]] const tool_info& what() const noexcept { return *what_; }
  [[nodiscard]] const run_options& options() const noexcept { return options_; }
  [[nodiscard]] std::string_view name() const noexcept;
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] std::string identity() const;
  /// The run that no other awaits.
  [[nodiscard]] const run_state& root() const noexcept {
    const run_state* r = this;
    while (r->outer_) r = r->outer_;
    return *r;
  }
  /// The run that numbers the nodes of this one: the root, unless that records nothing.
  [[nodiscard]] const run_state& book() const noexcept { return *book_; }
  [[nodiscard]] aethergraph::channel& channel() const noexcept;
  /// Errors: `std::bad_alloc`.
  [[nodiscard]] std::vector<node_failure>& failures() { return few_have().failures; }
  [[nodiscard]] std::vector<partial_output>& outputs() { return few_have().outputs; }
  /// Takes them from a run that has ended.
  [[nodiscard]] std::vector<node_failure> take_failures() noexcept;
  [[nodiscard]] std::vector<partial_output> take_outputs() noexcept;
  [[nodiscard]] recorder* log() const noexcept { return log_; }
  /// Its number as a node of the run it nests in; 0 of a root.
  [[nodiscard]] node_number number() const noexcept { return body_steps_.within; }
  [[nodiscard]] aethergraph::logger& logger() const noexcept;
  /// Of the root run: one for all that nests in it.
  [[nodiscard]] key_value_store& kv() const;
  /// Of the runtime. Errors: `service_error` where there is none.
  [[nodiscard]] key_value_store& runtime_kv() const;
  /// The nearest object that was registered as this type. Errors: `service_error`.
  [[nodiscard]] void* service(std::type_index type) const;

  /// Whether all plain functions go to worker threads, not only those with the option `workers`.
  [[nodiscard]] bool is_parallel() const noexcept { return is_parallel_; }

  // --- towards the cap of a runtime
  [[nodiscard]] permit_account* permits() const noexcept { return permits_; }
  /// The call that awaits this run, directly or by way of the runs it nests in; null of a root.
  [[nodiscard]] call_state* awaiting_call() const noexcept { return awaiting_call_; }

  /// Something in this run was asked to stop.
  void note_stop_requested() noexcept {
    if (is_observed_) [[unlikely]]
      watch_stop();
  }

  /// The graph of a run that has ended: takes the records.
  [[nodiscard]] std::shared_ptr<const graph_source> take_graph(const std::exception_ptr& failure);
  /// The graph as it stands, between two steps.
  [[nodiscard]] std::shared_ptr<const graph_source> copy_graph() const;
  /// Adds who waits for what, likewise: a line for this run, and one for each live node of a root run.
  void describe(std::string& text) const;

  static constexpr std::size_t kept_failures = 1000;

 private:
  struct deadline_timer : timer {
    run_state* run = nullptr;
    bool has_passed = false;
  };

  /// Tells observers, as long as it lasts, which nodes were asked to stop and have not ended.
  struct stop_watch : timer {
    run_state* run = nullptr;
    duration interval{};
  };

  /// What few runs have, made when it is first needed.
  struct rarities {
    deadline_timer deadline;
    stop_watch watch;
    std::vector<observer*> observers;  // its own; those of the run it nests in come after them
    std::vector<node_failure> failures;
    std::vector<partial_output> outputs;
    std::unique_ptr<durable_run> durable;               // of a root
    std::unique_ptr<recorded_timer> recorded_deadline;  // of a durable nested run
    rarities() noexcept;
    ~rarities();
  };
  /// Errors: `std::bad_alloc`.
  [[nodiscard]] rarities& few_have();

  node_number note_made(const tool_info& what, node_kind kind, environment& e, const scope& live) noexcept;
  void note_started(node_number n, const tool_info& what, node_kind kind, sequence* made_in) noexcept;
  void note_ended(node_number n, const tool_info& what, node_kind kind, sequence* made_in,
      const std::exception_ptr& cause) noexcept;
  void watch_end(const std::exception_ptr& failure) noexcept;
  void note_time_of(const call_state& c, node_phase what) noexcept;
  void begin_here(loop& l, run_state* outer, node_number self);
  void begin_recording(run_state* outer, node_number self);
  void begin_deadline();
  void add_observers();
  void watch_stop() noexcept;
  void tell_stopping() noexcept;
  void tell_of_run(event_kind e, node_state state, const std::exception_ptr& cause) noexcept;
  void tell_observers(const event& e) noexcept;
  void tell_own(const event& e) noexcept;
  void report_detached(const std::exception_ptr& why) noexcept;
  [[nodiscard]] node_state state_after(const std::exception_ptr& failure) const noexcept;

  // Small ones first: they find room behind those of the scope. There may be many runs at one time.
  bool has_begun_ = false;
  bool is_observed_ = false;
  bool is_watched_ = false;
  bool is_parallel_ = false;
  bool has_gates_ = false;
  std::optional<int> default_cap_;
  const tool_info* what_;
  const run_options& options_;
  permit_account* permits_ = nullptr;
  durable_run* durable_ = nullptr;
  call_state* awaiting_call_ = nullptr;
  recorder* log_ = nullptr;
  declared_nodes* declared_ = nullptr;  // of a run of a static graph
  run_state* outer_ = nullptr;
  run_state* book_ = this;  // the run whose numbers, and records if any, the nodes of this one have
  std::uint64_t unrecorded_ = 0;
  std::uint64_t id_ = 0;
  sequence body_steps_;
  std::unique_ptr<recorder> own_log_;
  static void delete_kv(key_value_store* kv) noexcept;
  mutable owned<key_value_store, delete_kv> kv_;  // made when it is asked for, from any thread; of a root
  mutable std::uint64_t nonce_ = 0;               // likewise; 0: not made yet
  static void delete_rarities(rarities* r) noexcept;
  owned<rarities, delete_rarities> rarities_;

 public:
  scheduler slots;
};

/// The value at a position, or null. Errors: `error` for another type, or no such position.
[[nodiscard]] const void* find_output(
    const std::vector<partial_output>& all, std::size_t position, std::type_index type);

/// "batch_agent#17".
[[nodiscard]] std::string run_identity(std::string_view name, std::uint64_t number);

/// The numbers of runs: 1, 2, … in this process.
[[nodiscard]] std::uint64_t next_run_number() noexcept;

/// A duration as errors show it: in milliseconds where that is exact.
[[nodiscard]] std::string to_text(duration d);

/// Refuses what would block a thread that is executing a run. Errors: `error`.
void refuse_blocking_run();
/// The same, also on a thread that a runtime owns, which the run that is waited for may need.
void refuse_blocking_wait();
/// Said by each thread that a runtime owns.
void mark_thread_as_owned() noexcept;

}  // namespace aethergraph::detail
