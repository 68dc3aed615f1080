// logger: where the lines go that bodies log.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aethergraph/fwd.hpp"

namespace aethergraph {

enum class log_level : std::uint8_t { debug, info, warning, error, off };

/// The enumerator's name.
[[nodiscard]] std::string_view to_string(log_level l) noexcept;

/// One line, as a logger gets it. It refers to its texts: copy what is to be kept.
struct log_line {
  log_level level = log_level::info;
  std::chrono::system_clock::time_point time;
  std::string_view run;   ///< the identity of the run, such as "batch_agent#17"
  std::string_view node;  ///< the identity of the node in it, such as "fetch#3"; empty in the body of an agent
  std::string_view text;
};

/// Where `ctx.logger()` writes: derive from it to lead lines into a logging library. Given to a run as
/// `run_options::logger`, or to a `runtime` for all its runs; else standard error.
///
/// Thread safety: one logger serves runs on different threads at once; `write` sees to it. The level may be changed at
/// any time. It must outlive the runs.
class logger {
 public:
  explicit logger(log_level least = log_level::info) noexcept : least_(least) {}
  logger(const logger&) = delete;
  logger& operator=(const logger&) = delete;
  virtual ~logger() = default;

  /// Writes one line. Must not block for long. Errors: what it throws reaches the body that logs.
  virtual void write(const log_line& line) = 0;

  /// Lines below this level are dropped before they are formatted.
  void set_level(log_level least) noexcept { least_.store(least, std::memory_order_relaxed); }
  [[nodiscard]] log_level level() const noexcept { return least_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_enabled(log_level l) const noexcept { return l >= level() && l != log_level::off; }

 private:
  std::atomic<log_level> least_;  // relaxed: a level that comes a line late does no harm
};

/// The default logger: a line a call of `write` on standard error, from `info` on:
/// `2026-11-24T17:03:12.345Z warning batch_agent#17 fetch#3: no answer`.
/// Thread safety: any thread; lines are never mixed.
[[nodiscard]] logger& stderr_logger() noexcept;

/// Keeps every line from `debug` on, for tests.
/// Thread safety: any thread.
class memory_logger final : public logger {
 public:
  memory_logger() noexcept : logger(log_level::debug) {}
  void write(const log_line& line) override;
  /// All lines so far, oldest first: "warning batch_agent#17 fetch#3: no answer".
  [[nodiscard]] std::vector<std::string> lines() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// What `ctx.logger()` gives: logs with the names of the run and the node that it was taken from.
///
/// Arguments are formatted with fmt, checked at compile time, and only if the level is enabled.
/// Thread safety: on the strand of the run.
/// Example: `ctx.logger().warning("no answer from {} after {}", host, elapsed);`
class node_logger {
 public:
  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    log(log_level::debug, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    log(log_level::info, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) const {
    log(log_level::warning, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    log(log_level::error, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void log(log_level level, fmt::format_string<Args...> format, Args&&... args) const {
    if (logger_.is_enabled(level)) write(level, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  friend context;
  node_logger(logger& l, const context& c) noexcept : logger_(l), context_(c) {}
  void write(log_level level, const std::string& text) const;

  logger& logger_;
  const context& context_;
};

}  // namespace aethergraph
