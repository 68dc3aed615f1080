#include "aethergraph/channel.hpp"

#include <cstdio>

namespace aethergraph {

namespace {

class console_channel final : public channel {
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

callback_channel::callback_channel(std::function<void(std::string)> on_text) : on_text_(std::move(on_text)) {
  if (!on_text_) throw option_error("callback_channel: the function is empty; pass one that takes a std::string");
}

task<> callback_channel::send_text(std::string text) {
  on_text_(std::move(text));
  co_return;
}

task<> memory_channel::send_text(std::string text) {
  const std::lock_guard lock(mutex_);
  texts_.push_back(std::move(text));
  co_return;
}

std::vector<std::string> memory_channel::texts() const {
  const std::lock_guard lock(mutex_);
  return texts_;
}

}  // namespace aethergraph
