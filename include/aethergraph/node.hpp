// node<T>: a value to come, in a graph that is being traced.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/records.hpp"

namespace aethergraph {

namespace detail {
// How a part of a value is found: one function for a part, whatever stands for the whole.
template <class Whole, class S, class M>
void* select_member(void* value, const member_bits& bits) {
  return &(static_cast<Whole*>(value)->*std::bit_cast<M S::*>(bits));
}
template <class Whole, std::size_t I>
void* select_element(void* value, const member_bits&) {
  return &std::get<I>(*static_cast<Whole*>(value));
}
template <class T>
inline constexpr bool is_pair = false;
template <class X, class Y>
inline constexpr bool is_pair<std::pair<X, Y>> = true;
}  // namespace detail

/// What can be said of a node, and of a call or an invocation that was recorded as one. All of it while the graph is
/// traced that it belongs to.
///
/// Errors: `build_error` outside of that, for a name that is empty, and for inputs of the graph, which are no calls.
template <class Derived>
class traced_operations : public detail::traced_base {
 public:
  /// It does not start before these have ended: nodes, or containers of nodes.
  template <detail::mentions_node... X>
  Derived& after(const X&... before) & {
    detail::trace& t = owner("ordered");
    const auto order = [&](detail::value_ref r) { t.order(ref(), t.value(r)); };
    (detail::keep(before).visit(order), ...);
    return self();
  }
  template <detail::mentions_node... X>
  Derived&& after(const X&... before) && {
    return std::move(this->after(before...));
  }
  /// Its identity within the graph, instead of one such as "fetch#3". No other node may have it.
  Derived& id(std::string_view name) & {
    owner("named").set_id(ref(), name);
    return self();
  }
  Derived&& id(std::string_view name) && { return std::move(this->id(name)); }
  /// A further name, for `select("@name")`. No other node may have it.
  Derived& alias(std::string_view name) & {
    owner("named").set_alias(ref(), name);
    return self();
  }
  Derived&& alias(std::string_view name) && { return std::move(this->alias(name)); }
  /// A name that several nodes may share, for `select("#name")`, instead of the tool's label.
  Derived& label(std::string_view name) & {
    owner("named").set_label(ref(), name);
    return self();
  }
  Derived&& label(std::string_view name) && { return std::move(this->label(name)); }
  /// Options in place of the tool's.
  Derived& with(const tool_options& options) & {
    static_cast<void>(tool_with(nullptr, options));
    return self();
  }
  Derived&& with(const tool_options& options) && { return std::move(this->with(options)); }

  /// One member of its value.
  template <class S, class M>
    requires std::is_base_of_v<S, std::remove_cvref_t<typename Derived::value_type>>
  node<M> operator[](M S::* member) const {
    using whole = std::remove_cvref_t<typename Derived::value_type>;
    static_assert(sizeof(member) == sizeof(detail::member_bits));
    return node<M>(part<M>(&detail::select_member<whole, S, M>, std::bit_cast<detail::member_bits>(member)));
  }

 protected:
  using traced_base::traced_base;
  traced_operations() noexcept = default;

  [[nodiscard]] const detail::tool_info* tool_with(const detail::tool_info* own, const tool_options& options) {
    if (own && traced_value_of(*this).trace == 0) return detail::intern_variant(*own, options);
    detail::trace& t = owner("given options");
    const detail::tool_info* tool = detail::intern_variant(t.tool_of(ref(), "given options"), options);
    t.set_tool(ref(), *tool);
    return tool;
  }

 private:
  template <std::size_t I, detail::traced N>
  friend auto get(const N& n);

  [[nodiscard]] Derived& self() noexcept { return static_cast<Derived&>(*this); }
  [[nodiscard]] detail::trace& owner(std::string_view action) const {
    return detail::trace::owner_of(traced_value_of(*this), action);
  }
  [[nodiscard]] detail::value_ref ref() const noexcept { return traced_value_of(*this).ref; }
  template <class M>
  [[nodiscard]] detail::traced_value part(
      void* (*select)(void*, const detail::member_bits&), const detail::member_bits& member = {}) const {
    detail::trace& t = owner("taken apart");
    return t.value(t.add_part(ref(), {0, select, member, detail::is_copyable<M>}));
  }
};

/// A value to come: what a call gives that is recorded in a graph, or a parameter of the graph.
///
/// It is passed to tools in place of the value, alone or in containers, and returned from the body of a `graphify`.
/// It cannot be awaited and is nothing outside the tracing that it was made in.
/// Thread safety: of the thread that traces. Copying it copies no value.
template <class T>
class node : public traced_operations<node<T>> {
 public:
  using value_type = T;

  /// A node of nothing yet: only to be assigned to.
  node() noexcept = default;
  /// What a call or an invocation is recorded as; of a node of another type, the value converted.
  template <detail::traced X>
    requires(!std::same_as<X, node> &&
             (std::convertible_to<typename X::value_type, T> || std::same_as<typename X::value_type, T>))
  node(const X& x) : node(value_from(x)) {}  // NOLINT(google-explicit-constructor): a call is a node

  /// Used by the library.
  explicit node(const detail::traced_value& v) noexcept : traced_operations<node>(v) {}

 private:
  template <class X>
  static detail::traced_value value_from(const X& x) {
    if constexpr (std::same_as<typename X::value_type, T>) {
      static_cast<void>(detail::traced_ref(x));
      return traced_value_of(x);
    } else {
      detail::trace& t = detail::trace::owner_of(traced_value_of(x), "converted");
      return t.value(detail::as_value<detail::regular<T>>(t, x));
    }
  }
};

/// One element of a tuple, pair or array to come.
template <std::size_t I, detail::traced N>
auto get(const N& n) {
  using whole = std::remove_cvref_t<typename N::value_type>;
  if constexpr (!requires { std::tuple_size<whole>::value; }) {
    static_assert(sizeof(N) == 0, "aethergraph: ag::get<I>(call) needs a tool that returns a tuple, pair or array");
    return detail::after_an_error{};
  } else if constexpr (I >= std::tuple_size_v<whole>) {
    static_assert(
        I < std::tuple_size_v<whole>, "aethergraph: ag::get<I>(call) is beyond the end of the tuple, pair or array");
    return detail::after_an_error{};
  } else {
    using element = std::tuple_element_t<I, whole>;
    // The same part by whatever name, so that it is seen when it is read twice.
    if constexpr (detail::is_pair<whole> && I == 0) return n[&whole::first];
    else if constexpr (detail::is_pair<whole>) return n[&whole::second];
    else return node<element>(n.template part<element>(&detail::select_element<whole, I>));
  }
}

/// An aggregate made of nodes and values, in the order of its members.
template <class S, class... X>
  requires(detail::mentions_node<X> || ...)
node<S> make(const X&... members) {
  constexpr bool is_initialised = requires { S{std::declval<detail::untraced_part<X>>()...}; };
  static_assert(is_initialised,
      "aethergraph: ag::make<S>(…) takes what the members of S are initialised with, in order and without narrowing");
  if constexpr (is_initialised) {
    using kept = detail::kept_parts<S, detail::kept_t<X>...>;
    detail::trace* const t = detail::trace::current();
    if (!t) detail::refuse_outside_of_tracing("ag::make");
    return node<S>(t->value(t->add(nullptr, detail::make_record<S, kept>{kept{{detail::keep(members)...}}})));
  } else {
    return node<S>();
  }
}

}  // namespace aethergraph
