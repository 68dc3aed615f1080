// What a call accepts while a graph is traced: values to come, alone or in containers, in place of values.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "aethergraph/detail/operation.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph::detail {

/// Which value: what an entry of a graph gives, or a part of that.
struct value_ref {
  std::uint32_t entry = 0;
  std::uint32_t part = 0;  // 0: the whole; else a number among the graph's parts
};

/// Which value of which trace.
struct traced_value {
  std::uint32_t trace = 0;  // 0: of none
  value_ref ref{};
};

class traced_base;
[[nodiscard]] const traced_value& traced_value_of(const traced_base& x) noexcept;

/// Base of whatever stands for a value to come: nodes, calls, invocations. They have a `value_type`.
class traced_base {
 public:
  traced_base() noexcept = default;

 protected:
  explicit traced_base(const traced_value& v) noexcept : value_(v) {}
  void set_traced(const traced_value& v) noexcept { value_ = v; }

 private:
  friend const traced_value& traced_value_of(const traced_base& x) noexcept;
  traced_value value_;
};
inline const traced_value& traced_value_of(const traced_base& x) noexcept { return x.value_; }

template <class X>
concept traced = std::derived_from<std::remove_cvref_t<X>, traced_base>;

/// Whether there is such a thing in an X.
template <class X>
struct holds_node : std::bool_constant<traced<X>> {};
template <class X, class A>
struct holds_node<std::vector<X, A>> : holds_node<X> {};
template <class X, std::size_t N>
struct holds_node<std::array<X, N>> : holds_node<X> {};
template <class X>
struct holds_node<std::optional<X>> : holds_node<X> {};
template <class K, class X, class C, class A>
struct holds_node<std::map<K, X, C, A>> : holds_node<X> {};
template <class... X>
struct holds_node<std::tuple<X...>> : std::disjunction<holds_node<X>...> {};
template <class X, class Y>
struct holds_node<std::pair<X, Y>> : std::disjunction<holds_node<X>, holds_node<Y>> {};

template <class X>
concept mentions_node = holds_node<std::remove_cvref_t<X>>::value;

/// What an X will be once its values have come.
template <class X>
struct untraced {
  using type = X;
};
template <traced X>
struct untraced<X> {
  using type = typename X::value_type;
};
/// The same as part of something: `std::monostate` for void.
template <class X>
using untraced_part = regular<typename untraced<std::remove_cvref_t<X>>::type>;
template <class X, class A>
  requires mentions_node<X>
struct untraced<std::vector<X, A>> {
  using type = std::vector<untraced_part<X>>;
};
template <class X, std::size_t N>
  requires mentions_node<X>
struct untraced<std::array<X, N>> {
  using type = std::array<untraced_part<X>, N>;
};
template <class X>
  requires mentions_node<X>
struct untraced<std::optional<X>> {
  using type = std::optional<untraced_part<X>>;
};
template <class K, class X, class C, class A>
  requires mentions_node<X>
struct untraced<std::map<K, X, C, A>> {
  using type = std::map<K, untraced_part<X>, C>;
};
template <class... X>
  requires(mentions_node<X> || ...)
struct untraced<std::tuple<X...>> {
  using type = std::tuple<untraced_part<X>...>;
};
template <class X, class Y>
  requires(mentions_node<X> || mentions_node<Y>)
struct untraced<std::pair<X, Y>> {
  using type = std::pair<untraced_part<X>, untraced_part<Y>>;
};
template <class X>
using untraced_t = typename untraced<std::remove_cvref_t<X>>::type;

/// Whether a T can really be copied. The standard containers claim so whatever they hold.
template <class T>
struct copyable : std::is_copy_constructible<T> {};
template <class T>
inline constexpr bool is_copyable = copyable<T>::value;
template <class T>
  requires requires {
    typename T::value_type;
    typename T::allocator_type;
    requires !std::same_as<typename T::value_type, T>;
  }
struct copyable<T> : std::bool_constant<std::is_copy_constructible_v<T> && is_copyable<typename T::value_type>> {};
template <class X, std::size_t N>
struct copyable<std::array<X, N>> : copyable<X> {};
template <class X>
struct copyable<std::optional<X>> : copyable<X> {};
template <class X, class Y>
struct copyable<std::pair<X, Y>> : std::conjunction<copyable<X>, copyable<Y>> {};
template <class... X>
struct copyable<std::tuple<X...>> : std::conjunction<copyable<X>...> {};
template <class... X>
struct copyable<std::variant<X...>> : std::conjunction<copyable<X>...> {};

/// Whether an X can be given where a T is wanted: a value, a node, a container of nodes (also an array for a vector).
template <class T, class X>
struct fits : std::is_convertible<untraced_t<X>, T> {};
template <class E, class A, class X, std::size_t N>
struct fits<std::vector<E, A>, std::array<X, N>> : std::is_convertible<untraced_part<X>, E> {};

template <class X, class T>
concept fits_parameter = std::is_convertible_v<X, T> || fits<T, std::remove_cvref_t<X>>::value;

}  // namespace aethergraph::detail
