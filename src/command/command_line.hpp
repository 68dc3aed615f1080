// command_line: what somebody has typed after `aethergraph`.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "aethergraph/error.hpp"
#include "aethergraph/run_store.hpp"

namespace aethergraph::command {

/// What was typed is no command; the message says what would be valid.
class usage_error : public error {
 public:
  using error::error;
};

struct command_line {
  std::string name;  // of the command; "help"
  std::vector<std::string> operands;
  std::string store = "runs.db";
  bool wants_json = false;
  std::string format;  // "dot", "mermaid", "svg" or "gantt"; empty: as the command likes
  std::string trace;   // a file
  bool follows = false;
  bool accepts_changes = false;
  bool wants_failed = false;
  std::chrono::seconds older_than = std::chrono::days{30};
  std::vector<run_status> statuses;
};

/// Errors: `usage_error`.
[[nodiscard]] command_line parse(const std::vector<std::string>& arguments);

extern const std::string_view help;

}  // namespace aethergraph::command
