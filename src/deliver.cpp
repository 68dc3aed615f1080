#include "aethergraph/deliver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "aethergraph/detail/asked_question.hpp"
#include "aethergraph/wait_event.hpp"

namespace aethergraph::detail {

void deliver_json(run_store& store, std::string_view token, const std::string& json) {
  const std::string_view id = token.substr(0, token.rfind('@'));
  const auto check = [&](const std::vector<question>& all) {
    const auto asked = std::ranges::find(all, token, &question::token);
    if (asked == all.end()) return false;
    check_answer(*asked, json);
    return true;
  };
  if (!store.find(id) || !check(store.questions(id))) static_cast<void>(check(store.questions()));
  store.answer(token, json);
}

std::string token_of_event(run_store& store, std::string_view run_id, std::string_view event) {
  for (const question& q : store.questions(run_id))
    if (q.kind == question_kind::event && q.prompt == event && !q.answer) return q.token;
  throw store_error(fmt::format("run '{}' does not wait for the event '{}'", run_id, event));
}

namespace {
task<std::string> read_event(channel&, const question& q) {
  throw error(fmt::format(
      "wait_event('{}'): only a run with a store can be told of events; give it one, or use a queue", q.prompt));
  co_return {};
}
}  // namespace

task<std::string> wait_for_event(context& ctx, std::string name, ask_options o) {
  question q;
  q.kind = question_kind::event;
  q.prompt = std::move(name);
  co_return co_await ask(ctx.channel(), std::move(q), o, &read_event);
}

}  // namespace aethergraph::detail
