// A connection to the file of a sqlite_store: statements, transactions, and what its errors mean.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "aethergraph/sqlite.hpp"

namespace aethergraph::detail {

class sqlite_rows;

/// One connection, to a file with this library's schema. All errors are `store_error`s that name the file.
/// Thread safety: one thread at a time.
class sqlite_database {
 public:
  enum class purpose : unsigned char { looking, writing };

  sqlite_database(std::string_view path, purpose p, const sqlite_options& options);

  /// Runs a statement; `sql` is a literal, or lives as long as this. Texts must stay until the rows are gone.
  template <class... Args>
  [[nodiscard]] sqlite_rows query(const char* sql, const Args&... args);
  /// The same of one that gives no rows. Returns how many it has changed.
  template <class... Args>
  std::int64_t execute(const char* sql, const Args&... args);
  /// Several statements at once.
  void execute_all(const char* sql) { check(sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr)); }
  [[nodiscard]] std::int64_t last_row() const noexcept { return sqlite3_last_insert_rowid(connection_.get()); }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] bool is_in_transaction() const noexcept { return sqlite3_get_autocommit(connection_.get()) == 0; }
  void check(int code) const {
    if (code != SQLITE_OK) fail(code);
  }
  /// Says what an error of SQLite's means here and what would help.
  [[noreturn]] void fail(int code) const;

 private:
  friend class sqlite_rows;
  struct closer {
    void operator()(sqlite3* c) const noexcept { sqlite3_close_v2(c); }
    void operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
  };

  [[nodiscard]] sqlite3_stmt* prepare(const char* sql);
  void open();
  void use_write_ahead_log();
  static int wait(void* self, int count) noexcept;

  std::string path_;
  std::chrono::milliseconds busy_timeout_;
  std::chrono::steady_clock::time_point busy_since_{};
  std::unique_ptr<sqlite3, closer> connection_;
  std::unordered_map<const char*, std::unique_ptr<sqlite3_stmt, closer>> statements_;
};

/// The rows that a statement gives. The statement can be used again once they are gone.
class sqlite_rows {
 public:
  template <class... Args>
  sqlite_rows(sqlite_database& db, sqlite3_stmt* s, const Args&... args) : database_(db), statement_(s) {
    int at = 0;
    (bind(++at, args), ...);
  }
  sqlite_rows(const sqlite_rows&) = delete;
  sqlite_rows& operator=(const sqlite_rows&) = delete;
  ~sqlite_rows() { sqlite3_reset(statement_); }

  /// Whether there is a next row, which the functions below read.
  bool next() {
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) database_.fail(code);
    return code == SQLITE_ROW;
  }
  [[nodiscard]] bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  [[nodiscard]] std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  [[nodiscard]] std::string text(int column) const {
    const unsigned char* at = sqlite3_column_text(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    if (!at && size != 0) database_.fail(SQLITE_NOMEM);
    return {reinterpret_cast<const char*>(at), static_cast<std::size_t>(size)};
  }

 private:
  void bind(int at, std::integral auto value) {
    database_.check(sqlite3_bind_int64(statement_, at, static_cast<std::int64_t>(value)));
  }
  void bind(int at, std::string_view value) {
    const char* text = value.empty() ? "" : value.data();  // a null pointer would be a NULL
    database_.check(sqlite3_bind_text64(statement_, at, text, value.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  template <class T>
  void bind(int at, const std::optional<T>& value) {
    if (value) bind(at, *value);
    else database_.check(sqlite3_bind_null(statement_, at));
  }

  sqlite_database& database_;
  sqlite3_stmt* statement_;
};

template <class... Args>
sqlite_rows sqlite_database::query(const char* sql, const Args&... args) {
  return sqlite_rows(*this, prepare(sql), args...);
}

template <class... Args>
std::int64_t sqlite_database::execute(const char* sql, const Args&... args) {
  sqlite_rows rows = query(sql, args...);
  while (rows.next()) {
  }
  return sqlite3_changes64(connection_.get());
}

/// A connection for looking. Thread safety: any thread, one at a time.
class sqlite_reader {
 public:
  sqlite_reader(std::string_view path, const sqlite_options& options)
      : database_(path, sqlite_database::purpose::looking, options) {}
  template <class Fn>
  auto read(Fn fn) {
    const std::lock_guard lock(mutex_);
    return fn(database_);
  }

 private:
  std::mutex mutex_;
  sqlite_database database_;
};

/// All or nothing of what is written while it lives.
class sqlite_transaction {
 public:
  explicit sqlite_transaction(sqlite_database& db) : database_(db) { db.execute("begin immediate"); }
  sqlite_transaction(const sqlite_transaction&) = delete;
  sqlite_transaction& operator=(const sqlite_transaction&) = delete;
  ~sqlite_transaction();
  void commit() { database_.execute("commit"); }

 private:
  sqlite_database& database_;
};

/// Whether the tables are there, as this version of the library has them. Not of a new or an older file; others are
/// refused.
[[nodiscard]] bool has_sqlite_schema(sqlite_database& db);
/// Makes the tables of a new file, or brings those of an older one up to date.
void make_sqlite_schema(sqlite_database& db);

}  // namespace aethergraph::detail
