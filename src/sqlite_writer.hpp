// The thread that writes a sqlite_store's file: what all runs have written since, in one transaction.
#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "sqlite_database.hpp"
#include "sqlite_lease.hpp"
#include "sqlite_records.hpp"

namespace aethergraph::detail {

class sqlite_journal;

/// Thread safety: any thread. Clients are told of everything on the thread of this.
// Invariant: what a journal has written stands in `written_` in its order, until the thread takes all that there is;
// the
//            thread alone uses the database and what it knows of journals, and holds no lock while it does.
class sqlite_writer {
 public:
  sqlite_writer(std::string_view path, const sqlite_options& options);
  sqlite_writer(const sqlite_writer&) = delete;
  sqlite_writer& operator=(const sqlite_writer&) = delete;
  ~sqlite_writer();

  [[nodiscard]] const std::string& path() const noexcept { return database_.path(); }

  /// Does some work within the next transaction, after all that was written before, and then, when it is known whether
  /// it is safe, `then`. Blocks until both are done. Errors: what the work has thrown, and of the transaction.
  void transact(const std::function<void(sqlite_database&)>& work,
      const std::function<void(bool is_committed)>& then = [](bool) {});
  /// Tells the run, if this process executes it, what somebody else has done to it. For `then`.
  void tell_answer(std::int64_t run, std::string_view token, std::string_view value) noexcept;
  void tell_cancel(std::int64_t run) noexcept;

 private:
  friend class sqlite_journal;

  struct withdrawal {
    std::string token;
  };
  struct ending {
    run_status status;
    std::string outcome;
    std::optional<sqlite_time> due;
  };
  /// Something a journal has written; an exception is what refuses it and all that follows.
  struct entry {
    sqlite_journal* from;
    std::variant<fact, question, withdrawal, ending, std::exception_ptr> what;
  };
  struct request {
    const std::function<void(sqlite_database&)>& work;
    const std::function<void(bool)>& then;
    std::exception_ptr error = nullptr;
    bool is_done = false;
  };

  void put(entry e);
  void run();
  void commit(const std::vector<entry>& written, const std::vector<request*>& requests) noexcept;
  void write(const entry& e);
  void carry_out(request& r);
  void report(sqlite_journal& j, const std::exception_ptr& error) noexcept;
  /// What a journal is told whose run is another's.
  [[nodiscard]] std::exception_ptr lost(const sqlite_journal& j) const;
  static void fail(sqlite_journal& j, const std::exception_ptr& why) noexcept;
  /// Looks for what other processes have done to the runs that are open here.
  void poll() noexcept;
  void look_for_signals();

  // --- of the thread
  sqlite_database database_;
  sqlite_tools tools_;
  std::unordered_map<std::int64_t, sqlite_journal*> open_;  // by the number of the run
  std::vector<sqlite_journal*> touched_;                    // by the transaction under way
  std::int64_t seen_version_ = -1;
  std::int64_t seen_signal_ = 0;

  // --- shared, under the mutex
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::vector<entry> written_;
  std::size_t enough_ = 1;  // of what was written, for the thread to wake up
  std::vector<request*> requests_;
  bool is_stopping_ = false;

  std::thread thread_;
};

/// A run that a writer has opened.
class sqlite_journal final : public run_journal {
 public:
  sqlite_journal(sqlite_writer& w, sqlite_reader& r, const run_claim& claim, store_client& client);
  ~sqlite_journal() override;

  [[nodiscard]] const stored_run& info() const noexcept override { return run_.before.info; }
  [[nodiscard]] std::vector<fact> take_facts() override;
  void write(fact f) noexcept override;
  void ask(question q) noexcept override;
  void withdraw(std::string token) noexcept override;
  void end(run_status s, std::string outcome, std::optional<sqlite_time> due) noexcept override;

 private:
  friend class sqlite_writer;
  using texts = std::initializer_list<std::pair<const char*, std::string_view>>;

  /// Whether all texts of something are short enough; if not, that and all that follows is refused.
  bool accepts(std::string_view what, std::string_view path, texts all) noexcept;

  sqlite_writer& writer_;
  sqlite_reader& reader_;
  store_client& client_;
  sqlite_lease lease_;
  opened_run run_;
  bool is_refused_ = false;  // by whoever writes

  // --- of the writer's thread
  std::int64_t place_ = 0;  // of the last fact
  std::uint64_t committed_ = 0;
  std::set<std::string, std::less<>> waiting_;  // tokens of questions that were asked and not answered
  bool has_told_cancel_ = false;
  bool has_failed_ = false;
  // of the transaction under way
  bool is_touched_ = false;
  std::uint64_t count_ = 0;
  std::vector<std::pair<std::string, std::string>> answers_;
  std::exception_ptr refusal_;
};

}  // namespace aethergraph::detail
