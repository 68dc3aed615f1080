// What one run consists of, whatever it runs and wherever.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aethergraph/detail/scheduler.hpp"
#include "aethergraph/error.hpp"
#include "aethergraph/options.hpp"

namespace aethergraph::detail {

/// A run: a scope with slots, a name and an identity. Used on its loop's strand only.
class run_state : public scope {
 public:
  /// `name` must outlive the run; `default_cap` is the agent's own.
  run_state(std::string_view name, std::optional<int> default_cap, const run_options& o) noexcept
      : scope(*this), name_(name), default_cap_(default_cap), options_(o) {}
  run_state(const run_state&) = delete;
  run_state& operator=(const run_state&) = delete;

  /// Makes the run ready to start its body, as a root of its own or nested. Errors: `option_error`.
  void begin(loop& l);
  void begin(const environment& outer);
  /// The body has ended: closes the scope. What an escaping `cancelled` stands for takes its place.
  void end(std::exception_ptr& failure) noexcept;

  /// Takes a note of a call that failed. Never throws; the first `kept_failures` are kept.
  void note_failure(const call_state& c, const tool_info& tool, const std::exception_ptr& cause) noexcept;

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] std::string identity() const;
  [[nodiscard]] aethergraph::channel& channel() const noexcept { return *channel_; }
  [[nodiscard]] std::vector<node_failure>& failures() noexcept { return failures_; }
  [[nodiscard]] std::uint64_t next_call_number() noexcept { return ++calls_; }

  scheduler slots;

  static constexpr std::size_t kept_failures = 1000;

 private:
  struct deadline_timer : timer {
    run_state* run = nullptr;
    bool has_passed = false;
  };

  void begin_here(loop& l, const run_state* outer);

  std::string_view name_;
  std::optional<int> default_cap_;
  run_options options_;
  aethergraph::channel* channel_ = nullptr;
  std::uint64_t id_ = 0;
  std::uint64_t calls_ = 0;
  deadline_timer deadline_;
  std::vector<node_failure> failures_;
};

/// A duration as errors show it: in milliseconds where that is exact.
[[nodiscard]] std::string to_text(duration d);

/// The run that this thread's current call belongs to asked for a nested blocking run: refuses it.
void refuse_blocking_run();

}  // namespace aethergraph::detail
