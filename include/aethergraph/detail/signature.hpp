// What a callable takes and gives, and the sentences for what it should not.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/traced.hpp"
#include "aethergraph/fwd.hpp"

namespace aethergraph::detail {

template <class...>
struct list {};

// --- the result of a body
template <class T>
struct unwrap_result {
  using type = T;
};
template <class T>
struct unwrap_result<task<T>> {
  using type = T;
};
template <class T, class E>
struct unwrap_result<boost::asio::awaitable<T, E>> {
  using type = T;
};

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;
template <class T>
inline constexpr bool is_asio_awaitable = false;
template <class T, class E>
inline constexpr bool is_asio_awaitable<boost::asio::awaitable<T, E>> = true;

// --- the signature of a callable
template <class T>
struct member_signature {
  static constexpr bool is_const = false;
  using result = void;
  using parameters = list<>;
};
#define AETHERGRAPH_MEMBER_SIGNATURE(QUALIFIERS)       \
  template <class C, class R, class... A>              \
  struct member_signature<R (C::*)(A...) QUALIFIERS> { \
    static constexpr bool is_const = true;             \
    using result = R;                                  \
    using parameters = list<A...>;                     \
  };
AETHERGRAPH_MEMBER_SIGNATURE(const)
AETHERGRAPH_MEMBER_SIGNATURE(const noexcept)
AETHERGRAPH_MEMBER_SIGNATURE(const&)
AETHERGRAPH_MEMBER_SIGNATURE(const& noexcept)
#undef AETHERGRAPH_MEMBER_SIGNATURE

template <class F>
concept has_one_call_operator = requires { &F::operator(); };

template <class F>
struct callable_signature : member_signature<void> {};
template <has_one_call_operator F>
struct callable_signature<F> : member_signature<decltype(&F::operator())> {};
template <class R, class... A>
struct callable_signature<R (*)(A...)> {
  static constexpr bool is_const = true;
  using result = R;
  using parameters = list<A...>;
};
template <class R, class... A>
struct callable_signature<R (*)(A...) noexcept> : callable_signature<R (*)(A...)> {};

template <class Parameters>
struct split_context {
  static constexpr bool wants_context = false;
  using rest = Parameters;
};
template <class... A>
struct split_context<list<context&, A...>> {
  static constexpr bool wants_context = true;
  using rest = list<A...>;
};

template <class R, class Parameters>
struct make_signature;
template <class R, class... A>
struct make_signature<R, list<A...>> {
  using type = R(std::remove_cvref_t<A>...);
};

template <class Parameters>
inline constexpr bool can_be_kept = false;
template <class... A>
inline constexpr bool can_be_kept<list<A...>> =
    ((!std::is_lvalue_reference_v<A> || std::is_const_v<std::remove_reference_t<A>>) && ...);

/// `raw` is what the callable returns, `result` what a call gives, `signature` is `result(parameters…)` without
/// context.
template <class F>
struct callable_traits {
  using raw = typename callable_signature<F>::result;
  using result = typename unwrap_result<raw>::type;
  using split = split_context<typename callable_signature<F>::parameters>;
  static constexpr bool wants_context = split::wants_context;
  using signature = typename make_signature<result, typename split::rest>::type;
};

template <class F>
constexpr void check_callable() {
  constexpr bool is_deducible = has_one_call_operator<F> || std::is_pointer_v<F>;
  static_assert(is_deducible,
      "aethergraph: the parameters of a generic or overloaded callable cannot be deduced; "
      "name them: ag::tool<R(Args...)>{name, callable}");
  if constexpr (is_deducible) {
    static_assert(callable_signature<F>::is_const,
        "aethergraph: a callable must not be `mutable`, because many calls of it may be in flight at once");
    static_assert(can_be_kept<typename callable_traits<F>::split::rest>,
        "aethergraph: a parameter must be a value or a const reference, "
        "because a call outlives the expression that makes it");
  }
}

template <class F>
inline constexpr bool is_copied_freely = std::is_trivially_copyable_v<F> && std::is_copy_constructible_v<F>;

/// A callable that is cheap to copy is kept as it is; one that owns something is shared by a count. Copy-assignable in
/// any case, which a lambda with captures is not.
template <class F>
class kept_callable {
 public:
  explicit kept_callable(F f) : f_(std::make_shared<const F>(std::move(f))) {}
  const F& operator*() const noexcept { return *f_; }

 private:
  std::shared_ptr<const F> f_;
};
template <class F>
  requires(is_copied_freely<F> && (!std::is_empty_v<F> || std::is_final_v<F>) && sizeof(F) <= 4 * sizeof(void*))
class kept_callable<F> {
 public:
  explicit kept_callable(const F& f) noexcept : f_(f) {}
  kept_callable(const kept_callable&) noexcept = default;
  kept_callable& operator=(const kept_callable& o) noexcept {
    std::construct_at(std::addressof(f_), o.f_);
    return *this;
  }
  const F& operator*() const noexcept { return f_; }

 private:
  F f_;
};
template <class F>
  requires(is_copied_freely<F> && std::is_empty_v<F> && !std::is_final_v<F>)
class kept_callable<F> : F {
 public:
  explicit kept_callable(const F& f) noexcept : F(f) {}
  kept_callable(const kept_callable&) noexcept = default;
  kept_callable& operator=(const kept_callable&) noexcept { return *this; }
  const F& operator*() const noexcept { return *this; }
};

// --- arguments. One struct a position, so that the position stands in the sentence.
template <std::size_t Position, class Given, class Parameter>
struct argument {
  static_assert(fits_parameter<Given, Parameter>,
      "aethergraph: an argument of this call does not convert to its parameter; "
      "see `argument<position, Given, Parameter>`");
};
#define AETHERGRAPH_ARGUMENT(POSITION)                                                                \
  template <class Given, class Parameter>                                                             \
  struct argument<POSITION, Given, Parameter> {                                                       \
    static_assert(fits_parameter<Given, Parameter>,                                                   \
        "aethergraph: argument " #POSITION " of this call does not convert to parameter " #POSITION); \
  };
AETHERGRAPH_ARGUMENT(1)
AETHERGRAPH_ARGUMENT(2)
AETHERGRAPH_ARGUMENT(3)
AETHERGRAPH_ARGUMENT(4)
AETHERGRAPH_ARGUMENT(5)
AETHERGRAPH_ARGUMENT(6)
AETHERGRAPH_ARGUMENT(7)
AETHERGRAPH_ARGUMENT(8)
#undef AETHERGRAPH_ARGUMENT

template <class... Given, class... Parameter>
constexpr void check_arguments(list<Given...>, list<Parameter...>) {
  static_assert(sizeof...(Given) >= sizeof...(Parameter), "aethergraph: too few arguments in this call");
  static_assert(sizeof...(Given) <= sizeof...(Parameter), "aethergraph: too many arguments in this call");
  if constexpr (sizeof...(Given) == sizeof...(Parameter))
    []<std::size_t... I>(std::index_sequence<I...>) { (static_cast<void>(argument<I + 1, Given, Parameter>{}), ...); }(
        std::index_sequence_for<Given...>{});
}

template <class Given, class Parameters>
inline constexpr bool all_convertible = false;
template <class... Given, class... Parameter>
  requires(sizeof...(Given) == sizeof...(Parameter))
inline constexpr bool all_convertible<list<Given...>, list<Parameter...>> =
    (std::is_convertible_v<Given, Parameter> && ...);

template <class Given>
inline constexpr bool any_node = false;
template <class... Given>
inline constexpr bool any_node<list<Given...>> = (mentions_node<Given> || ...);

template <class Given, class Parameters>
inline constexpr bool all_fit = false;
template <class... Given, class... Parameter>
  requires(sizeof...(Given) == sizeof...(Parameter))
inline constexpr bool all_fit<list<Given...>, list<Parameter...>> = (fits_parameter<Given, Parameter> && ...);

/// Arguments that fit no call: what takes them only says what is wrong.
template <class Given, class Parameters>
concept misfit = !any_node<Given> && !all_convertible<Given, Parameters>;

}  // namespace aethergraph::detail
