#include "aethergraph/channel.hpp"

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "aethergraph/sleep_for.hpp"

namespace aethergraph {

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
