#include "aethergraph/question.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "aethergraph/detail/joined.hpp"
#include "aethergraph/detail/utf8.hpp"
#include "aethergraph/error.hpp"

namespace aethergraph {

namespace json = boost::json;

std::string_view to_string(question_kind k) noexcept {
  switch (k) {
    case question_kind::text:
      return "text";
    case question_kind::approval:
      return "approval";
    case question_kind::choice:
      return "choice";
    case question_kind::event:
      return "event";
  }
  return "unknown";
}

namespace {

std::string valid_answers(const question& q) {
  switch (q.kind) {
    case question_kind::text:
      return "a text";
    case question_kind::approval:
      return "yes or no";
    case question_kind::choice:
      return "one of: " + detail::joined(q.choices, ", ");
    case question_kind::event:
      break;
  }
  return "JSON";
}
[[noreturn]] void refuse(const question& q, std::string_view given) {
  throw option_error(fmt::format("'{}' is no answer to '{}'; it must be {}", given, q.prompt, valid_answers(q)));
}
bool is_choice(const question& q, std::string_view name) {
  return std::find(q.choices.begin(), q.choices.end(), name) != q.choices.end();
}
std::string text(std::string_view s) { return json::serialize(json::value(detail::valid_utf8(s))); }

}  // namespace

std::string parse_answer(const question& q, std::string_view typed) {
  boost::system::error_code failure;
  switch (q.kind) {
    case question_kind::approval:
      if (typed == "yes" || typed == "y" || typed == "true") return "true";
      if (typed == "no" || typed == "n" || typed == "false") return "false";
      refuse(q, typed);
    case question_kind::choice:
      if (!is_choice(q, typed)) refuse(q, typed);
      return text(typed);
    case question_kind::event:
      static_cast<void>(json::parse(json::string_view(typed), failure));
      if (!failure) return std::string(typed);
      if (!typed.empty() && std::string_view("{[\"").find(typed.front()) != std::string_view::npos)
        throw option_error(fmt::format("'{}' begins as JSON does, and is none ({})", typed, failure.message()));
      return text(typed);
    case question_kind::text:
      break;
  }
  return text(typed);
}

void check_answer(const question& q, std::string_view given) {
  boost::system::error_code failure;
  const json::value v = json::parse(json::string_view(given), failure);
  const bool is_valid =
      !failure && (q.kind == question_kind::event || (q.kind == question_kind::approval && v.is_bool()) ||
                      (q.kind == question_kind::text && v.is_string()) ||
                      (q.kind == question_kind::choice && v.is_string() && is_choice(q, v.get_string())));
  if (!is_valid) refuse(q, given);
}

}  // namespace aethergraph
