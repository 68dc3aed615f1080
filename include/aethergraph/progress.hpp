// progress: an observer that shows on a terminal how runs get on.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "aethergraph/observer.hpp"

namespace aethergraph {

/// Shows the calls of one or several runs: how many are done, running and waiting, how many end a second, and which has
/// run the longest now. On a terminal one line, rewritten ten times a second at most; else a plain line every five
/// seconds, and one for each run that ends.
///
/// It shows something when something happens; while nothing does, the line stays as it is.
/// Thread safety: any thread; one may serve several runs.
/// Example: `ag::progress shown; ag::run(agent(x), {.observer = &shown});`
class progress final : public observer {
 public:
  /// Writes to a stream, which must outlive it.
  explicit progress(std::FILE* out = stderr);
  progress(std::FILE* out, bool is_terminal);

  void on_event(const event& e) override;

 private:
  using time = std::chrono::steady_clock::time_point;
  struct running_call {
    std::string id;
    time since;
  };

  void note_end(const event& e);
  void show(time now);
  [[nodiscard]] std::string line(time now) const;

  std::FILE* const out_;
  const bool is_terminal_;

  mutable std::mutex mutex_;
  // Under the mutex:
  std::uint64_t waiting_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t not_done_ = 0;  // failed, cancelled, skipped
  std::uint64_t live_runs_ = 0;
  time first_{};
  time last_shown_{};
  std::map<std::pair<std::uint64_t, std::uint64_t>, running_call> running_;  // by root run and number
};

}  // namespace aethergraph
