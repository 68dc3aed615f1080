// recorded_grant, recorded_timer: what in a durable run comes from outside, as its journal sees it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "aethergraph/detail/scope.hpp"

namespace aethergraph::detail {

/// A place in a durable run that waits for a semaphore or a queue. Whom steps of the same run let through needs no
/// fact, since they do the same each time; who is let through by others is let through at the same moment when that is
/// replayed.
class recorded_grant {
 public:
  recorded_grant(const recorded_grant&) = delete;
  recorded_grant& operator=(const recorded_grant&) = delete;
  virtual ~recorded_grant() = default;

  /// Whether it waits for its turn before it tries to get through at all.
  [[nodiscard]] virtual bool is_replayed() const noexcept = 0;
  /// Others have let it through: `on_turn` will be called.
  virtual void came_from_outside() noexcept = 0;
  /// It was asked to stop while it waits. False: it has been let through, and will hear of it.
  [[nodiscard]] virtual bool give_up() noexcept = 0;

 protected:
  recorded_grant() = default;
};

/// A time in a durable run.
class recorded_timer {
 public:
  recorded_timer(const recorded_timer&) = delete;
  recorded_timer& operator=(const recorded_timer&) = delete;
  virtual ~recorded_timer() = default;

  /// The time runs from here on, unless a former execution has begun it.
  virtual void start() noexcept = 0;
  /// When it will have come, started or not; nothing: what was recorded comes first.
  [[nodiscard]] virtual std::optional<std::chrono::system_clock::time_point> due() const noexcept = 0;
  /// It was asked to stop while it waits. False: the time has come, and it will hear of it.
  [[nodiscard]] virtual bool give_up() noexcept = 0;

 protected:
  recorded_timer() = default;
};

/// How long, or until when; a time that may outlast the process lets the run be parked.
struct timer_wish {
  duration from_now{};
  bool may_outlast = false;
  bool starts_later = false;  ///< with `start`
};

}  // namespace aethergraph::detail
