// apply_to(tuple, fn): as std::apply.
#pragma once

#include <cstddef>
#include <tuple>
#include <utility>

namespace aethergraph::detail {

template <class Tuple, class Fn, std::size_t... I>
constexpr decltype(auto) apply_to(Tuple& t, Fn& fn, std::index_sequence<I...>) {
  return fn(std::get<I>(t)...);
}

/// In two functions where std::apply takes four, for each callable: every tool has several. To be called as
/// `detail::apply_to`, since elements may bring an `apply_to` of their own.
template <class... T, class Fn>
constexpr decltype(auto) apply_to(std::tuple<T...>& t, Fn&& fn) {
  return detail::apply_to(t, fn, std::index_sequence_for<T...>{});
}
template <class... T, class Fn>
constexpr decltype(auto) apply_to(const std::tuple<T...>& t, Fn&& fn) {
  return detail::apply_to(t, fn, std::index_sequence_for<T...>{});
}

}  // namespace aethergraph::detail
