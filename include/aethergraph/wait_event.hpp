// wait_event: something that somebody outside tells a run.
#pragma once

#include <string>
#include <utility>

#include "aethergraph/codec.hpp"
#include "aethergraph/context.hpp"
#include "aethergraph/question.hpp"
#include "aethergraph/task.hpp"

namespace aethergraph {

namespace detail {
[[nodiscard]] task<std::string> wait_for_event(context& ctx, std::string name, ask_options o);
}  // namespace detail

/// Awaited in a task, waits until somebody delivers the event with this name to the run: a value of type T, which needs
/// an `ag::codec`. A question that nobody is shown: see `channel::ask_text`, also for errors, cancellation and slot.
/// Errors: also what the codec throws for an event that carries something else.
template <class T = std::string>
task<T> wait_event(context& ctx, std::string name, ask_options options = {}) {
  const std::string json = co_await detail::wait_for_event(ctx, std::move(name), options);
  co_return codec<T>::decode(detail::parse_json(json));
}

}  // namespace aethergraph
