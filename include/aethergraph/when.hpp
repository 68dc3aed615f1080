// when, any_of, all_of, value_or: branches of a graph, and how they come together.
#pragma once

#include <concepts>
#include <tuple>
#include <utility>
#include <vector>

#include "aethergraph/node.hpp"

namespace aethergraph {

namespace detail {

template <class T, class... X>
node<T> add_choice(trace& t, const X&... branches) {
  using all = kept_sequence<std::vector<regular<T>>, kept_value<regular<T>>>;
  all a;
  (a.all.push_back(kept_value<regular<T>>{as_value<regular<T>>(t, branches)}), ...);
  return node<T>(t.value(t.add(nullptr, choice_record<regular<T>, all>{std::move(a)})));
}

template <class Condition>
constexpr void check_condition() {
  static_assert(std::same_as<typename Condition::value_type, bool>,
      "aethergraph: the condition of ag::when must be a node of bool");
}

inline trace& current_trace_for(std::string_view what) {
  trace* const t = trace::current();
  if (!t) refuse_outside_of_tracing(what);
  return *t;
}

}  // namespace detail

/// Lets a call, or a sub-graph, start only if the condition turns out true: else it is skipped, and so is what reads
/// it.
///
/// Parameters: `condition` a node of bool; `branch` what is conditional: that call itself, or all calls of the
/// sub-graph. Calls that its arguments come from are not.
/// Returns: the value of the branch. Several conditions of one branch must all be true.
/// Example: `auto report = ag::value_or(ag::when(is_large(x), summary(x)), std::string("small"));`
template <detail::traced Condition, detail::traced Branch>
auto when(const Condition& condition, const Branch& branch) {
  using T = typename Branch::value_type;
  detail::check_condition<Condition>();
  detail::trace& t = detail::current_trace_for("ag::when");
  const detail::value_ref c = detail::traced_ref(condition);
  detail::value_ref b = detail::traced_ref(branch);
  // An input, or a part of something, is no call: a value made of it can be skipped.
  using kept = detail::kept_value<detail::regular<T>>;
  if (!t.can_be_guarded(b)) b = t.add(nullptr, detail::make_record<detail::regular<T>, kept>{kept{b}});
  t.guard(b, c);
  return node<T>(t.value(b));
}

/// The value of the first branch, in the order of the arguments, that was not skipped, once it is known which were.
///
/// It is skipped itself only if all of them are. A branch that failed is no skipped one: then this fails to start, too.
template <detail::traced First, detail::traced... Rest>
auto any_of(const First& first, const Rest&... rest) {
  using T = typename First::value_type;
  constexpr bool has_one_type = (detail::fits_parameter<Rest, T> && ...);
  static_assert(has_one_type, "aethergraph: the branches of ag::any_of must convert to the type of the first");
  if constexpr (has_one_type) return detail::add_choice<T>(detail::current_trace_for("ag::any_of"), first, rest...);
  else return node<T>();
}
/// The same of any number of branches.
template <detail::traced Branch>
auto any_of(const std::vector<Branch>& branches) {
  using T = typename Branch::value_type;
  using all = detail::kept_sequence<std::vector<detail::regular<T>>, detail::kept_value<detail::regular<T>>>;
  detail::trace& t = detail::current_trace_for("ag::any_of");
  all a;
  for (const Branch& b : branches) a.all.push_back({detail::traced_ref(b)});
  return node<T>(t.value(t.add(nullptr, detail::choice_record<detail::regular<T>, all>{std::move(a)})));
}

/// All of them as a tuple; skipped as soon as one of them is.
template <detail::traced First, detail::traced... Rest>
auto all_of(const First& first, const Rest&... rest) {
  using whole = std::tuple<detail::untraced_part<First>, detail::untraced_part<Rest>...>;
  return make<whole>(first, rest...);
}
/// The same of any number of branches, as a vector.
template <detail::traced Branch>
auto all_of(const std::vector<Branch>& branches) {
  using whole = std::vector<detail::untraced_part<Branch>>;
  detail::trace& t = detail::current_trace_for("ag::all_of");
  return node<whole>(t.value(detail::as_value<whole>(t, branches)));
}

/// The value of a branch, or, if it was skipped, another one: a literal or a node.
template <detail::traced Branch, class Fallback>
auto value_or(const Branch& branch, const Fallback& fallback) {
  using T = typename Branch::value_type;
  constexpr bool is_convertible = detail::fits_parameter<Fallback, T>;
  static_assert(is_convertible, "aethergraph: the fallback of ag::value_or does not convert to the type of the branch");
  if constexpr (is_convertible)
    return detail::add_choice<T>(detail::current_trace_for("ag::value_or"), branch, fallback);
  else return node<T>();
}

}  // namespace aethergraph
