#include "sqlite_writer.hpp"

#include <fmt/format.h>

#include <type_traits>

namespace aethergraph::detail {

namespace {
using std::chrono::steady_clock;
constexpr auto poll_interval = std::chrono::milliseconds(50);

std::int64_t number_from(sqlite_database& db, const char* sql) {
  sqlite_rows r = db.query(sql);
  r.next();
  return r.integer(0);
}
}  // namespace

sqlite_writer::sqlite_writer(std::string_view path, const sqlite_options& options)
    : database_(path, sqlite_database::purpose::writing, options),
      seen_signal_(number_from(database_, "select last from signal")),
      thread_([this] { run(); }) {}

sqlite_writer::~sqlite_writer() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void sqlite_writer::put(entry e) {
  bool is_enough = false;
  {
    const std::lock_guard lock(mutex_);
    written_.push_back(std::move(e));
    is_enough = written_.size() == enough_;
  }
  if (is_enough) wake_.notify_one();
}

void sqlite_writer::transact(const std::function<void(sqlite_database&)>& work, const std::function<void(bool)>& then) {
  request r{.work = work, .then = then};
  std::unique_lock lock(mutex_);
  requests_.push_back(&r);
  wake_.notify_one();
  done_.wait(lock, [&] { return r.is_done; });
  if (r.error) std::rethrow_exception(r.error);
}

void sqlite_writer::run() {
  std::vector<entry> written;
  std::vector<request*> requests;
  auto next_poll = steady_clock::now();
  steady_clock::duration took{};  // the last commit
  std::size_t count = 0;          // of what was in it
  const auto has_work = [this] { return written_.size() >= enough_ || !requests_.empty() || is_stopping_; };
  std::unique_lock lock(mutex_);
  for (;;) {
    // Whoever waited for the last commit is about to write again. Without a little patience for them, this would commit
    // half of those who write now, and then the other half.
    if (!written_.empty()) {
      enough_ = count;
      wake_.wait_for(lock, took / 10, has_work);
      enough_ = 1;
    }
    if (open_.empty()) wake_.wait(lock, has_work);
    else wake_.wait_until(lock, next_poll, has_work);
    written.swap(written_);
    requests.swap(requests_);
    if (is_stopping_ && written.empty() && requests.empty()) return;
    lock.unlock();

    if (!written.empty() || !requests.empty()) {
      const auto from = steady_clock::now();
      commit(written, requests);
      took = steady_clock::now() - from;
      count = written.size();
      written.clear();
    }
    if (!open_.empty() && steady_clock::now() >= next_poll) {
      poll();
      next_poll = steady_clock::now() + poll_interval;
    }

    lock.lock();
    for (request* r : requests) r->is_done = true;
    if (!requests.empty()) done_.notify_all();
    requests.clear();
  }
}

void sqlite_writer::commit(const std::vector<entry>& written, const std::vector<request*>& requests) noexcept {
  for (const entry& e : written)
    if (!std::exchange(e.from->is_touched_, true)) touched_.push_back(e.from);
  std::exception_ptr error;
  try {
    sqlite_transaction t(database_);
    for (sqlite_journal* j : touched_)
      if (database_.execute("update run set changed = ?3 where number = ?1 and epoch = ?2", j->run_.before.number,
              j->run_.epoch, to_integer(std::chrono::system_clock::now())) == 0)
        j->refusal_ = lost(*j);
    for (const entry& e : written) write(e);
    for (request* r : requests) carry_out(*r);
    t.commit();
  } catch (...) {
    error = std::current_exception();
    tools_.clear();
  }
  for (sqlite_journal* j : touched_) report(*j, error);
  touched_.clear();
  for (request* r : requests) {
    if (!r->error) r->error = error;
    r->then(!r->error);
  }
}

void sqlite_writer::write(const entry& e) {
  sqlite_journal& j = *e.from;
  if (j.has_failed_ || j.refusal_) return;
  const std::int64_t run = j.run_.before.number;
  std::visit([&]<class What>(const What& what) {
    if constexpr (std::is_same_v<What, fact>) {
      insert_fact(database_, tools_, run, ++j.place_, what);
    } else if constexpr (std::is_same_v<What, question>) {
      if (std::optional<std::string> answer = insert_question(database_, run, what))
        j.answers_.emplace_back(what.token, *std::move(answer));
      else j.waiting_.insert(what.token);
    } else if constexpr (std::is_same_v<What, withdrawal>) {
      database_.execute("delete from question where token = ?1 and run = ?2", what.token, run);
      j.waiting_.erase(what.token);
    } else if constexpr (std::is_same_v<What, ending>) {
      end_run(database_, run, what.status, what.outcome, what.due);
    } else {
      j.refusal_ = what;
      return;
    }
    ++j.count_;
  }, e.what);
}

void sqlite_writer::carry_out(request& r) {
  try {
    database_.execute("savepoint request");
    r.work(database_);
    database_.execute("release request");
  } catch (...) {
    if (!database_.is_in_transaction()) throw;
    r.error = std::current_exception();
    database_.execute("rollback to request");
    database_.execute("release request");
  }
}

std::exception_ptr sqlite_writer::lost(const sqlite_journal& j) const {
  return std::make_exception_ptr(lease_lost(
      fmt::format("'{}': run '{}' has been taken over by another process, or erased, since this one had opened it",
          path(), j.info().id)));
}

void sqlite_writer::report(sqlite_journal& j, const std::exception_ptr& error) noexcept {
  j.is_touched_ = false;
  const std::uint64_t count = std::exchange(j.count_, 0);
  const auto answers = std::exchange(j.answers_, {});
  const std::exception_ptr why = error ? error : j.refusal_;
  if (j.has_failed_) return;
  if (!error) {
    for (const auto& [token, answer] : answers) j.client_.answered(token, answer);
    if (count != 0) j.client_.committed(j.committed_ += count);
  }
  if (why) fail(j, why);
}

void sqlite_writer::fail(sqlite_journal& j, const std::exception_ptr& why) noexcept {
  if (!std::exchange(j.has_failed_, true)) j.client_.failed(why);
}

void sqlite_writer::tell_answer(std::int64_t run, std::string_view token, std::string_view value) noexcept {
  const auto at = open_.find(run);
  if (at == open_.end()) return;
  sqlite_journal& j = *at->second;
  const auto waiting = j.waiting_.find(token);
  if (waiting == j.waiting_.end()) return;
  j.waiting_.erase(waiting);
  j.client_.answered(token, value);
}

void sqlite_writer::tell_cancel(std::int64_t run) noexcept {
  const auto at = open_.find(run);
  if (at != open_.end() && !std::exchange(at->second->has_told_cancel_, true)) at->second->client_.cancel_requested();
}

void sqlite_writer::poll() noexcept {
  try {
    // Changes only with what other connections commit.
    const std::int64_t version = number_from(database_, "pragma data_version");
    if (version == seen_version_) return;
    look_for_signals();
    seen_version_ = version;
  } catch (...) {
    for (const auto& [number, j] : open_) fail(*j, std::current_exception());
  }
}

void sqlite_writer::look_for_signals() {
  sqlite_rows r = database_.query(
      "select number, epoch, cancel_requested, signal from run where signal > ?1 order by signal", seen_signal_);
  while (r.next()) {
    const std::int64_t run = r.integer(0);
    if (const auto at = open_.find(run); at != open_.end()) {
      sqlite_journal& j = *at->second;
      if (r.integer(1) != j.run_.epoch) {
        fail(j, lost(j));
      } else {
        if (r.integer(2) != 0) tell_cancel(run);
        sqlite_rows a =
            database_.query("select token, answer from question where run = ?1 and answer is not null", run);
        while (a.next()) tell_answer(run, a.text(0), a.text(1));
      }
    }
    seen_signal_ = r.integer(3);
  }
}

// --- the journal
sqlite_journal::sqlite_journal(sqlite_writer& w, sqlite_reader& r, const run_claim& claim, store_client& client)
    : writer_(w), reader_(r), client_(client) {
  const auto work = [&](sqlite_database& db) { run_ = open_run(db, claim, lease_.owner()); };
  writer_.transact(work, [this](bool is_committed) {
    if (!is_committed || run_.epoch == 0) return;
    place_ = run_.last_place;
    writer_.open_.insert_or_assign(run_.before.number, this);
  });
}

sqlite_journal::~sqlite_journal() {
  if (run_.epoch == 0) return;
  const auto work = [this](sqlite_database& db) { release_run(db, run_.before.number, run_.epoch); };
  try {
    writer_.transact(work, [this](bool) {
      if (const auto at = writer_.open_.find(run_.before.number); at != writer_.open_.end() && at->second == this)
        writer_.open_.erase(at);
    });
  } catch (const store_error&) {  // the lease is void all the same, once this is gone
  }
}

std::vector<fact> sqlite_journal::take_facts() {
  return reader_.read([this](sqlite_database& db) { return read_facts(db, run_.before.number, 0, run_.last_place); });
}

bool sqlite_journal::accepts(std::string_view what, std::string_view path, texts all) noexcept {
  if (is_refused_) return false;
  try {
    for (const auto& [of, text] : all)
      if (text.size() > largest_text)
        check_length(
            writer_.path(), fmt::format("{} of {} '{}' of run '{}'", of, what, path.substr(0, 200), info().id), text);
  } catch (...) {
    is_refused_ = true;
    writer_.put({this, std::current_exception()});
  }
  return !is_refused_;
}

void sqlite_journal::write(fact f) noexcept {
  if (accepts("fact", f.path,
          {{"the path", f.path}, {"the name", f.name}, {"the version", f.version}, {"the arguments", f.arguments},
              {"the value", f.value}}))
    writer_.put({this, std::move(f)});
}

void sqlite_journal::ask(question q) noexcept {
  if (accepts("question", q.path, {{"the token", q.token}, {"the path", q.path}, {"the prompt", q.prompt}}))
    writer_.put({this, std::move(q)});
}

void sqlite_journal::withdraw(std::string token) noexcept {
  if (!is_refused_) writer_.put({this, sqlite_writer::withdrawal{std::move(token)}});
}

void sqlite_journal::end(run_status s, std::string outcome, std::optional<sqlite_time> due) noexcept {
  if (accepts("the end", "", {{"the outcome", outcome}}))
    writer_.put({this, sqlite_writer::ending{s, std::move(outcome), due}});
}

}  // namespace aethergraph::detail
