#include "aethergraph/channel.hpp"
#include "aethergraph/codec.hpp"

#include <poll.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <cstdio>
#include <utility>

#include "aethergraph/detail/asked_question.hpp"
#include "aethergraph/sleep_for.hpp"

namespace aethergraph {

namespace json = boost::json;

namespace {

class console_channel final : public channel {
 protected:
  // Looks for a line now and then, so that a request to stop is heard meanwhile.
  task<std::string> read_answer(const question&) override {
    std::string line;
    for (;;) {
      pollfd in{STDIN_FILENO, POLLIN, 0};
      if (::poll(&in, 1, 0) == 0) {
        co_await sleep_for(std::chrono::milliseconds(20));
        continue;
      }
      char c = 0;
      const ssize_t n = ::read(STDIN_FILENO, &c, 1);
      if (n <= 0 && line.empty())
        throw error("the console channel was asked for an answer, but standard input has ended");
      if (n <= 0 || c == '\n') co_return line;
      line += c;
    }
  }

 public:
  task<> send_text(std::string text) override {
    text.push_back('\n');
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
      throw error("the console channel could not write to standard output");
    co_return;
  }
};

}  // namespace

channel& console() noexcept {
  static auto& c = *new console_channel;  // never destroyed: runs may still send while other statics go
  return c;
}

task<std::string> channel::read_answer(const question&) {
  throw error("this channel cannot ask: it has nobody who could answer; override read_answer, or give the run a store");
  co_return {};
}

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

callback_channel::callback_channel(
    std::function<void(std::string)> on_text, std::function<std::string(const question&)> on_question)
    : on_text_(std::move(on_text)), on_question_(std::move(on_question)) {
  if (!on_text_) throw option_error("callback_channel: the function is empty; pass one that takes a std::string");
}

task<> callback_channel::send_text(std::string text) {
  on_text_(std::move(text));
  co_return;
}

task<std::string> callback_channel::read_answer(const question& q) {
  if (!on_question_) co_return co_await channel::read_answer(q);
  co_return on_question_(q);
}

task<> memory_channel::send_text(std::string text) {
  const std::lock_guard lock(mutex_);
  texts_.push_back(std::move(text));
  co_return;
}

void memory_channel::answer(std::string typed) {
  const std::lock_guard lock(mutex_);
  answers_.push_back(std::move(typed));
}

task<std::string> memory_channel::read_answer(const question& q) {
  const std::lock_guard lock(mutex_);
  if (answers_.empty()) throw error("memory_channel: nobody has given an answer to '" + q.prompt + "'");
  std::string typed = std::move(answers_.front());
  answers_.pop_front();
  co_return typed;
}

std::vector<std::string> memory_channel::texts() const {
  const std::lock_guard lock(mutex_);
  return texts_;
}

}  // namespace aethergraph
