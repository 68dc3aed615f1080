#include "aethergraph/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"
#include "support/door.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;
using test::eventually;

namespace {

ag::command shell(std::string script) { return ag::command("sh", "-c", std::move(script)); }

ag::process_result run(ag::command c, const ag::process_options& o = {}) {
  return ag::run(ag::run_process(std::move(c), o));
}

bool is_alive(pid_t p) {
  std::string line;
  std::getline(std::ifstream("/proc/" + std::to_string(p) + "/stat"), line);
  const std::size_t at = line.rfind(')');
  return at != line.npos && line.at(at + 2) != 'Z' && line.at(at + 2) != 'X';
}

// ThreadSanitizer may have a child of its own at any time, to find the names of functions for what is suppressed.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEST_MAY_HAVE_A_SYMBOLIZER 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TEST_MAY_HAVE_A_SYMBOLIZER 1
#endif
#ifdef TEST_MAY_HAVE_A_SYMBOLIZER
constexpr bool are_children_ours = false;
#else
constexpr bool are_children_ours = true;
#endif

/// A directory where scripts leave the numbers of their processes; and what must hold afterwards: none of them is
/// alive, this process has no child, not even a dead one, and no more open files than before.
class scene {
 public:
  scene() : files_(open_files()) {
    char name[] = "/tmp/aethergraph_process_XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  scene(const scene&) = delete;
  scene& operator=(const scene&) = delete;
  ~scene() {
    for (const pid_t p : all()) ::kill(p, SIGKILL);  // only where a test has failed is there one
    std::filesystem::remove_all(path_);
  }

  /// `$N` in a script: notes a process number.
  [[nodiscard]] std::vector<std::string> environment() const { return {"N=" + (path_ / "numbers").string()}; }
  [[nodiscard]] std::vector<pid_t> all() const {
    std::vector<pid_t> numbers;
    std::ifstream f(path_ / "numbers");
    for (pid_t p = 0; f >> p;) numbers.push_back(p);
    return numbers;
  }
  [[nodiscard]] bool eventually_has(std::size_t n) const {
    return eventually([&] { return all().size() >= n; });
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  void check_clean() const {
    for (const pid_t p : all()) CHECK_FALSE(is_alive(p));
    check_no_children();
    if (are_children_ours) CHECK(open_files() == files_);
  }
  static void check_no_children() {
    if (!are_children_ours) return;
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
    CHECK(errno == ECHILD);
  }
  static std::ptrdiff_t open_files() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  }

 private:
  std::ptrdiff_t files_;
  std::filesystem::path path_;
};

/// Runs a process until it and what it has started have noted `n` numbers, then stops it.
void run_and_stop(const scene& s, ag::command c, std::size_t n, ag::duration grace) {
  const auto variables = s.environment();
  const auto all_there = [&]() -> ag::task<> {
    while (s.all().size() < n) co_await ag::sleep_for(1ms);
  };
  const auto body = [&]() -> ag::task<std::size_t> {
    auto process = ag::run_process(std::move(c), {.environment = variables, .grace = grace});
    co_return (co_await ag::race(std::move(process), all_there())).index();
  };
  CHECK(ag::run(body(), {.deadline = 60s}) == 1);
  CHECK(s.all().size() == n);
}

/// Notes itself and two children, none of which is moved by SIGTERM.
const char* const stubborn_family =
    "trap '' TERM; sleep 1000 & echo $! >> $N; (sleep 1000; :) & echo $! >> $N; echo $$ >> $N; wait; sleep 1000";
const char* const family = "sleep 1000 & echo $! >> $N; sleep 1000 & echo $! >> $N; echo $$ >> $N; wait";

}  // namespace

// --- what comes back

TEST_CASE("a process gives what it wrote and how it ended") {
  const auto r = run(shell("echo out; echo err >&2; exit 3"));
  CHECK(r.out == "out\n");
  CHECK(r.err == "err\n");
  CHECK(r.exit_code == 3);
  CHECK(r.signal == 0);
  CHECK_FALSE(r.ok());
  CHECK_FALSE(r.out_truncated);
  CHECK(run(ag::command("true")).ok());
}

TEST_CASE("a process that a signal ended says which") {
  const auto r = run(shell("kill -KILL $$"));
  CHECK(r.signal == SIGKILL);
  CHECK(r.exit_code == -1);
  CHECK_FALSE(r.ok());
}

TEST_CASE("the words of a command reach the program as they are") {
  CHECK(run(ag::command("printf", "%s|", "a b", "", "$HOME", "*")).out == "a b||$HOME|*|");
  const std::vector<std::string> words{"printf", "%s", "as a vector"};
  CHECK(run(words).out == "as a vector");
}

TEST_CASE("the words of a command may stand in braces, inside a co_await too") {
  const auto body = []() -> ag::task<std::string> {
    const std::string last = "three, which is longer than what a string holds in itself";
    const auto r = co_await ag::run_process({"printf", "%s %s", "two", last}, {.input = "unread", .out_limit = 9});
    co_return r.out + (co_await ag::run_process({"echo"})).out;
  };
  CHECK(ag::run(body()) == "two three\n");
}

TEST_CASE("a process reads its input to the end") {
  const std::string text(1'000'000, 'x');
  const auto r = run(ag::command("cat"), {.input = text});
  CHECK(r.out == text);
  CHECK(run(ag::command("cat", "/dev/stdin"), {.input = "again"}).out == "again");
}

TEST_CASE("a process without an input reads the end of it") { CHECK(run(ag::command("cat")).out.empty()); }

TEST_CASE("a process may leave its input unread") {
  const std::string text(1'000'000, 'x');
  CHECK(run(ag::command("true"), {.input = text}).ok());
}

TEST_CASE("what a process writes beyond the limit is dropped, and it does not wait") {
  const auto r = run(shell("head -c 5000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo done >&2"),
      {.out_limit = 1000, .err_limit = 0});
  CHECK(r.ok());
  CHECK(r.out == std::string(1000, '\0'));
  CHECK(r.out_truncated);
  CHECK(r.err.empty());
  CHECK(r.err_truncated);
}

TEST_CASE("what fits the limit exactly is not truncated") {
  const auto r = run(ag::command("printf", "12345"), {.out_limit = 5});
  CHECK(r.out == "12345");
  CHECK_FALSE(r.out_truncated);
}

TEST_CASE("big output on both streams comes whole") {
  const auto r = run(shell("head -c 3000000 /dev/zero & head -c 2000000 /dev/zero >&2; wait"),
      {.out_limit = 10'000'000, .err_limit = 10'000'000});
  CHECK(r.out.size() == 3'000'000);
  CHECK(r.err.size() == 2'000'000);
}

TEST_CASE("merged, the standard error stands in the output in order") {
  const auto r = run(shell("echo 1; echo 2 >&2; echo 3"), {.merge_err = true});
  CHECK(r.out == "1\n2\n3\n");
  CHECK(r.err.empty());
}

TEST_CASE("additions to the environment replace what it has by that name") {
  ::setenv("AETHERGRAPH_TEST", "old", 1);
  ::setenv("AETHERGRAPH_TEST_KEPT", "kept", 1);
  const std::vector<std::string> variables{"AETHERGRAPH_TEST=new", "AETHERGRAPH_TEST_MORE=a=b"};
  const auto r =
      run(shell("echo $AETHERGRAPH_TEST $AETHERGRAPH_TEST_MORE $AETHERGRAPH_TEST_KEPT"), {.environment = variables});
  CHECK(r.out == "new a=b kept\n");
}

TEST_CASE("a process runs in the directory that is asked for") {
  const scene s;
  CHECK(run(ag::command("pwd"), {.directory = s.path().native()}).out == s.path().string() + "\n");
}

TEST_CASE("a task of run_process needs nothing of what it was made from") {
  std::optional<ag::task<ag::process_result>> t;
  {
    const std::string input(100, 'i');
    const std::vector<std::string> variables{std::string("AETHERGRAPH_TEST_LONG_NAME=") + std::string(50, 'v')};
    t.emplace(
        ag::run_process(shell("cat; echo $AETHERGRAPH_TEST_LONG_NAME"), {.input = input, .environment = variables}));
  }
  CHECK(ag::run(std::move(*t)).out == std::string(100, 'i') + std::string(50, 'v') + "\n");
}

TEST_CASE("a process inherits no file but its three streams") {
  const int fd = ::open("/dev/null", O_RDONLY);  // as Asio's sockets: not closed by exec
  REQUIRE(fd > 2);
  CHECK(run(ag::command("ls", "/proc/self/fd")).out == "0\n1\n2\n3\n");  // the last is what ls itself has opened
  ::close(fd);
}

TEST_CASE("a process can be asked to stop even if this one ignores and blocks the signal") {
  const auto before = ::signal(SIGTERM, SIG_IGN);
  sigset_t mask, old;
  ::sigemptyset(&mask);
  ::sigaddset(&mask, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &mask, &old);
  const auto r = run(shell("kill -TERM $$; sleep 1000"));
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  ::signal(SIGTERM, before);
  CHECK(r.signal == SIGTERM);
}

TEST_CASE("a process that ends by itself leaves nothing open and nobody behind") {
  const scene s;
  for (int i = 0; i < 20; ++i) CHECK(run(shell("echo x"), {.input = "y"}).ok());
  s.check_clean();
}

// --- what cannot be started

TEST_CASE("a program that is not there is an error that names it") {
  const scene s;
  try {
    run(ag::command("aethergraph-no-such-program", "x"));
    FAIL("it ran");
  } catch (const ag::process_error& e) {
    CHECK(std::string(e.what()) == "cannot start the program 'aethergraph-no-such-program': No such file or directory");
    CHECK(e.program() == "aethergraph-no-such-program");
    CHECK(e.code() == std::errc::no_such_file_or_directory);
  }
  s.check_clean();
}

TEST_CASE("a file that is no program is an error that names it") {
  CHECK_THROWS_WITH(run(ag::command("/etc/passwd")), "cannot start the program '/etc/passwd': Permission denied");
}

TEST_CASE("a directory that is not there is named by the error") {
  CHECK_THROWS_WITH(run(ag::command("true"), {.directory = "/no/such/place"}),
      "cannot start the program 'true' in the directory '/no/such/place': No such file or directory");
}

TEST_CASE("words and options that cannot work are refused at the call") {
  using Catch::Matchers::Contains;
  CHECK_THROWS_AS(ag::run_process(std::vector<std::string>()), ag::option_error);
  CHECK_THROWS_WITH(ag::run_process(ag::command("")), Contains("the first word of a command is the program"));
  CHECK_THROWS_WITH(
      ag::run_process(ag::command("printf", std::string("a\0b", 3))), Contains("a word of the program 'printf'"));
  const std::vector<std::string> variables{"nonsense"};
  CHECK_THROWS_WITH(ag::run_process(ag::command("true"), {.environment = variables}),
      "'nonsense' in the environment of the program 'true' must be NAME=value");
  CHECK_THROWS_WITH(ag::run_process(ag::command("true"), {.grace = -5ms}),
      "grace is -5 ms for the program 'true'; it must be 0 at least");
}

// --- what ends it

TEST_CASE("a process that takes longer than a timeout is stopped with all that it has started") {
  const scene s;
  const auto variables = s.environment();
  auto t = ag::run_process(shell(family), {.environment = variables, .grace = 1min});
  CHECK_THROWS_AS(ag::run(ag::timeout(std::move(t), 300ms)), ag::timed_out);
  s.check_clean();
}

TEST_CASE("a process that is cancelled is stopped with all that it has started, as soon as they obey") {
  const scene s;
  const auto begin = std::chrono::steady_clock::now();
  run_and_stop(s, shell(family), 3, 50s);
  CHECK(std::chrono::steady_clock::now() - begin < 40s);
  s.check_clean();
}

TEST_CASE("what does not obey SIGTERM is killed after its grace") {
  const scene s;
  const auto begin = std::chrono::steady_clock::now();
  run_and_stop(s, shell(stubborn_family), 3, 200ms);
  CHECK(std::chrono::steady_clock::now() - begin >= 200ms);
  s.check_clean();
}

TEST_CASE("stubborn children of a program that obeys SIGTERM are killed too") {
  const scene s;
  run_and_stop(s,
      shell("(trap '' TERM; echo ready >> $N.ready; sleep 1000; sleep 1000) & echo $! >> $N; "
            "while ! [ -s $N.ready ]; do sleep 0.01; done; echo $$ >> $N; wait"),
      2, 200ms);
  s.check_clean();
}

TEST_CASE("the deadline of a run stops its processes") {
  const scene s;
  const auto variables = s.environment();
  auto t = ag::run_process(shell(family), {.environment = variables});
  CHECK_THROWS_AS(ag::run(std::move(t), {.deadline = 300ms}), ag::timed_out);
  s.check_clean();
}

TEST_CASE("a process has its grace to tidy up, and may write meanwhile") {
  const scene s;
  run_and_stop(s,
      shell("trap 'head -c 300000 /dev/zero; touch $N.tidied; exit' TERM; echo $$ >> $N; sleep 1000 & wait"), 1, 50s);
  CHECK(std::filesystem::exists(s.path() / "numbers.tidied"));
  s.check_clean();
}

TEST_CASE("no grace at all kills at once") {
  const scene s;
  run_and_stop(s, shell(stubborn_family), 3, 0s);
  s.check_clean();
}

TEST_CASE("what a program leaves running when it ends is stopped, and its result is given") {
  const scene s;
  const auto variables = s.environment();
  const auto r = run(shell("sleep 1000 & echo $! >> $N; (trap '' TERM; sleep 1000; :) & echo $! >> $N; echo done"),
      {.environment = variables, .grace = 100ms});
  CHECK(r.ok());
  CHECK(r.out == "done\n");
  CHECK(s.all().size() == 2);
  s.check_clean();
}

TEST_CASE("what has left the process group is not waited for, even if it holds the output open") {
  const scene s;
  const auto variables = s.environment();
  const auto begin = std::chrono::steady_clock::now();
  const auto r =
      run(shell("setsid sh -c 'echo $$ >> $N; exec sleep 1000' & while ! [ -s $N ]; do sleep 0.01; done; echo done"),
          {.environment = variables});
  CHECK(r.out == "done\n");
  CHECK(std::chrono::steady_clock::now() - begin < 100s);
  REQUIRE(s.all().size() == 1);
  CHECK(is_alive(s.all()[0]));
  ::kill(s.all()[0], SIGKILL);
}

TEST_CASE("the loser of a race of processes is stopped") {
  const scene s;
  const auto variables = s.environment();
  const auto body = [&]() -> ag::task<std::size_t> {
    const auto first = co_await ag::race(
        ag::run_process(shell(family), {.environment = variables}), ag::run_process(shell("sleep 0.2")));
    co_return first.index();
  };
  CHECK(ag::run(body()) == 1);
  s.check_clean();
}

TEST_CASE("a run that is cancelled midway from another thread leaves no process") {
  const scene s;
  {
    const auto variables = s.environment();
    ag::runtime rt({.threads = 1});
    const auto h = ag::start(rt, ag::run_process(shell(family), {.environment = variables}));
    CHECK(s.eventually_has(3));
    CHECK(eventually([&] { return rt.dump().find("a process") != std::string::npos; }));
    h.cancel();
    CHECK_THROWS_AS(h.get(), ag::cancelled);
  }
  s.check_clean();
}

TEST_CASE("a process that is cancelled while it ends leaves nothing") {
  const scene s;
  for (int i = 0; i < 40; ++i) {
    const auto body = [](int n) -> ag::task<> {
      static_cast<void>(
          co_await ag::race(ag::run_process(ag::command("true")), ag::sleep_for(std::chrono::microseconds{100 * n})));
    };
    ag::run(body(i));
  }
  s.check_clean();
}

TEST_CASE("a scope that was asked to stop starts no process") {
  const scene s;
  const auto variables = s.environment();
  const auto losing = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::run_process(shell("echo $$ >> $N"), {.environment = variables});
  };
  const auto body = [&]() -> ag::task<> { co_await ag::race(losing(), ag::sleep_for(1ms)); };
  ag::run(body());
  CHECK(s.all().empty());
}

TEST_CASE("a run that is torn down kills its processes at once") {
  const scene s;
  const auto variables = s.environment();
  for (int handlers = 0; handlers < 8; ++handlers) {
    std::optional<boost::asio::io_context> io(std::in_place);
    auto t = ag::run_process(shell(stubborn_family), {.environment = variables, .grace = 1h});
    ag::run_async(io->get_executor(), std::move(t), {}, [](std::exception_ptr, const ag::process_result&) {});
    for (int i = 0; i < handlers; ++i) io->run_one_for(50ms);
    io.reset();
    s.check_no_children();
  }
  CHECK(eventually([&] {
    const auto all = s.all();
    return std::none_of(all.begin(), all.end(), is_alive);
  }));
  s.check_clean();
}

// --- many

TEST_CASE("many processes run at once, as tools, within the cap") {
  const scene s;
  const ag::tool echo{"echo", [](int i) -> ag::task<std::string> {
    auto r = co_await ag::run_process(shell("sleep 0.01; echo " + std::to_string(i)));
    co_return std::move(r.out);
  }};
  const auto body = [&]() -> ag::task<std::vector<std::string>> {
    co_return co_await ag::gather(std::views::iota(0, 60) | std::views::transform(echo));
  };
  const auto r = ag::try_run(body(), {.max_concurrency = 20});
  for (std::size_t i = 0; i < 60; ++i) REQUIRE(r.value().at(i) == std::to_string(i) + "\n");
  CHECK(r.peak_concurrency() == 20);
  s.check_clean();
}

TEST_CASE("processes of runs on different threads do not hold each other's files open") {
  const scene s;
  {
    ag::runtime rt({.threads = 3});
    std::vector<ag::run_handle<ag::process_result>> handles;
    for (int i = 0; i < 30; ++i)
      handles.push_back(ag::start(rt, ag::run_process(shell(i % 3 ? "cat" : "sleep 0.2; cat"), {.input = "mine"})));
    for (const auto& h : handles) {
      const ag::process_result r = h.get();
      CHECK(r.signal == 0);
      CHECK(r.out == "mine");
    }
  }
  s.check_clean();
}

TEST_CASE("many processes that are cancelled at any moment leave nobody") {
  const scene s;
  const auto variables = s.environment();
  {
    ag::runtime rt({.threads = 2});
    for (int i = 0; i < 8; ++i) {
      std::vector<ag::run_handle<ag::process_result>> handles;
      for (int n = 0; n < 6; ++n)
        handles.push_back(ag::start(
            rt, ag::run_process(shell(n % 2 ? family : stubborn_family), {.environment = variables, .grace = 20ms})));
      std::this_thread::sleep_for(std::chrono::milliseconds{3 * i});
      for (const auto& h : handles) h.cancel();
      for (const auto& h : handles) h.wait();
    }
  }
  s.check_clean();
}
