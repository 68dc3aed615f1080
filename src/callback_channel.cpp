#include <utility>

#include "aethergraph/channel.hpp"

namespace aethergraph {

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

}  // namespace aethergraph
