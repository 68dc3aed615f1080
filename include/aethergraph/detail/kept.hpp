// What a recorded call keeps of its arguments, and how that becomes the arguments of a body when a run gets there.
//
// Each kind has
//   type                       what it becomes
//   is_literal                 whether it is a value already
//   void visit(fn) const       calls fn(value_ref) for each value that it reads
//   kept translated(t) const   the same in another graph
//   type take(Values&) const   the value, moved out of its place where nobody else will read it
// `Values` is a graph_executor.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "aethergraph/detail/apply.hpp"
#include "aethergraph/detail/trace.hpp"

namespace aethergraph::detail {

/// Values of this type are but bytes: copied wherever they are read, and never destroyed.
template <class T>
inline constexpr bool is_bytes =
    std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> && is_copyable<T>;

template <class T>
struct kept_literal {
  using type = T;
  static constexpr bool is_literal = true;
  T value;

  template <class Fn>
  void visit(Fn&&) const {}
  kept_literal translated(const translation&) const { return *this; }
  template <class Values>
  T take(Values&) const {
    return value;
  }
};

template <class T>
struct kept_value {
  using type = T;
  static constexpr bool is_literal = false;
  value_ref ref;

  template <class Fn>
  void visit(Fn&& fn) const {
    fn(ref);
  }
  kept_value translated(const translation& t) const { return {t(ref)}; }
  template <class Values>
  T take(Values& v) const {
    T& value = *static_cast<T*>(v.address(ref));
    if constexpr (is_bytes<T>) return value;
    else if constexpr (!is_copyable<T>) return std::move(value);
    else return v.is_last_read(ref) ? T(std::move(value)) : T(std::as_const(value));
  }
};
template <>
struct kept_value<std::monostate> {
  using type = std::monostate;
  static constexpr bool is_literal = false;
  value_ref ref;

  template <class Fn>
  void visit(Fn&& fn) const {
    fn(ref);
  }
  kept_value translated(const translation& t) const { return {t(ref)}; }
  template <class Values>
  std::monostate take(Values&) const {
    return {};
  }
};

/// A vector, array or map of such.
template <class Container, class Element>
struct kept_sequence {
  using type = Container;
  static constexpr bool is_literal = false;
  std::vector<Element> all;

  template <class Fn>
  void visit(Fn&& fn) const {
    for (const Element& e : all) e.visit(fn);
  }
  kept_sequence translated(const translation& t) const {
    kept_sequence s;
    s.all.reserve(all.size());
    for (const Element& e : all) s.all.push_back(e.translated(t));
    return s;
  }
  template <class Fn>
  void for_each(Fn&& fn) const {
    for (const Element& e : all) fn(e);
  }
  template <class Values>
  Container take(Values& v) const {
    Container c;
    if constexpr (requires { c.reserve(all.size()); }) c.reserve(all.size());
    for (const Element& e : all) c.insert(c.end(), e.take(v));
    return c;
  }
};

template <class T, class Element, std::size_t N>
struct kept_array {
  using type = std::array<T, N>;
  static constexpr bool is_literal = false;
  std::array<Element, N> all;

  template <class Fn>
  void visit(Fn&& fn) const {
    for (const Element& e : all) e.visit(fn);
  }
  kept_array translated(const translation& t) const {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return kept_array{{all[I].translated(t)...}}; }(
               std::make_index_sequence<N>{});
  }
  template <class Values>
  type take(Values& v) const {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return type{all[I].take(v)...}; }(
               std::make_index_sequence<N>{});
  }
};

template <class T, class Element>
struct kept_optional {
  using type = std::optional<T>;
  static constexpr bool is_literal = false;
  std::optional<Element> one;

  template <class Fn>
  void visit(Fn&& fn) const {
    if (one) one->visit(fn);
  }
  kept_optional translated(const translation& t) const {
    return one ? kept_optional{one->translated(t)} : kept_optional{};
  }
  template <class Values>
  type take(Values& v) const {
    return one ? type(one->take(v)) : type();
  }
};

/// A tuple, pair or aggregate of such.
template <class T, class... Element>
struct kept_parts {
  using type = T;
  static constexpr bool is_literal = false;
  std::tuple<Element...> all;

  template <class Fn>
  void visit(Fn&& fn) const {
    detail::apply_to(all, [&](const Element&... e) { (e.visit(fn), ...); });
  }
  kept_parts translated(const translation& t) const {
    return detail::apply_to(all, [&](const Element&... e) { return kept_parts{{e.translated(t)...}}; });
  }
  template <class Fn>
  void for_each(Fn&& fn) const {
    detail::apply_to(all, [&](const Element&... e) { (fn(e), ...); });
  }
  template <class Values>
  T take(Values& v) const {
    return detail::apply_to(all, [&](const Element&... e) { return T{e.take(v)...}; });
  }
};

// --- from what was given
template <class X>
struct keeper {
  static auto keep(const X& x) { return kept_literal<X>{x}; }
};
template <class X>
auto keep(const X& x) {
  return keeper<X>::keep(x);
}
template <class X>
using kept_t = decltype(keep(std::declval<const X&>()));

template <traced X>
struct keeper<X> {
  static kept_value<untraced_part<X>> keep(const X& x) { return {traced_ref(x)}; }
};
template <class X, class A>
  requires mentions_node<X>
struct keeper<std::vector<X, A>> {
  static auto keep(const std::vector<X, A>& x) {
    kept_sequence<std::vector<untraced_part<X>>, kept_t<X>> s;
    s.all.reserve(x.size());
    for (const X& e : x) s.all.push_back(detail::keep(e));
    return s;
  }
};
template <class X, std::size_t N>
  requires mentions_node<X>
struct keeper<std::array<X, N>> {
  static auto keep(const std::array<X, N>& x) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return kept_array<untraced_part<X>, kept_t<X>, N>{{detail::keep(x[I])...}};
    }(std::make_index_sequence<N>{});
  }
};
template <class X>
  requires mentions_node<X>
struct keeper<std::optional<X>> {
  static auto keep(const std::optional<X>& x) {
    using kept = kept_optional<untraced_part<X>, kept_t<X>>;
    return x ? kept{detail::keep(*x)} : kept{};
  }
};
template <class K, class X, class C, class A>
  requires mentions_node<X>
struct keeper<std::map<K, X, C, A>> {
  using pair = kept_parts<std::pair<const K, untraced_part<X>>, kept_literal<K>, kept_t<X>>;
  static auto keep(const std::map<K, X, C, A>& x) {
    kept_sequence<std::map<K, untraced_part<X>, C>, pair> s;
    for (const auto& [key, e] : x) s.all.push_back(pair{{kept_literal<K>{key}, detail::keep(e)}});
    return s;
  }
};
template <class... X>
  requires(mentions_node<X> || ...)
struct keeper<std::tuple<X...>> {
  static auto keep(const std::tuple<X...>& x) {
    return detail::apply_to(x,
        [](const X&... e) { return kept_parts<std::tuple<untraced_part<X>...>, kept_t<X>...>{{detail::keep(e)...}}; });
  }
};
template <class X, class Y>
  requires(mentions_node<X> || mentions_node<Y>)
struct keeper<std::pair<X, Y>> {
  static auto keep(const std::pair<X, Y>& x) {
    return kept_parts<std::pair<untraced_part<X>, untraced_part<Y>>, kept_t<X>, kept_t<Y>>{
        {detail::keep(x.first), detail::keep(x.second)}};
  }
};

/// A T from what is kept for it.
template <class T, class Kept, class Values>
T take_as(const Kept& k, Values& v) {
  using U = typename Kept::type;
  if constexpr (std::is_convertible_v<U, T>) {
    return k.take(v);
  } else {  // an array for a vector
    U elements = k.take(v);
    return T(std::make_move_iterator(elements.begin()), std::make_move_iterator(elements.end()));
  }
}

}  // namespace aethergraph::detail
