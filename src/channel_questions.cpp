// Questions, apart from the channels that a run without any brings in: answers are JSON.
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <utility>

#include "aethergraph/channel.hpp"
#include "aethergraph/codec.hpp"
#include "aethergraph/detail/asked_question.hpp"

namespace aethergraph {

namespace json = boost::json;

namespace {
/// Reads by way of a channel's protected member.
struct reader : channel {
  static task<std::string> read(channel& c, const question& q) { return (c.*&reader::read_answer)(q); }
};
}  // namespace

task<std::string> channel::ask_text(std::string prompt, ask_options options) {
  question q;
  q.prompt = std::move(prompt);
  const std::string answer = co_await detail::ask(*this, std::move(q), options, &reader::read);
  co_return json::value_to<std::string>(detail::parse_json(answer));
}

task<bool> channel::ask_approval(std::string prompt, ask_options options) {
  question q;
  q.kind = question_kind::approval;
  q.prompt = std::move(prompt);
  const std::string answer = co_await detail::ask(*this, std::move(q), options, &reader::read);
  co_return json::parse(answer).as_bool();
}

task<std::string> channel::ask_choice(std::string prompt, std::vector<std::string> choices, ask_options options) {
  if (choices.empty()) throw option_error("'" + prompt + "' was asked as a choice of nothing; give it choices");
  question q;
  q.kind = question_kind::choice;
  q.prompt = std::move(prompt);
  q.choices = std::move(choices);
  const std::string answer = co_await detail::ask(*this, std::move(q), options, &reader::read);
  co_return json::value_to<std::string>(detail::parse_json(answer));
}

}  // namespace aethergraph
