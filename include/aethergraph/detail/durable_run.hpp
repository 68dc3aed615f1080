// durable_run: the journal of a root run, and the order in which what it says comes true.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aethergraph/detail/codec_ops.hpp"
#include "aethergraph/detail/loop.hpp"
#include "aethergraph/detail/recorded_end.hpp"
#include "aethergraph/detail/recorded_wait.hpp"
#include "aethergraph/run_store.hpp"

namespace aethergraph {
class resource_pool;
}

namespace aethergraph::detail {

class durable_run;
class call_control;
class journal_event;
class recorded_call;
class run_state;
struct environment;
struct journal_lane;
struct pool_waiter;

/// A fact of a former execution that has not been replayed yet.
struct recorded_fact {
  fact what;
  journal_lane* lane = nullptr;    // null: it has no turn, but is looked up
  journal_event* event = nullptr;  // who waits for it
  bool is_gone = false;            // it was recorded of something that was given up
};

/// What has an order of its own.
struct journal_lane {
  std::deque<recorded_fact*> pending;  // in the order of their numbers
  std::vector<journal_event*> held;
  bool is_replayed = false;  // all of it
};

/// What a run waits for that cannot happen but by its journal.
inline constexpr const char* waits_for_its_turn = "its turn in the journal";
inline constexpr const char* waits_for_an_answer = "an answer";
inline constexpr const char* waits_for_a_time = "a time that may outlast the process";

/// Something that happens once in a durable run, and is a fact from then on. It is a part of whoever waits for it.
// Invariant: run_ is set exactly if the run knows of it: it is to be replayed, held, or due.
class journal_event {
 public:
  /// Its turn has come. `replayed` is what a former execution has recorded of it; null: this one has said `occurred`.
  using turn = void (*)(journal_event&, const fact* replayed) noexcept;
  /// It was held, and may begin now; or what it asks stands in the store.
  using release = void (*)(journal_event&) noexcept;

  journal_event(turn on_turn, release on_release) noexcept : on_turn_(on_turn), on_release_(on_release) {}
  journal_event(const journal_event&) = delete;
  journal_event& operator=(const journal_event&) = delete;
  ~journal_event() { give_up(); }

  /// Whether it has happened, now or in a former execution, so that a request to stop comes too late.
  [[nodiscard]] bool has_happened() const noexcept { return recorded_ || is_due_; }
  /// Whether it has happened in a former execution.
  [[nodiscard]] bool is_replayed() const noexcept { return recorded_ != nullptr; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  std::string answer;  // of a question, in this execution
  /// Whoever waited does so no more.
  void give_up() noexcept;
  /// It was asked to stop, and waits on. What has ended by that is not replayed before.
  void note_stopped() noexcept;

 private:
  friend durable_run;

  turn on_turn_;
  release on_release_;
  durable_run* run_ = nullptr;
  recorded_fact* recorded_ = nullptr;
  bool is_held_ = false;
  bool is_due_ = false;
  bool is_stopped_ = false;
  std::string path_;
  std::unique_ptr<fact> unwritten_;  // due, and written when its turn comes
};

/// How an event begins.
enum class journal_standing : std::uint8_t {
  live,      ///< now
  held,      ///< when it is released: what was recorded has not been replayed yet
  replayed,  ///< not at all: its turn will come
  refused    ///< not at all: the run has failed
};

/// One durable root run and all that nests in it. On the strand, but for what a store_client is told.
///
/// What a program learns from outside (the ends of calls, times, grants, answers) are facts. They are handed out one at
/// a time, each when all that the one before has led to is done. So between two facts the program does the same each
/// time it is run, and replaying the facts in their order brings it to where it was.
///
/// A lane is what has an order of its own: the body of the root, or a node of a static graph with all that its body
/// does. Within a lane, what has no fact is held until all facts are replayed, since it had not happened before; and
/// until nothing can be replayed of the others, since what was recorded of them may lead to its never beginning.
///
/// What those call that any program links is virtual: a store makes this (`run_store::make_durable_run`), and so a
/// program without one has nothing of it.
// Invariant: a lane's first pending fact, if somebody waits for it, is in replayable_;
//            due_ has those that have happened and had no turn yet, in the order of their numbers. None of them has it
//            before all of its lane is replayed, which had its turn before.
class durable_run : public turn_source, store_client {
 public:
  /// Opens the run in the store. Errors: `store_error`, `divergence_error`.
  durable_run(run_state& root, loop& home, run_store& store, const durable_claim& claim);
  durable_run(const durable_run&) = delete;
  durable_run& operator=(const durable_run&) = delete;
  virtual ~durable_run();

  /// What a former execution has come to: the run has ended, and is not to be executed.
  [[nodiscard]] bool has_ended_before() const noexcept;
  [[nodiscard]] const stored_run& info() const noexcept { return journal_->info(); }

  // --- what has a place in it. Errors: `std::bad_alloc`; of a time also what the run has failed of.
  /// The place of what is awaited next in these surroundings.
  [[nodiscard]] virtual std::string next_path(const environment& e) const;
  [[nodiscard]] virtual std::unique_ptr<recorded_call> make_call(call_control& c);
  /// `on_turn` is called on the strand, when nothing is ready.
  [[nodiscard]] virtual std::unique_ptr<recorded_grant> make_grant(
      const environment& e, std::string_view name, void (*on_turn)(void* op, bool is_replayed) noexcept, void* op);
  /// `on_time` is called on the strand, when nothing is ready.
  [[nodiscard]] virtual std::unique_ptr<recorded_timer> make_timer(const environment& e, std::string_view name,
      const timer_wish& wish, void (*on_time)(void* op) noexcept, void* op);
  /// The deadline of a nested run.
  [[nodiscard]] virtual std::unique_ptr<recorded_timer> make_deadline(
      run_state& nested, duration from_now, void (*on_time)(void* op) noexcept, void* op);
  /// Of the root, or of a nested run that begins; null: that is no static graph.
  [[nodiscard]] virtual std::unique_ptr<recorded_end> make_end(run_state& s);
  /// See `run_state::take_recorded_outcome`.
  [[nodiscard]] virtual bool take_outcome(const codec_ops& codec, void* outcome, std::exception_ptr& failure) const;

  // --- events
  /// Somebody waits for this. `name` is the tool, or what is waited for.
  [[nodiscard]] virtual journal_standing enter(
      journal_event& e, fact_kind kind, std::string path, std::string_view name) noexcept;
  /// It has happened, in this execution. Its turn comes when that is safe, or, for what can be learned anew, at once.
  void occurred(journal_event& e, fact f, bool when_safe) noexcept;
  /// The same of what had nothing to wait for until it happened, and so has not entered.
  void occurred_at(journal_event& e, const std::string& path, fact f) noexcept;
  /// Whether something that was recorded of its lane has not had its turn.
  [[nodiscard]] bool is_behind_recorded(std::string_view path) noexcept;
  /// What happened at a place and has no turn: a number that was drawn, who won a race; null: nothing was recorded.
  [[nodiscard]] virtual const fact* find(std::string_view path, fact_kind kind) const noexcept;
  virtual void note(fact_kind kind, std::string path, std::string_view name, std::string value) noexcept;
  /// What was given at the next place in these surroundings, or else this. Errors: `divergence_error`.
  [[nodiscard]] virtual std::string value(const environment& e, std::string_view name, std::string fresh);
  /// A call has ended in this execution: what is left of what its body did before was done in vain.
  void forget_under(const std::string& path) noexcept;
  /// The attempt of this call that a former execution has left off in; what was done in those before is forgotten.
  [[nodiscard]] int attempt_under_way(const std::string& path) noexcept;
  /// False: the event is released later, when all is safe that the program has learned without waiting for that.
  [[nodiscard]] bool may_begin(journal_event& e) noexcept;

  // --- questions
  /// Asks; the event is released once more when the store has the question, unless that has an answer already.
  virtual void ask(journal_event& e, question q) noexcept;
  virtual void withdraw(const std::string& token) noexcept;
  /// A sleep that may outlast the process has begun, or has ended.
  void sleeps_until(std::chrono::system_clock::time_point at) noexcept;
  void has_slept_until(std::chrono::system_clock::time_point at) noexcept;

  // --- what its calls hold of what others may want, too
  virtual void note_taken(const resource_pool& p, std::ptrdiff_t weight) noexcept;
  /// Whether all that is in use of what a call waits for is held by calls of this run. False: the run is woken when
  /// others have given some back.
  [[nodiscard]] virtual bool holds_all_in_use(resource_pool& p, pool_waiter& w) const noexcept;

  // --- the end
  /// Whether nothing is recorded any more: the run was asked to stop, or cannot go on.
  [[nodiscard]] virtual bool is_closed() const noexcept;
  /// The run cannot go on: it is stopped, and throws this.
  virtual void fail(std::exception_ptr why) noexcept;
  /// It has failed, for good: it throws what will be thrown whenever its outcome is asked for.
  void throw_instead(std::exception_ptr recorded) noexcept { recorded_failure_ = std::move(recorded); }
  /// What the run throws in place of what its body threw, or null.
  [[nodiscard]] const std::exception_ptr& thrown() const noexcept { return failure_ ? failure_ : recorded_failure_; }
  /// The body has ended: fails where not all that was recorded of it has happened.
  void check_is_replayed() noexcept;
  /// What the run throws in place of what it ended with, or null.
  [[nodiscard]] const std::exception_ptr& failure() const noexcept { return failure_; }
  /// The body has ended, with this outcome for good. `on_left` is called when the store knows it.
  void leave(run_status s, std::string outcome, void (*on_left)(void*) noexcept, void* whom) noexcept;
  /// The same of a run that can be resumed.
  void leave_resumable(void (*on_left)(void*) noexcept, void* whom) noexcept;
  [[nodiscard]] bool was_cancelled_for_good() const noexcept { return is_cancelled_for_good_; }

  [[nodiscard]] run_state& root() const noexcept { return root_; }
  [[nodiscard]] std::string_view id() const noexcept { return id_; }
  /// What `ctx.now()` adds to the clock of the loop, so that time goes on where it was.
  [[nodiscard]] duration clock_offset() const noexcept { return clock_offset_; }
  void redact(std::string_view tool, std::string& json) const;

  // --- turn_source
  bool take_turn() noexcept override;

 private:
  friend journal_event;
  struct due {
    journal_event* event;   // null: it was given up
    std::uint64_t safe_at;  // how much has to be committed before
  };

  void committed(std::uint64_t count) noexcept override;
  void failed(std::exception_ptr why) noexcept override;
  void answered(std::string_view token, std::string_view answer) noexcept override;
  void cancel_requested() noexcept override;
  void wake() noexcept;

  void check_same(const run_claim& claim) const;
  void load();
  [[nodiscard]] journal_lane* lane_of(std::string_view path) noexcept;
  void advance(journal_lane& l) noexcept;
  void make_replayable(recorded_fact& r);
  void release(std::vector<journal_event*>& held) noexcept;
  void forget(recorded_fact& r) noexcept;
  void write(fact f);
  void take_messages() noexcept;
  void cancel_for_good() noexcept;
  void close() noexcept;
  [[nodiscard]] bool take_replayed_turn() noexcept;
  [[nodiscard]] bool take_due_turn() noexcept;
  [[nodiscard]] bool release_replayed() noexcept;
  [[nodiscard]] bool release_asked() noexcept;
  [[nodiscard]] bool release_starting() noexcept;
  [[nodiscard]] bool release_others() noexcept;
  [[nodiscard]] bool is_idle() const noexcept;
  [[nodiscard]] bool start_one_beyond_limits() noexcept;
  [[nodiscard]] bool leads_to_what_is_next(const std::string& path) const;  // what the call there does
  void park() noexcept;
  void diverge() noexcept;
  void wait_for_commit(bool waits) noexcept;
  /// Takes its next turn behind a look at the executor.
  void let_others_go_first() noexcept;
  virtual void give_up(journal_event& e) noexcept;

  run_state& root_;
  loop& home_;
  const std::string id_;
  std::exception_ptr failure_;
  std::exception_ptr recorded_failure_;
  bool is_closed_ = false;
  bool is_cancelled_for_good_ = false;
  bool waits_for_commit_ = false;
  bool is_parked_ = false;
  bool has_store_failed_ = false;
  std::optional<std::chrono::system_clock::time_point> due_at_;  // of a parked run
  int turns_in_a_row_ = 0;
  duration clock_offset_{};

  // What was recorded and not replayed yet, by path:
  std::map<std::string, recorded_fact, std::less<>> recorded_;
  std::map<std::string, journal_lane, std::less<>> lanes_;
  std::size_t replaying_lanes_ = 0;            // have pending facts
  std::vector<journal_lane*> replayed_lanes_;  // all of which was replayed; what they hold is to be released
  std::map<std::uint64_t, recorded_fact*> replayable_;
  std::vector<journal_event*> held_;  // of lanes of which nothing was recorded, or all is replayed

  std::deque<due> due_;
  std::uint64_t next_number_ = 1;
  std::uint64_t written_ = 0;  // things, by this execution

  std::map<std::string, std::pair<journal_event*, question>, std::less<>> asked_;  // by token
  std::deque<due> asking_;                                                         // not yet known to be in the store
  std::multiset<std::chrono::system_clock::time_point> sleeps_;
  std::deque<due> starting_;      // bodies that wait for what the program has learned to be safe
  std::uint64_t learned_at_ = 0;  // what was written when it last learned something that nobody waits for
  std::map<const resource_pool*, std::ptrdiff_t> taken_;

  void (*on_left_)(void*) noexcept = nullptr;
  void* left_ = nullptr;

  struct pause : ready_item {
    bool is_ready = false;
  } pause_;

  // Written by the store, on any thread:
  std::atomic<std::uint64_t> committed_ = 0;
  std::atomic<bool> is_woken_ = false;
  std::mutex messages_mutex_;
  std::exception_ptr store_failure_;  // under it, like the rest
  std::vector<std::pair<std::string, std::string>> answers_;
  bool is_cancel_requested_ = false;

  std::unique_ptr<run_journal> journal_;  // goes first: then nobody tells it anything
};

/// Not more than 200 bytes of a text, for messages.
[[nodiscard]] std::string shortened(std::string_view text);

inline void journal_event::give_up() noexcept {
  if (run_) run_->give_up(*this);
}

}  // namespace aethergraph::detail
