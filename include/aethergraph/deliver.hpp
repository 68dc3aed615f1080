// deliver: the answer to a question of a durable run, from anywhere.
#pragma once

#include <string>
#include <string_view>

#include "aethergraph/codec.hpp"
#include "aethergraph/run_store.hpp"

namespace aethergraph {

namespace detail {
void deliver_json(run_store& store, std::string_view token, const std::string& json);
/// The token of the open event with this name.
[[nodiscard]] std::string token_of_event(run_store& store, std::string_view run_id, std::string_view event);
}  // namespace detail

/// Answers the question with this token: with a text or the name of a choice, a bool for an approval, or what an event
/// carries. The first answer counts. A run that is being executed, in any process, goes on; a parked one does when its
/// id is run again.
///
/// Errors: `store_error` where there is no such open question, or its deadline has passed; `option_error` for what is
/// no answer to it, saying what would be. Thread safety: any thread.
template <class T>
void deliver(run_store& store, std::string_view token, const T& value) {
  detail::deliver_json(store, token, detail::serialize_json(codec<T>::encode(value)));
}
inline void deliver(run_store& store, std::string_view token, const char* text) {
  deliver(store, token, std::string(text));
}
inline void deliver(run_store& store, std::string_view token, std::string_view text) {
  deliver(store, token, std::string(text));
}

/// Tells a run of an event that it waits for. Errors: as of `deliver`.
template <class T>
void deliver_event(run_store& store, std::string_view run_id, std::string_view event, const T& value) {
  deliver(store, detail::token_of_event(store, run_id, event), value);
}

}  // namespace aethergraph
