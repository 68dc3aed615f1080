// Kills a process that executes a durable run, again and again, at any moment; resumes it each time; and compares.

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/sqlite.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

struct directory {
  std::filesystem::path path;
  directory() {
    std::string name = (std::filesystem::temp_directory_path() / "aethergraph_killer_XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary directory");
    path = name;
  }
  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;
  ~directory() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string operator/(const char* name) const { return (path / name).string(); }
};

struct life {
  bool was_killed = false;
  int exit_code = 0;
  std::string output;
};

/// Starts the victim, and kills it after a while, unless it has ended by then.
life live(const std::vector<std::string>& arguments, std::chrono::microseconds how_long) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    std::vector<char*> argv{const_cast<char*>(AETHERGRAPH_VICTIM)};
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  life l;
  int status = 0;
  const auto until = std::chrono::steady_clock::now() + how_long;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= until) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      break;
    }
    std::this_thread::sleep_for(200us);
  }
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    l.output.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  l.was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  l.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return l;
}

std::string integrity_of(const std::string& file) {
  sqlite3* db = nullptr;
  std::string verdict = "it cannot be opened";
  if (sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK)
    sqlite3_exec(db, "pragma integrity_check", [](void* into, int, char** column, char**) {
      *static_cast<std::string*>(into) = column[0];
      return 0;
    }, &verdict, nullptr);
  sqlite3_close(db);
  return verdict;
}

std::vector<std::string> lines_of(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> all;
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

/// The calls whose outcome the store has, by their idempotency keys.
std::set<std::string> recorded_calls(const std::string& file) {
  std::set<std::string> all;
  if (!std::filesystem::exists(file)) return all;
  ag::sqlite_store store{file};
  if (!store.find("r")) return all;
  for (const ag::fact& f : store.facts("r"))
    if (f.kind == ag::fact_kind::call) all.insert("r@" + f.path);
  return all;
}

void torture(const std::string& mode, int cap, int least_kills, unsigned seed) {
  CAPTURE(mode, cap, seed);
  std::mt19937 random(seed);
  const directory unbroken;
  const life whole = live({unbroken / "runs.db", "r", mode, std::to_string(cap), unbroken / "effects"}, 60s);
  REQUIRE(whole.exit_code == 0);

  for (int kills = 0, round = 0; kills < least_kills; ++round) {
    CAPTURE(round);
    const directory here;
    const std::string store = here / "runs.db";
    const std::string effects = here / "effects";
    std::size_t seen = 0;
    for (int lives = 0;; ++lives) {
      REQUIRE(lives < 2000);
      const std::set<std::string> recorded = recorded_calls(store);
      // Long enough, now and then, to come a step further.
      const auto longest = 2000 + 400 * lives;
      const life l = live({store, "r", mode, std::to_string(cap), effects},
          std::chrono::microseconds(std::uniform_int_distribution<int>(500, longest)(random)));
      const std::vector<std::string> all = lines_of(effects);
      for (std::size_t i = seen; i < all.size(); ++i) {
        INFO("the body of " << all[i] << " ran again, though its outcome was recorded");
        REQUIRE(recorded.count(all[i]) == 0);
      }
      seen = all.size();
      if (std::filesystem::exists(store)) REQUIRE(integrity_of(store) == "ok");
      if (l.was_killed) {
        ++kills;
        continue;
      }
      REQUIRE(l.exit_code == 0);
      REQUIRE(l.output == whole.output);
      break;
    }
  }
}

}  // namespace

TEST_CASE(
    "a reactive run that is killed at any moment ends as one that is not, and repeats nothing that was recorded") {
  torture("reactive", GENERATE(1, 2, 4, 16), 40, 1);
}

TEST_CASE("a static run that is killed at any moment ends as one that is not, and repeats nothing that was recorded") {
  torture("static", GENERATE(1, 2, 4, 16), 40, 2);
}
