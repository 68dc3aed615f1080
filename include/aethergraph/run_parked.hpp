// run_parked: the end of a durable run for the time being.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aethergraph/error.hpp"
#include "aethergraph/run_store.hpp"

namespace aethergraph {

/// Thrown by a durable run that has nothing left to do but to wait for answers, events or times. All is recorded, and
/// the process may end; to run the same id again goes on.
class run_parked : public error {
 public:
  run_parked(const std::string& what, std::vector<question> questions,
      std::optional<std::chrono::system_clock::time_point> due)
      : error(what), questions_(std::make_shared<const std::vector<question>>(std::move(questions))), due_(due) {}

  /// What it waits for.
  [[nodiscard]] const std::vector<question>& questions() const noexcept { return *questions_; }
  /// When it could go on without an answer: the earliest end of a sleep or deadline of a question.
  [[nodiscard]] std::optional<std::chrono::system_clock::time_point> due() const noexcept { return due_; }

 private:
  std::shared_ptr<const std::vector<question>> questions_;  // shared: copying an exception must not throw
  std::optional<std::chrono::system_clock::time_point> due_;
};

}  // namespace aethergraph
