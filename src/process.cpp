// Programs are started by the C library's posix_spawn. Boost.Process 1.81 forks: its child calls back into the event
// loop that other threads are in, and runs this process's exit handlers when a program is missing.
#include "aethergraph/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <tuple>

#include "aethergraph/as_result.hpp"
#include "aethergraph/detail/one_shot.hpp"
#include "aethergraph/gather.hpp"
#include "aethergraph/race.hpp"
#include "aethergraph/shielded.hpp"
#include "aethergraph/use_task.hpp"

namespace aethergraph {

namespace asio = boost::asio;

namespace {

/// A wait for a `one_shot`, under a name of its own.
class wait_for_end {
 public:
  explicit wait_for_end(detail::one_shot& s) noexcept : ended(s) {}
  detail::one_shot& ended;
};

}  // namespace

namespace detail {
template <>
class operation<wait_for_end> {
 public:
  using result_type = void;

  explicit operation(wait_for_end& w) noexcept : ended_(w.ended) {}
  bool start(environment& e, receiver& r) noexcept { return wait_.start(ended_, "a process", e, r); }
  void take() const {
    if (wait_.error()) std::rethrow_exception(wait_.error());
  }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return wait_.error(); }
  void refuse(const std::exception_ptr& e) noexcept { wait_.refuse(e); }

 private:
  one_shot& ended_;
  one_shot_wait wait_;
};
}  // namespace detail

namespace {

[[nodiscard]] std::error_code last_error() noexcept { return {errno, std::system_category()}; }

void check(bool is_good, const char* what) {
  if (!is_good) throw std::system_error(last_error(), what);
}

/// A file descriptor that no program inherits.
class file {
 public:
  file() = default;
  explicit file(int fd, const char* what) : fd_(fd) { check(fd >= 0, what); }
  file(file&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  file& operator=(file o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~file() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }
  /// A process whose own standard streams are closed gets their numbers for what it opens.
  file beyond_standard_streams() && {
    if (fd_ > STDERR_FILENO) return std::move(*this);
    return file(::fcntl(fd_, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "fcntl");
  }

 private:
  int fd_ = -1;
};

struct two_ends {
  file read;
  file write;
};

two_ends make_pipe() {
  std::array<int, 2> ends{};
  check(::pipe2(ends.data(), O_CLOEXEC) == 0, "a pipe for a process");
  file read(ends[0], "a pipe for a process");
  file write(ends[1], "a pipe for a process");
  return {std::move(read), std::move(write).beyond_standard_streams()};
}

/// The input as a file in memory: nobody has to be there to write it, and the program may leave it unread.
file make_input(std::string_view text) {
  if (text.empty())
    return file(::open("/dev/null", O_RDONLY | O_CLOEXEC), "the input of a process").beyond_standard_streams();
  file f(::memfd_create("aethergraph input", MFD_CLOEXEC), "the input of a process");
  while (!text.empty()) {
    const ssize_t n = ::write(f.get(), text.data(), text.size());
    check(n >= 0 || errno == EINTR, "the input of a process");
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  }
  check(::lseek(f.get(), 0, SEEK_SET) == 0, "the input of a process");
  return std::move(f).beyond_standard_streams();
}

/// Everything that a program is run with, owned.
struct plan {
  std::vector<std::string> words;
  std::vector<std::string> variables;
  std::string input;
  std::string directory;
  std::size_t out_limit = 0;
  std::size_t err_limit = 0;
  bool merge_err = false;
  duration grace{};
};

void check_text(std::string_view text, const char* what, std::string_view program) {
  if (text.find('\0') != text.npos)
    throw option_error(fmt::format("{} of the program '{}' has a NUL character in it; text has none", what, program));
}

[[nodiscard]] plan make_plan(std::vector<std::string> words, const process_options& o) {
  if (words.empty() || words[0].empty())
    throw option_error("a program without a name was to be run; the first word of a command is the program");
  const std::string program = words[0].substr(0, words[0].find('\0'));
  for (const std::string& w : words) check_text(w, "a word", program);
  check_text(o.directory, "the directory", program);
  for (const std::string& v : o.environment) {
    check_text(v, "a variable", program);
    if (const std::size_t at = v.find('='); at == v.npos || at == 0)
      throw option_error(fmt::format("'{}' in the environment of the program '{}' must be NAME=value", v, program));
  }
  if (o.grace < duration::zero())
    throw option_error(fmt::format("grace is {} ms for the program '{}'; it must be 0 at least",
        std::chrono::duration_cast<std::chrono::milliseconds>(o.grace).count(), program));
  return {.words = std::move(words),
      .variables = {o.environment.begin(), o.environment.end()},
      .input = std::string(o.input),
      .directory = std::string(o.directory),
      .out_limit = o.out_limit,
      .err_limit = o.err_limit,
      .merge_err = o.merge_err,
      .grace = o.grace};
}

[[nodiscard]] std::string_view name_of(std::string_view variable) { return variable.substr(0, variable.find('=')); }

[[nodiscard]] std::vector<char*> as_pointers(std::vector<std::string>& all) {
  std::vector<char*> pointers;
  for (std::string& s : all) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// Starts the program as the leader of a process group of its own.
[[nodiscard]] pid_t spawn(plan& p, int in, int out, int err) {
  std::vector<std::string> variables;
  for (char** v = environ; v && *v; ++v) {
    const auto has_its_name = [&](const std::string& own) { return name_of(own) == name_of(*v); };
    if (std::none_of(p.variables.begin(), p.variables.end(), has_its_name)) variables.emplace_back(*v);
  }
  variables.insert(variables.end(), p.variables.begin(), p.variables.end());

  struct settings {
    settings() {
      check((errno = ::posix_spawn_file_actions_init(&actions)) == 0, "posix_spawn_file_actions_init");
      check((errno = ::posix_spawnattr_init(&attributes)) == 0, "posix_spawnattr_init");
    }
    settings(const settings&) = delete;
    settings& operator=(const settings&) = delete;
    ~settings() {
      ::posix_spawn_file_actions_destroy(&actions);
      ::posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
  } s;

  const auto good = [](int error) { check((errno = error) == 0, "posix_spawn"); };
  good(::posix_spawn_file_actions_adddup2(&s.actions, in, STDIN_FILENO));
  good(::posix_spawn_file_actions_adddup2(&s.actions, out, STDOUT_FILENO));
  good(::posix_spawn_file_actions_adddup2(&s.actions, err, STDERR_FILENO));
  // Sockets of Asio's, among others, would be inherited otherwise.
  good(::posix_spawn_file_actions_addclosefrom_np(&s.actions, STDERR_FILENO + 1));
  if (!p.directory.empty()) good(::posix_spawn_file_actions_addchdir_np(&s.actions, p.directory.c_str()));
  // A signal that this process ignores or blocks, the program does not: else it could not be asked to stop.
  sigset_t signals;
  ::sigemptyset(&signals);
  good(::posix_spawnattr_setsigmask(&s.attributes, &signals));
  for (const int one : {SIGTERM, SIGINT, SIGPIPE}) ::sigaddset(&signals, one);
  good(::posix_spawnattr_setsigdefault(&s.attributes, &signals));
  good(::posix_spawnattr_setpgroup(&s.attributes, 0));
  good(::posix_spawnattr_setflags(
      &s.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));

  pid_t id = -1;
  const int error = ::posix_spawnp(
      &id, p.words[0].c_str(), &s.actions, &s.attributes, as_pointers(p.words).data(), as_pointers(variables).data());
  if (error != 0) throw process_error(p.words[0], p.directory, {error, std::system_category()});
  return id;
}

/// Whether somebody of a process group is alive, and not only waits for a parent that does not care.
[[nodiscard]] bool has_live_member(pid_t group) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != name.npos) continue;
    std::string line;
    std::getline(std::ifstream(entry.path() / "stat"), line);
    const std::size_t at = line.rfind(')');  // the name before it may hold anything
    char state = 0;
    int parent = 0;
    int its_group = 0;
    if (at == line.npos || std::sscanf(line.c_str() + at + 1, " %c %d %d", &state, &parent, &its_group) != 3) continue;
    if (its_group == group && state != 'Z' && state != 'X') return true;
  }
  return false;
}

/// A program and what it has started. What is alive of it is killed with this.
// Invariant: the group is signalled only while its leader has not been reaped, or right after it was seen to exist: its
//            number cannot have become another's.
class process_group {
 public:
  process_group() = default;
  process_group(const process_group&) = delete;
  process_group& operator=(const process_group&) = delete;
  ~process_group() {
    if (leader_ <= 0 || is_gone_) return;
    signal(SIGKILL);
    if (is_reaped_ || ::kill(leader_, SIGKILL) != 0) return;  // another user's by now: nothing would end a wait
    while (::waitpid(leader_, &status_, 0) < 0 && errno == EINTR) {
    }
  }

  void lead(pid_t leader) noexcept { leader_ = leader; }
  [[nodiscard]] pid_t leader() const noexcept { return leader_; }
  void signal(int what) noexcept { ::kill(-leader_, what); }
  /// Takes notice of the leader's end, and asks what it leaves behind to stop: again, if the group was asked before,
  /// since a shell's child that has not come to its program yet loses a signal.
  [[nodiscard]] bool has_ended() noexcept {
    if (is_reaped_) return true;
    siginfo_t end{};
    if (::waitid(P_PID, static_cast<id_t>(leader_), &end, WEXITED | WNOHANG | WNOWAIT) != 0) return is_reaped_ = true;
    if (end.si_pid == 0) return false;
    signal(SIGTERM);
    if (::waitpid(leader_, &status_, 0) != leader_) status_ = lost;
    return is_reaped_ = true;
  }
  /// Whether nobody is left. Once the leader has been reaped.
  [[nodiscard]] bool is_gone() {
    if (is_gone_) return true;
    while (::waitpid(-leader_, nullptr, WNOHANG) > 0) {  // orphans come to this process if it is the first of all
    }
    return is_gone_ = ::kill(-leader_, 0) != 0 || !has_live_member(leader_);
  }
  void write_end(process_result& r, const std::string& program) const {
    if (status_ == lost)
      throw error(
          fmt::format("how the program '{}' ended is not known: this process ignores or reaps its children "
                      "(SIGCHLD) itself",
              program));
    r.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
    r.signal = WIFSIGNALED(status_) ? WTERMSIG(status_) : 0;
  }

 private:
  static constexpr int lost = -1;

  pid_t leader_ = -1;
  int status_ = lost;
  bool is_reaped_ = false;
  bool is_gone_ = false;
};

/// A program under way.
class process {
 public:
  process(const asio::any_io_executor& ex, plan&& p)
      : plan_(std::move(p)),
        out_{.pipe = asio::posix::stream_descriptor(ex)},
        err_{.pipe = asio::posix::stream_descriptor(ex)},
        end_(ex),
        timer_(ex) {
    const file in = make_input(plan_.input);
    two_ends out = make_pipe();
    two_ends err = plan_.merge_err ? two_ends() : make_pipe();
    const int err_fd = plan_.merge_err ? out.write.get() : err.write.get();
    group_.lead(spawn(plan_, in.get(), out.write.get(), err_fd));
    const pid_t leader = group_.leader();
    file end(static_cast<int>(::syscall(SYS_pidfd_open, leader, 0)), "pidfd_open");
    end_.assign(end.get());
    end.release();
    out_.begin(out.read, plan_.out_limit);
    if (!plan_.merge_err) err_.begin(err.read, plan_.err_limit);
  }

  /// Ends with the program, or hands on a request to stop.
  task<> watch() {
    const auto r = co_await as_result(wait_for_end(ended_));
    if (r.has_value()) co_return;
    is_asked_to_stop_ = true;
    if (is_left_alone_) end_.cancel();
    std::rethrow_exception(r.error());
  }

  /// Reads, until nobody is left. Not to be cancelled.
  task<> see_through() {
    co_await gather(read(out_), read(err_), wait_for_all());
    ended_.set();
  }

  [[nodiscard]] process_result take_result() {
    process_result r{.out = std::move(out_.kept),
        .err = std::move(err_.kept),
        .out_truncated = out_.is_truncated,
        .err_truncated = err_.is_truncated};
    group_.write_end(r, plan_.words[0]);
    return r;
  }

 private:
  struct stream {
    asio::posix::stream_descriptor pipe;
    std::string kept = {};
    std::size_t limit = 0;
    bool is_truncated = false;

    void begin(file& f, std::size_t bytes) {
      pipe.assign(f.get());
      f.release();
      pipe.non_blocking(true);
      limit = bytes;
    }
    void keep(std::string_view bytes) {
      const std::size_t n = std::min(bytes.size(), limit - kept.size());
      kept.append(bytes.substr(0, n));
      if (n < bytes.size()) is_truncated = true;
    }
  };

  task<> read(stream& s) {
    if (!s.pipe.is_open()) co_return;
    constexpr std::size_t room = 64 * 1024;  // as much as a pipe holds
    const auto buffer = std::make_unique<char[]>(room);
    while (!is_over_) {
      const auto r = co_await s.pipe.async_read_some(asio::buffer(buffer.get(), room), asio::as_tuple(use_task));
      s.keep({buffer.get(), std::get<1>(r)});
      if (std::get<0>(r) && !is_over_) co_return;  // closed by all who wrote to it
    }
    // Nobody is left who belongs to it. Whoever else has the pipe, a daemon say, is not waited for.
    for (boost::system::error_code ec; !ec;)
      s.keep({buffer.get(), s.pipe.read_some(asio::buffer(buffer.get(), room), ec)});
  }

  task<> wait_for_all() {
    is_left_alone_ = true;
    // A wait may also end for nothing: by an event that was meant for an earlier descriptor of the same number.
    for (boost::system::error_code failed; !failed && !is_asked_to_stop_ && !group_.has_ended();)
      std::tie(failed) = co_await end_.async_wait(end_.wait_read, asio::as_tuple(use_task));
    is_left_alone_ = false;
    if (!group_.has_ended()) group_.signal(SIGTERM);
    const auto patience =
        std::chrono::steady_clock::now() + std::min<duration>(plan_.grace, std::chrono::hours(24 * 365));
    bool is_killed = false;
    std::chrono::milliseconds pause{1};
    while (!group_.has_ended() || !group_.is_gone()) {
      const auto now = std::chrono::steady_clock::now();
      if (!is_killed && now >= patience) {
        group_.signal(SIGKILL);
        is_killed = true;
      }
      if (!group_.has_ended()) {
        timer_.expires_at(is_killed ? asio::steady_timer::time_point::max() : patience);
        co_await race(end_.async_wait(end_.wait_read, use_task), timer_.async_wait(use_task));
      } else {  // only the leader's end can be waited for
        timer_.expires_at(is_killed ? now + pause : std::min(now + pause, patience));
        co_await timer_.async_wait(use_task);
        pause = std::min(2 * pause, std::chrono::milliseconds{50});
      }
    }
    is_over_ = true;
    out_.pipe.cancel();
    if (err_.pipe.is_open()) err_.pipe.cancel();
  }

  plan plan_;
  process_group group_;
  stream out_;
  stream err_;
  asio::posix::stream_descriptor end_;  // readable when the program has ended
  asio::steady_timer timer_;
  detail::one_shot ended_;
  bool is_left_alone_ = false;  // it is waited for, and nobody has been asked to stop yet
  bool is_asked_to_stop_ = false;
  bool is_over_ = false;
};

task<process_result> run_planned(plan p) {
  process running(co_await asio::this_coro::executor, std::move(p));
  co_await gather(running.watch(), shielded(running.see_through()));
  co_return running.take_result();
}

}  // namespace

process_error::process_error(std::string program, std::string_view directory, std::error_code why)
    : error(directory.empty() ? fmt::format("cannot start the program '{}': {}", program, why.message())
                              : fmt::format("cannot start the program '{}' in the directory '{}': {}", program,
                                    directory, why.message())),
      program_(std::move(program)),
      code_(why) {}

task<process_result> run_process(command what, const process_options& options) {
  return run_planned(make_plan(std::move(what).words(), options));
}

}  // namespace aethergraph
