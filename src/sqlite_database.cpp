#include "sqlite_database.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "aethergraph/error.hpp"

namespace aethergraph::detail {

using std::chrono::steady_clock;

sqlite_database::sqlite_database(std::string_view path, purpose p, const sqlite_options& options)
    : path_(path), busy_timeout_(options.busy_timeout) {
  if (path.empty() || path == ":memory:" || path.find('\0') != path.npos)
    throw option_error(fmt::format("'{}' is no name of a file for a sqlite_store; memory_store needs none", path));
  if (busy_timeout_.count() < 0)
    throw option_error(
        fmt::format("busy_timeout is {} ms for '{}'; it must be 0 at least", busy_timeout_.count(), path));

  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(
      path_.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  connection_.reset(opened);
  check(code);
  sqlite3_extended_result_codes(opened, 1);
  check(sqlite3_busy_handler(opened, &wait, this));

  const bool is_complete = has_sqlite_schema(*this);
  if (p == purpose::looking) {
    execute_all("pragma query_only = on");
    return;
  }

  if (sqlite3_db_readonly(opened, "main") == 0) use_write_ahead_log();
  if (!is_complete) make_sqlite_schema(*this);
  execute_all(options.synchronous == synchronous::full ? "pragma synchronous = full" : "pragma synchronous = normal");
  // Pages that many commits have in common go to the file once.
  execute_all("pragma wal_autocheckpoint = 4000; pragma temp_store = memory");
  if (options.max_bytes) {
    std::int64_t page = 0;
    if (sqlite_rows r = query("pragma page_size"); r.next()) page = r.integer(0);
    const auto pages = std::max<std::int64_t>(static_cast<std::int64_t>(*options.max_bytes) / page, 1);
    execute_all(fmt::format("pragma max_page_count = {}", pages).c_str());
  }
}

/// The busy handler is not asked when another process does the same at the same time.
void sqlite_database::use_write_ahead_log() {
  for (int tries = 0;; ++tries) {
    int code = SQLITE_OK;
    std::string mode;
    {
      sqlite3_stmt* s = prepare("pragma journal_mode = wal");
      code = sqlite3_step(s);
      if (code == SQLITE_ROW) mode = reinterpret_cast<const char*>(sqlite3_column_text(s, 0));
      sqlite3_reset(s);
    }
    if (mode == "wal") return;
    if (code == SQLITE_ROW)
      throw store_error(fmt::format(
          "'{}' cannot have a write-ahead log, but '{}'; keep it on a local disk, in a file of its own", path_, mode));
    if ((code & 0xff) != SQLITE_BUSY || wait(this, tries) == 0) fail(code);
  }
}

sqlite3_stmt* sqlite_database::prepare(const char* sql) {
  std::unique_ptr<sqlite3_stmt, closer>& s = statements_[sql];
  if (!s) {
    sqlite3_stmt* made = nullptr;
    check(sqlite3_prepare_v3(connection_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr));
    s.reset(made);
  }
  return s.get();
}

/// SQLite's own handler sleeps for up to 100 ms, in which a process that commits all the time is always the first
/// again.
int sqlite_database::wait(void* self, int count) noexcept {
  auto& db = *static_cast<sqlite_database*>(self);
  const auto now = steady_clock::now();
  if (count == 0) db.busy_since_ = now;
  if (std::chrono::floor<std::chrono::milliseconds>(now - db.busy_since_) >= db.busy_timeout_) return 0;
  std::this_thread::sleep_for(std::chrono::microseconds(std::min(100 * (count + 1), 2000)));
  return 1;
}

void sqlite_database::fail(int code) const {
  const char* said = connection_ ? sqlite3_errmsg(connection_.get()) : sqlite3_errstr(code);
  const std::string what = [&]() -> std::string {
    switch (code & 0xff) {
      case SQLITE_FULL:
        return "has no room: the disk is full, or max_bytes is reached. What was committed is safe; make room and "
               "resume the runs";
      case SQLITE_READONLY:
        return "cannot be written: this user needs the right to write the file, its directory, and the files "
               "beside it that end in -wal and -shm";
      case SQLITE_CANTOPEN:
        return "cannot be opened: its directory must exist, and this user needs the right to write in it, since SQLite "
               "has two more files beside it";
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        return fmt::format(
            "was locked by another process for more than {} ms: let that one end its transaction, or set "
            "a longer busy_timeout",
            busy_timeout_.count());
      case SQLITE_CORRUPT:
        return "is damaged: use a copy of it, or save what can be read with 'sqlite3 FILE .recover'";
      case SQLITE_NOTADB:
        return "is no SQLite database: give the store another file";
      case SQLITE_IOERR:
        return "cannot be read or written: the disk has failed. What was committed before is as safe as the disk";
      default:
        return "cannot be used";
    }
  }();
  throw store_error(fmt::format("'{}' {} (SQLite: {})", path_, what, said));
}

sqlite_transaction::~sqlite_transaction() {
  if (!database_.is_in_transaction()) return;
  try {
    database_.execute("rollback");
  } catch (const store_error&) {  // the file is as it was before in any case
  }
}

}  // namespace aethergraph::detail
