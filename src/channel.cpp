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

}  // namespace aethergraph
