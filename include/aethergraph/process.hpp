// run_process: other programs, with what they write. An optional part: link `aethergraph::process`.
#pragma once

#include <boost/describe/class.hpp>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "aethergraph/error.hpp"
#include "aethergraph/fwd.hpp"
#include "aethergraph/task.hpp"

namespace aethergraph {

/// A program could not be started. The message names it, and why.
class process_error : public error {
 public:
  process_error(std::string program, std::string_view directory, std::error_code why);

  [[nodiscard]] const std::string& program() const noexcept { return program_; }
  [[nodiscard]] const std::error_code& code() const noexcept { return code_; }

 private:
  std::string program_;
  std::error_code code_;
};

/// A program and its arguments, word by word: no shell reads them.
///
/// Example: `co_await ag::run_process({"git", "log", "-1"})`
class command {
 public:
  template <class... Words>
    requires(sizeof...(Words) > 0 && (std::convertible_to<Words, std::string> && ...))
  command(Words&&... words) {
    words_.reserve(sizeof...(Words));
    (words_.emplace_back(std::forward<Words>(words)), ...);
  }
  command(std::vector<std::string> words) noexcept : words_(std::move(words)) {}

  [[nodiscard]] const std::vector<std::string>& words() const& noexcept { return words_; }
  [[nodiscard]] std::vector<std::string> words() && noexcept { return std::move(words_); }

 private:
  std::vector<std::string> words_;
};

/// How a program is run. What the views show is copied when `run_process` is called.
struct process_options {
  /// What the program can read from its standard input.
  std::string_view input = {};
  /// Where it runs; the directory of this process if empty. A program named with a slash is looked up from there.
  std::string_view directory = {};
  /// "NAME=value", each added to the environment of this process, or put in the place of what it has by that name.
  std::span<const std::string> environment = {};
  /// So many bytes of its standard output, and of its standard error, are kept, from the start. The rest is read and
  /// dropped, so that the program does not wait.
  std::size_t out_limit = std::size_t{1} << 20;
  std::size_t err_limit = std::size_t{1} << 20;
  /// Standard error goes where standard output goes, in the order in which it is written.
  bool merge_err = false;
  /// What is asked to stop (SIGTERM) may take so long before it is killed (SIGKILL).
  duration grace = std::chrono::seconds(2);
};
static_assert(std::is_trivially_destructible_v<process_options>);

/// How a program ended, and what it wrote.
struct process_result {
  int exit_code = 0;           ///< -1 if a signal ended it
  int signal = 0;              ///< the signal that ended it, or 0
  std::string out;             ///< of its standard output, the first `out_limit` bytes
  std::string err;             ///< of its standard error, the first `err_limit` bytes
  bool out_truncated = false;  ///< it wrote more
  bool err_truncated = false;

  /// Whether it ended by itself, with 0.
  [[nodiscard]] bool ok() const noexcept { return exit_code == 0 && signal == 0; }
};
BOOST_DESCRIBE_STRUCT(process_result, (), (exit_code, signal, out, err, out_truncated, err_truncated))

/// Awaited in a task, runs a program in a process group of its own, and gives how it ended and what it wrote. A program
/// that fails is a result, not an error.
///
/// It is over when the program has ended and nobody is left of its process group: what it leaves running is asked to
/// stop, then killed. (What has moved to a group of its own, as daemons do, is not followed.)
/// Parameters: a program, which is looked up in `PATH` unless it is named with a slash, and its arguments.
/// Errors: `process_error` if it cannot be started; `option_error` at the call for words or options that cannot work.
/// Cancellation: asks all of the group to stop, kills what has not after `grace`, waits for the end and throws
/// `cancelled`. Whoever tears the run down instead kills the group at once.
/// Thread safety: as any task; any number of them may run. Slot: none of its own.
task<process_result> run_process(command what, const process_options& options = {});

}  // namespace aethergraph
