// tool: a named, typed callable whose calls pass a run's cap.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "aethergraph/call.hpp"
#include "aethergraph/options.hpp"

namespace aethergraph {

template <class Signature, class F>
class tool;

namespace detail {

/// The erased callable behind an explicit signature: whatever it returns comes as a task.
template <class Signature>
class any_callable;

template <class R, class... Args>
class any_callable<R(Args...)> {
 public:
  template <class F>
  explicit any_callable(F f)
      : callable_(std::make_shared<const F>(std::move(f))), invoke_([](const void* p, context& ctx, Args... a) {
          return to_task(*static_cast<const F*>(p), ctx, std::move(a)...);
        }) {}

  task<R> operator()(context& ctx, Args... a) const { return invoke_(callable_.get(), ctx, std::move(a)...); }

 private:
  template <class F>
  static decltype(auto) apply(const F& f, context& ctx, Args... a) {
    if constexpr (std::is_invocable_v<const F&, context&, Args...>) return f(ctx, std::move(a)...);
    else return f(std::move(a)...);
  }
  template <class F>
  static task<R> to_task(const F& f, context& ctx, Args... a) {
    using given = decltype(apply(f, ctx, std::move(a)...));
    if constexpr (awaitable<given>) co_return co_await apply(f, ctx, std::move(a)...);
    else if constexpr (std::is_void_v<R>) apply(f, ctx, std::move(a)...);
    else co_return apply(f, ctx, std::move(a)...);
    if constexpr (std::is_void_v<R>) co_return;
  }

  std::shared_ptr<const void> callable_;
  task<R> (*invoke_)(const void*, context&, Args...);
};

template <class Signature, class F>
[[nodiscard]] const tool_info& tool_info_of(const tool<Signature, F>& t) noexcept;

template <class F>
inline constexpr bool is_any_callable = false;
template <class Signature>
inline constexpr bool is_any_callable<any_callable<Signature>> = true;

}  // namespace detail

/// A named callable: a coroutine that returns `task<R>`, a `boost::asio::awaitable<R>`, or a plain function.
///
/// Parameters and result are deduced from the callable; a first parameter `ag::context&` is injected and no argument.
/// For a generic or overloaded callable, name them: `ag::tool<R(Args...)>{name, callable}`.
/// Parameters are values or const references (bound to the call's own copy).
///
/// Calling it gives a `call`, which runs when it is awaited; any number of calls may be in flight.
/// Errors: bad options (an empty name) are an `option_error` of the first call, never of the constructor.
/// Thread safety: immutable; may be called from any thread. The callable is called on the strand of the run.
/// Example: `inline const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};`
template <class Signature, class F = detail::any_callable<Signature>>
class tool;

template <class R, class... Args, class F>
class tool<R(Args...), F> {
  using parameters = detail::list<Args...>;

 public:
  using result_type = R;
  using call_type = call<R(Args...), F>;

  template <class Callable>
    requires std::same_as<Callable, F> || detail::is_any_callable<F>
  tool(std::string_view name, Callable callable, const tool_options& options = {})
      : tool(name, std::move(callable), options, detail::boundary{}) {}
  /// With names for its parameters and its result.
  template <class Callable, detail::boundary_names... Names>
    requires(sizeof...(Names) > 0)
  tool(std::string_view name, Callable callable, const tool_options& options, Names... names)
      : tool(name, std::move(callable), options,
            detail::boundary(sizeof...(Args), detail::parts_of<R>, std::move(names)...)) {}
  template <class Callable, detail::boundary_names... Names>
    requires(sizeof...(Names) > 0)
  tool(std::string_view name, Callable callable, Names... names)
      : tool(name, std::move(callable), tool_options{}, std::move(names)...) {}

  /// A call of the tool with these arguments.
  call_type operator()(Args... args) const& { return call_type{info_, callable_, std::forward<Args>(args)...}; }
  call_type operator()(Args... args) const&& {
    static_assert(std::is_trivially_destructible_v<F> || detail::is_any_callable<F>,
        "aethergraph: the callable of this temporary tool owns something, which g++ destroys twice inside a "
        "co_await expression; give the tool a name first");
    return call_type{info_, callable_, std::forward<Args>(args)...};
  }
  /// The same with nodes among the arguments, while a graph is traced: a node of it.
  template <class... X>
    requires detail::any_node<detail::list<X...>>
  node<R> operator()(X&&... arguments) const {
    detail::check_arguments(detail::list<X...>{}, parameters{});
    return detail::record_call_of_nodes<R>(parameters{}, *info_, callable_, std::forward<X>(arguments)...);
  }
  /// Arguments that fit no parameters: says what is wrong.
  template <class... X>
    requires detail::misfit<detail::list<X...>, parameters>
  detail::after_an_error operator()(X&&...) const {
    detail::check_arguments(detail::list<X...>{}, parameters{});
    return {};
  }

  [[nodiscard]] std::string_view name() const noexcept { return info_->name; }

 private:
  template <class S, class G>
  friend const detail::tool_info& detail::tool_info_of(const tool<S, G>& t) noexcept;
  template <class Callable>
  tool(std::string_view name, Callable callable, const tool_options& options, detail::boundary names)
      : info_(detail::intern_tool(name, options, with_kind(std::move(names)))), callable_(F(std::move(callable))) {
    if constexpr (!detail::is_any_callable<F>) detail::check_callable<F>();
  }

  static detail::boundary with_kind(detail::boundary&& names) {
    using raw = typename detail::callable_traits<F>::raw;
    names.is_coroutine = detail::is_task<raw> || detail::is_asio_awaitable<raw>;
    return std::move(names);
  }

  const detail::tool_info* info_;
  [[no_unique_address]] detail::kept_callable<F> callable_;
};

template <class Signature, class F>
const detail::tool_info& detail::tool_info_of(const tool<Signature, F>& t) noexcept {
  return *t.info_;
}

template <class F>
tool(std::string_view, F, tool_options = {}) -> tool<typename detail::callable_traits<F>::signature, F>;
template <class F, detail::boundary_names... Names>
  requires(sizeof...(Names) > 0)
tool(std::string_view, F, Names...) -> tool<typename detail::callable_traits<F>::signature, F>;
template <class F, detail::boundary_names... Names>
  requires(sizeof...(Names) > 0)
tool(std::string_view, F, tool_options, Names...) -> tool<typename detail::callable_traits<F>::signature, F>;

}  // namespace aethergraph
