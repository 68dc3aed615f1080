// question: what a run asks of somebody outside of it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "aethergraph/fwd.hpp"

namespace aethergraph {

/// What an answer must be.
enum class question_kind : unsigned char {
  text,      ///< any text
  approval,  ///< yes or no
  choice,    ///< one of `choices`
  event      ///< whatever the event carries
};
/// "text", "approval", "choice" or "event".
[[nodiscard]] std::string_view to_string(question_kind k) noexcept;

/// Something that somebody outside the run is asked for.
struct question {
  std::string token;   ///< names it among all of a store; empty in a run without one
  std::string run_id;  ///< likewise
  std::string path;    ///< where in the program, likewise
  question_kind kind = question_kind::text;
  std::string prompt;  ///< or the name of the event
  std::vector<std::string> choices;
  std::optional<std::chrono::system_clock::time_point> deadline{};
  std::optional<std::string> answer{};  ///< JSON
};

/// How a question is asked.
struct ask_options {
  /// How long it waits, across processes in a durable run; then it throws `timed_out`. Unset: for ever.
  std::optional<duration> deadline = {};
};
static_assert(std::is_trivially_destructible_v<ask_options>);

/// What a person has typed, as the JSON that answers the question: a text as it is; "yes", "no", "y", "n", "true" or
/// "false" for an approval; a choice by its name; of an event JSON, or else a text.
/// Errors: `option_error`, which says what would be valid.
[[nodiscard]] std::string parse_answer(const question& q, std::string_view typed);
/// Refuses JSON that is no answer to the question. Errors: `option_error`, likewise.
void check_answer(const question& q, std::string_view json);

}  // namespace aethergraph
