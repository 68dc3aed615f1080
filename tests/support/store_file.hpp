// What tests of a store in a file need: a directory for it, SQL beside the store, other processes.
#pragma once

#include <fmt/format.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/catch.hpp"

namespace test {

/// A directory that is gone afterwards, and a file in it.
class store_file {
 public:
  store_file() {
    std::string name = (std::filesystem::temp_directory_path() / "aethergraph_store_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory_ = name;
  }
  store_file(const store_file&) = delete;
  store_file& operator=(const store_file&) = delete;
  ~store_file() { std::filesystem::remove_all(directory_); }

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] std::string path(const char* name = "runs.db") const { return (directory_ / name).string(); }

 private:
  std::filesystem::path directory_;
};

/// A connection of somebody else's.
class sql {
 public:
  explicit sql(const std::string& path) {
    if (sqlite3_open(path.c_str(), &connection_) != SQLITE_OK) FAIL("cannot open " << path);
    sqlite3_busy_timeout(connection_, 10'000);
  }
  sql(const sql&) = delete;
  sql& operator=(const sql&) = delete;
  ~sql() { sqlite3_close(connection_); }

  void execute(const std::string& text) {
    INFO(text);
    const int code = sqlite3_exec(connection_, text.c_str(), nullptr, nullptr, nullptr);
    INFO(sqlite3_errmsg(connection_));
    REQUIRE(code == SQLITE_OK);
  }
  /// The first column of the first row.
  [[nodiscard]] std::string value(const std::string& text) {
    sqlite3_stmt* s = nullptr;
    REQUIRE(sqlite3_prepare_v2(connection_, text.c_str(), -1, &s, nullptr) == SQLITE_OK);
    std::string found;
    if (sqlite3_step(s) == SQLITE_ROW)
      if (const auto* t = reinterpret_cast<const char*>(sqlite3_column_text(s, 0))) found = t;
    sqlite3_finalize(s);
    return found;
  }
  [[nodiscard]] long long number(const std::string& text) { return std::atoll(value(text).c_str()); }

 private:
  sqlite3* connection_ = nullptr;
};

/// A process that does something, to be made before this one has opened a store. The two talk by lines.
class child {
 public:
  /// The other side: of the child.
  class line {
   public:
    line(int in, int out) : in_(in), out_(out) {}
    void say(const std::string& what) const {
      const std::string text = what + '\n';
      if (::write(out_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) ::_exit(3);
    }
    /// "" once the other process is gone.
    [[nodiscard]] std::string hear() const {
      std::string text;
      for (char c = 0; ::read(in_, &c, 1) == 1 && c != '\n';) text += c;
      return text;
    }

   private:
    int in_;
    int out_;
  };

  template <class Fn>
  explicit child(Fn fn) : line_(-1, -1) {
    int to[2];
    int from[2];
    REQUIRE(::pipe(to) == 0);
    REQUIRE(::pipe(from) == 0);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      ::close(to[1]);
      ::close(from[0]);
      const line l(to[0], from[1]);
      try {
        fn(l);
      } catch (const std::exception& e) {
        l.say(fmt::format("threw: {}", e.what()));
      }
      ::_exit(0);
    }
    ::close(to[0]);
    ::close(from[1]);
    in_ = from[0];
    out_ = to[1];
    line_ = line(in_, out_);
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child() {
    ::close(out_);
    ::close(in_);
    kill();
    ::waitpid(process_, nullptr, 0);
  }

  void say(const std::string& what) const { line_.say(what); }
  [[nodiscard]] std::string hear() const { return line_.hear(); }
  [[nodiscard]] pid_t process() const { return process_; }
  /// It is dead when this returns, though its parent has not taken notice.
  void kill() const {
    ::kill(process_, SIGKILL);
    siginfo_t end{};
    ::waitid(P_PID, static_cast<id_t>(process_), &end, WEXITED | WNOWAIT);
  }

 private:
  pid_t process_ = -1;
  int in_ = -1;
  int out_ = -1;
  line line_;
};

}  // namespace test
