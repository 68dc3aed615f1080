#include <utility>

#include "aethergraph/channel.hpp"

namespace aethergraph {

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
