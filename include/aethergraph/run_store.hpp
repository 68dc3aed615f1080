// run_store: where durable runs keep what has happened in them, so that another process can go on.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aethergraph/error.hpp"
#include "aethergraph/node_state.hpp"
#include "aethergraph/question.hpp"

namespace aethergraph {

namespace detail {
class durable_run;
class loop;
class run_state;
struct durable_claim;
}  // namespace detail

/// A store cannot do what it was asked for: no such run, a full disk, a file of a newer version. The message names the
/// store and says what would help.
class store_error : public error {
 public:
  using error::error;
};

/// The run is being executed, by a process that lives. The message names it.
class run_busy : public store_error {
 public:
  using store_error::store_error;
};

/// Somebody else has taken this run over, so that what this process would write is refused.
class lease_lost : public store_error {
 public:
  using store_error::store_error;
};

/// Where a durable run stands.
enum class run_status : unsigned char {
  running,   ///< somebody executes it, or did so until its process died
  parked,    ///< nothing is left but to wait for an answer, an event or a time
  done,      ///< it has a result
  failed,    ///< it ended with an exception
  cancelled  ///< it was cancelled in the store, for good
};
/// "running", "parked", …
[[nodiscard]] std::string_view to_string(run_status s) noexcept;
/// Whether it is over for good: done, failed or cancelled.
[[nodiscard]] constexpr bool has_ended(run_status s) noexcept { return s >= run_status::done; }

/// What a store knows of a run besides its facts. Texts named JSON are such.
struct stored_run {
  std::string id;
  std::string program;    ///< the name of the agent or graph
  std::string version;    ///< that it was declared with
  std::string arguments;  ///< JSON
  std::string structure;  ///< JSON: the nodes of a static graph; empty of an agent
  std::size_t slots = 0;  ///< how many its calls shared in its last execution; 0: that is not known
  run_status status = run_status::running;
  std::string outcome;      ///< JSON: the result of one that is done, the failure of one that failed
  std::string owner;        ///< who executes it, such as "process 4711"; empty: nobody who lives
  std::uint64_t epoch = 0;  ///< how often it was opened
  std::chrono::system_clock::time_point created{};
  std::chrono::system_clock::time_point changed{};
  std::optional<std::chrono::system_clock::time_point> due{};  ///< of a parked one: when it could go on by itself
  std::string forked_from;                                     ///< the id of the run that it is a copy of
  bool cancel_requested = false;
};

/// What a fact is about.
enum class fact_kind : unsigned char {
  call = 1,  ///< a tool call, or a node of a static graph, has ended
  run,       ///< a nested run of a static graph has ended
  timer,     ///< a time has come
  grant,     ///< a semaphore or a queue has let somebody through
  race,      ///< a race is decided: `value` is the position of who won
  value,     ///< a time, a random number or a unique id was given
  answer     ///< a question was answered, or an event came: `value` is the answer
};
/// "call", "run", …
[[nodiscard]] std::string_view to_string(fact_kind k) noexcept;

/// What a call did from some time on.
struct recorded_phase {
  node_phase what{};
  std::chrono::system_clock::time_point begin{};
};

/// Something that has happened in a run, and does not happen again when the run is resumed.
struct fact {
  std::uint64_t number = 0;  ///< its place in the order in which the program learned of them; there may be gaps
  fact_kind kind = fact_kind::call;
  node_state state = node_state::done;              ///< of calls: how it ended
  int attempts = 0;                                 ///< of calls
  std::string path;                                 ///< where in the program; unique among the facts of a kind
  std::string name;                                 ///< the tool, or what was waited for
  std::string version;                              ///< of the tool
  std::string arguments;                            ///< JSON, of calls; empty: they are not compared
  std::string value;                                ///< JSON: the result, or the failure; empty: there is none
  std::chrono::system_clock::time_point made{};     ///< when it was awaited
  std::chrono::system_clock::time_point started{};  ///< of calls: of the last attempt
  std::chrono::system_clock::time_point ended{};
  /// Of calls that waited for anything but a slot, or were tried more than once: what they did until their last
  /// attempt.
  std::vector<recorded_phase> phases{};
};

/// Whoever opens a run: told of what becomes of what it wrote.
///
/// Thread safety: called on any thread, also from inside a member function of the journal, but never once the journal
/// is gone.
class store_client {
 public:
  /// The first `count` of all that was written, in order, is safe now, whatever happens to the process or the machine.
  virtual void committed(std::uint64_t count) noexcept = 0;
  /// Nothing after what was committed will be: the run has to stop.
  virtual void failed(std::exception_ptr why) noexcept = 0;
  /// A question of this run has got its answer, JSON: just now, or before it was asked again.
  virtual void answered(std::string_view token, std::string_view answer) noexcept = 0;
  /// The run was cancelled in the store.
  virtual void cancel_requested() noexcept = 0;

 protected:
  ~store_client() = default;
};

/// A run that this process has opened, and nobody else can meanwhile. To destroy it writes what is pending and gives
/// the run up.
///
/// What is written is made safe later, in the order of writing, many at a time: none of these functions waits for a
/// disk. Each of them counts as one thing written.
/// Thread safety: one thread at a time.
class run_journal {
 public:
  run_journal() = default;
  run_journal(const run_journal&) = delete;
  run_journal& operator=(const run_journal&) = delete;
  virtual ~run_journal() = default;

  /// What the store knew of the run when it was opened.
  [[nodiscard]] virtual const stored_run& info() const noexcept = 0;
  /// The facts that were recorded before, in the order of writing. Once.
  [[nodiscard]] virtual std::vector<fact> take_facts() = 0;

  virtual void write(fact f) noexcept = 0;
  /// Asks a question. One with the same token and an answer is answered at once; the same without: nothing changes.
  virtual void ask(question q) noexcept = 0;
  /// Nobody waits for its answer any more.
  virtual void withdraw(std::string token) noexcept = 0;
  /// The run has come to this, and this process writes nothing more.
  virtual void end(
      run_status s, std::string outcome, std::optional<std::chrono::system_clock::time_point> due) noexcept = 0;
};

/// How somebody comes to a run.
struct run_claim {
  std::string id;
  std::string program;
  std::string version;
  std::string arguments;
  std::string structure;
  std::size_t slots = 0;
};

/// Where durable runs keep what has happened in them. `sqlite_store` keeps it in a file, `memory_store` for tests.
///
/// Thread safety: any thread. Many runs use one store at the same time, in this process and, if the store is for that,
/// in others. Errors: `store_error` of all members.
class run_store {
 public:
  run_store() = default;
  run_store(const run_store&) = delete;
  run_store& operator=(const run_store&) = delete;
  virtual ~run_store();

  // --- for runs
  /// Opens the run with the id of the claim, or makes one of the claim. Whether a run that was there is the same
  /// program with the same arguments is for the caller to see. One that is done, failed or cancelled can be opened
  /// by any number at a time, to be read: nothing is to be written then. Blocks until the store has answered.
  /// Errors: `run_busy` while a process that lives executes it.
  [[nodiscard]] virtual std::unique_ptr<run_journal> open(const run_claim& claim, store_client& client) = 0;

  // --- for whoever looks
  /// All runs, the oldest first.
  [[nodiscard]] virtual std::vector<stored_run> runs() = 0;
  [[nodiscard]] virtual std::optional<stored_run> find(std::string_view id) = 0;
  /// The facts of a run in the order of writing, but for the first `skipped` of them. Errors: also when there is no
  /// such run.
  [[nodiscard]] virtual std::vector<fact> facts(std::string_view id, std::size_t skipped = 0) = 0;
  /// The questions of a run, or of all runs where the id is empty, the oldest first; withdrawn ones are left out.
  [[nodiscard]] virtual std::vector<question> questions(std::string_view id = {}) = 0;

  // --- for whoever acts on them
  /// Answers a question, once: the first answer counts. A run that is being executed is told.
  /// Errors: also when there is no such question, it has an answer, or its deadline has passed.
  virtual void answer(std::string_view token, std::string_view value) = 0;
  /// Asks a run to stop for good. One that nobody executes is cancelled at once. Errors: also when it has ended.
  virtual void cancel(std::string_view id) = 0;
  /// Takes facts out of a run, by their numbers, and their questions, so that it can be resumed without them.
  /// Errors: `run_busy`.
  virtual void forget(std::string_view id, const std::vector<std::uint64_t>& facts) = 0;
  /// Makes a run with another id out of what this one knows, but for some facts. It stands as one that was interrupted.
  /// Errors: also when there is a run with the new id.
  virtual void fork(std::string_view id, std::string_view new_id, const std::vector<std::uint64_t>& without) = 0;
  /// Replaces what a run says its program is. Errors: `run_busy`.
  virtual void restate(const run_claim& claim) = 0;
  /// Removes a run with all that belongs to it. Errors: `run_busy`.
  virtual void erase(std::string_view id) = 0;

 private:
  friend detail::run_state;
  // Virtual so that a program without a store links nothing of durable runs.
  [[nodiscard]] virtual std::unique_ptr<detail::durable_run> make_durable_run(
      detail::run_state& root, detail::loop& home, const detail::durable_claim& claim);
};

}  // namespace aethergraph
