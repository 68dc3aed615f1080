// graphify, graph: functions whose calls of tools are recorded once, as a graph that is run any number of times.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "aethergraph/detail/graph_run.hpp"
#include "aethergraph/node.hpp"
#include "aethergraph/task_graph.hpp"

namespace aethergraph {

/// A call of a graph with values: nothing has happened yet. `run`, `run_async`, `try_run` and `start` execute it;
/// awaited in a task, it is a nested run with its own cap. Made while another graph is traced, it is a sub-graph of
/// that.
///
/// It owns its arguments and shares the graph. It runs once.
/// Errors: as for `run`; `graph_error` when nodes failed, or the result was skipped.
template <class R, class... Inputs>
class [[nodiscard("a graph does nothing until it is run or awaited")]] graph_invocation<R(Inputs...)>
    : public traced_operations<graph_invocation<R(Inputs...)>> {
 public:
  using value_type = R;

  /// Used by the library.
  graph_invocation(std::shared_ptr<const detail::graph_definition<R>> d, std::tuple<Inputs...>&& arguments)
      : definition_(std::move(d)), arguments_(std::move(arguments)) {
    if (detail::trace* t = detail::trace::current()) [[unlikely]] {
      if constexpr ((detail::is_copyable<Inputs> && ...))
        this->set_traced(std::apply(
            [&](const Inputs&... a) { return detail::insert_graph<Inputs...>(*t, *definition_, a...); }, arguments_));
      else detail::refuse_literal(definition_->graph->what.name);
      was_run_ = true;  // it is a part of that graph
    }
  }
  graph_invocation(graph_invocation&&) = default;
  graph_invocation& operator=(graph_invocation&&) = default;

 private:
  friend detail::entry<graph_invocation>;
  friend detail::run_traits<graph_invocation>;

  std::shared_ptr<const detail::graph_definition<R>> definition_;
  [[no_unique_address]] std::tuple<Inputs...> arguments_;
  bool was_run_ = false;
};

/// A graph that was built: immutable, cheap to copy, and run as often as wanted, also at the same time.
///
/// Thread safety: any thread.
template <class R, class... Inputs>
class graph<R(Inputs...)> {
  using parameters = detail::list<Inputs...>;

 public:
  using result_type = R;

  /// An invocation with values for its node parameters.
  graph_invocation<R(Inputs...)> operator()(Inputs... values) const {
    return {definition_, std::tuple<Inputs...>(std::forward<Inputs>(values)...)};
  }
  /// The same with nodes among the arguments, while another graph is traced: a sub-graph of that, under its cap.
  template <class... X>
    requires detail::any_node<detail::list<X...>>
  node<R> operator()(X&&... arguments) const {
    detail::check_arguments(detail::list<X...>{}, parameters{});
    if constexpr (detail::all_fit<detail::list<X...>, parameters>) {
      detail::trace* const t = detail::trace::current();
      if (!t) detail::refuse_outside_of_tracing(name());
      return node<R>(detail::insert_graph<Inputs...>(*t, *definition_, arguments...));
    } else {
      return node<R>();
    }
  }
  /// Arguments that fit no parameters: says what is wrong.
  template <class... X>
    requires detail::misfit<detail::list<X...>, parameters>
  detail::after_an_error operator()(X&&...) const {
    detail::check_arguments(detail::list<X...>{}, parameters{});
    return {};
  }

  [[nodiscard]] std::string_view name() const noexcept { return definition_->graph->what.name; }
  /// The graph for inspection: its nodes and edges, pictures, JSON.
  [[nodiscard]] const task_graph& spec() const noexcept { return definition_->spec; }
  /// What is odd about it, and yet no error: calls that nothing needs, which run all the same.
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return definition_->graph->warnings; }

  /// Used by the library: what a durable run of it is recognised by.
  [[nodiscard]] std::string structure() const { return detail::structure_of(*definition_->graph, definition_->spec); }
  explicit graph(std::shared_ptr<const detail::graph_definition<R>> d) noexcept : definition_(std::move(d)) {}

 private:
  std::shared_ptr<const detail::graph_definition<R>> definition_;
};

namespace detail {

template <class T>
inline constexpr bool is_node_parameter = false;
template <class T>
inline constexpr bool is_node_parameter<node<T>> = true;
template <>
inline constexpr bool is_node_parameter<node<void>> = false;

/// Which of the parameters are plain and which are nodes.
template <class Plain, class Inputs, class Rest>
struct split_parameters;
template <class... P, class... I>
struct split_parameters<list<P...>, list<I...>, list<>> {
  using plain = list<P...>;
  using inputs = list<I...>;
};
template <class... P, class... I, class T, class... Rest>
struct split_parameters<list<P...>, list<I...>, list<T, Rest...>>
    : split_parameters<list<P..., T>, list<I...>, list<Rest...>> {};
template <class... P, class... I, class T, class... Rest>
struct split_parameters<list<P...>, list<I...>, list<node<T>, Rest...>>
    : split_parameters<list<P...>, list<I..., T>, list<Rest...>> {};
// A node of void is refused by check_graphify.
template <class... P, class... I, class... Rest>
struct split_parameters<list<P...>, list<I...>, list<node<void>, Rest...>>
    : split_parameters<list<P..., node<void>>, list<I...>, list<Rest...>> {};
template <class All>
inline constexpr bool has_node_of_void = false;
template <class... All>
inline constexpr bool has_node_of_void<list<All...>> = (std::same_as<All, node<void>> || ...);

template <class Parameters>
struct decayed_list;
template <class... A>
struct decayed_list<list<A...>> {
  using type = list<std::remove_cvref_t<A>...>;
};

/// A graphify's parameter as whoever calls it sees it: the value, of a node too.
template <class T>
struct given {
  using type = T;
};
template <class T>
struct given<node<T>> {
  using type = T;
};
template <>
struct given<node<void>> {
  using type = node<void>;
};

template <class F>
struct graphify_traits {
  using raw = typename callable_signature<F>::result;
  using all = typename decayed_list<typename callable_signature<F>::parameters>::type;
  using split = split_parameters<list<>, list<>, all>;
  using result = untraced_t<raw>;
};

template <class F>
constexpr void check_graphify() {
  constexpr bool is_deducible = has_one_call_operator<F> || std::is_pointer_v<F>;
  static_assert(is_deducible,
      "aethergraph: the parameters of a generic or overloaded callable cannot be deduced; "
      "give graphify a function with one signature");
  if constexpr (is_deducible) {
    static_assert(callable_signature<F>::is_const,
        "aethergraph: a graphify body must not be `mutable`, because it may be traced by several threads at once");
    static_assert(can_be_kept<typename callable_signature<F>::parameters>,
        "aethergraph: a parameter of a graphify must be a value or a const reference");
    static_assert(!has_node_of_void<typename graphify_traits<F>::all>,
        "aethergraph: a parameter of type ag::node<void> would bring nothing into the graph; leave it out");
    static_assert(!is_task<typename graphify_traits<F>::raw> && !is_asio_awaitable<typename graphify_traits<F>::raw>,
        "aethergraph: a graphify body is a plain function that returns nodes; a coroutine is a graph_fn");
  }
}

template <class F, class R, class All, class Plain, class Inputs>
class graphify_base;

template <class F, class R, class... All, class... Plain, class... Inputs>
class graphify_base<F, R, list<All...>, list<Plain...>, list<Inputs...>> {
  using parameters = list<typename given<All>::type...>;

 public:
  using result_type = R;
  using graph_type = graph<R(Inputs...)>;

  /// Traces the body with these plain arguments, in the order of the parameters that are no nodes.
  ///
  /// Errors: `build_error` says what is wrong with the graph; `option_error` for bad options of a tool; what the body
  /// throws.
  [[nodiscard]] graph_type build(Plain... plain) const { return build_with(std::tuple<const Plain&...>(plain...)); }

  /// Builds, and gives an invocation of what was built: all parameters, those that are nodes as values.
  graph_invocation<R(Inputs...)> operator()(typename given<All>::type... arguments) const {
    std::tuple<typename given<All>::type&...> all(arguments...);
    return invoke(all, std::index_sequence_for<All...>{});
  }
  /// The same with nodes among the arguments, while a graph is traced: a sub-graph of that, under its cap.
  template <class... X>
    requires any_node<list<X...>>
  node<R> operator()(X&&... arguments) const {
    check_arguments(list<X...>{}, parameters{});
    if constexpr (all_fit<list<X...>, parameters>) {
      static_assert(((is_node_parameter<All> || !mentions_node<X>) && ...),
          "aethergraph: a plain parameter of a graphify is known while it is traced; give it a value, or make it an "
          "ag::node<T> parameter");
      if constexpr (((is_node_parameter<All> || !mentions_node<X>) && ...)) {
        std::tuple<const std::remove_cvref_t<X>&...> all(arguments...);
        return insert(all, std::index_sequence_for<All...>{});
      } else {
        return node<R>();
      }
    } else {
      return node<R>();
    }
  }
  /// Arguments that fit no parameters: says what is wrong.
  template <class... X>
    requires misfit<list<X...>, parameters>
  after_an_error operator()(X&&...) const {
    check_arguments(list<X...>{}, parameters{});
    return {};
  }

  [[nodiscard]] std::string_view name() const noexcept { return info_->name; }

 protected:
  template <boundary_names... Names>
  graphify_base(std::string_view name, F f, const graph_fn_options& o, Names... names)
      : info_(intern_graph(name, o, boundary(sizeof...(All), 0, std::move(names)...))),
        max_concurrency_(o.max_concurrency),
        body_(std::move(f)) {}

 private:
  /// How many of the parameters before the I-th are nodes, and how many are not.
  template <std::size_t I>
  static constexpr std::size_t inputs_before() {
    constexpr bool is_input[] = {is_node_parameter<All>..., false};
    std::size_t n = 0;
    for (std::size_t i = 0; i < I; ++i) n += is_input[i];
    return n;
  }

  graph_type build_with(const std::tuple<const Plain&...>& plain) const {
    if (!info_->problem.empty()) throw build_error(info_->problem);
    trace t(*info_);
    constexpr bool is_input[] = {is_node_parameter<All>..., false};
    for (std::size_t i = 0; i < info_->inputs.size(); ++i)
      if (is_input[i]) t.graph().input_names.push_back(info_->inputs[i]);
    const std::tuple<node<Inputs>...> inputs{node<Inputs>(t.value(t.add_input(input_ops<regular<Inputs>>)))...};
    return graph_type(call_body(t, plain, inputs, std::index_sequence_for<All...>{}));
  }
  template <std::size_t... I>
  std::shared_ptr<const graph_definition<R>> call_body(trace& t, const std::tuple<const Plain&...>& plain,
      const std::tuple<node<Inputs>...>& inputs, std::index_sequence<I...>) const {
    const auto argument = [&]<std::size_t N>(std::integral_constant<std::size_t, N>) -> decltype(auto) {
      if constexpr (is_node_parameter<std::tuple_element_t<N, std::tuple<All...>>>)
        return (std::get<inputs_before<N>()>(inputs));
      else return (std::get<N - inputs_before<N>()>(plain));
    };
    if constexpr (std::is_void_v<typename graphify_traits<F>::raw>) {
      (*body_)(argument(std::integral_constant<std::size_t, I>{})...);
      return finish_graph<R>(t, max_concurrency_, std::monostate());
    } else {
      return finish_graph<R>(t, max_concurrency_, (*body_)(argument(std::integral_constant<std::size_t, I>{})...));
    }
  }
  template <class Tuple, std::size_t... I>
  graph_type build_from(Tuple& all, std::index_sequence<I...>) const {
    return build_with(std::tuple_cat(plain_one<I>(std::get<I>(all))...));
  }
  template <std::size_t I, class X>
  static auto plain_one(X& x) {
    using parameter = std::tuple_element_t<I, std::tuple<All...>>;
    if constexpr (is_node_parameter<parameter>) return std::tuple<>();
    else if constexpr (std::same_as<std::remove_const_t<X>, parameter>) return std::tuple<const parameter&>(x);
    else return std::tuple<parameter>(parameter(x));
  }
  template <class Tuple, std::size_t... I>
  graph_invocation<R(Inputs...)> invoke(Tuple& all, std::index_sequence<I...> positions) const {
    const graph_type g = build_from(all, positions);
    return std::apply(g, std::tuple_cat(input_one<I>(std::get<I>(all))...));
  }
  template <std::size_t I, class X>
  static auto input_one(X& x) {
    if constexpr (is_node_parameter<std::tuple_element_t<I, std::tuple<All...>>>) return std::tuple<X>(std::move(x));
    else return std::tuple<>();
  }
  template <class Tuple, std::size_t... I>
  node<R> insert(Tuple& all, std::index_sequence<I...>) const {
    trace* const t = trace::current();
    if (!t) refuse_outside_of_tracing(name());
    const graph_type g = build_from(all, std::index_sequence<I...>{});
    return std::apply(g, std::tuple_cat(traced_one<I>(std::get<I>(all))...));
  }
  template <std::size_t I, class X>
  static auto traced_one(const X& x) {
    if constexpr (is_node_parameter<std::tuple_element_t<I, std::tuple<All...>>>) return std::tuple<const X&>(x);
    else return std::tuple<>();
  }

  const tool_info* info_;
  std::optional<int> max_concurrency_;
  [[no_unique_address]] kept_callable<F> body_;
};

template <class F>
using graphify_base_of = graphify_base<F, typename graphify_traits<F>::result, typename graphify_traits<F>::all,
    typename graphify_traits<F>::split::plain, typename graphify_traits<F>::split::inputs>;

}  // namespace detail

/// A named function that describes a graph: tools that it calls are recorded, and run when the graph is run.
///
/// The body is a plain function. Plain parameters are values while it is traced, so that they may decide the shape;
/// parameters of type `ag::node<T>` are bound at each run. It returns a node, a value, or tuples and containers of
/// such. `build(plain…)` gives a `graph`; calling it with all arguments builds and gives an invocation; calling it with
/// nodes, while another graph is traced, makes it a sub-graph of that. Errors: `build_error` by whoever builds. Thread
/// safety: immutable; any thread. Example: `inline const ag::graphify sum{"sum", [](ag::node<std::vector<int>> xs) {
/// return total(ag::map(work, xs)); }};`
template <class F>
class graphify : public detail::graphify_base_of<F> {
 public:
  graphify(std::string_view name, F f, const graph_fn_options& options = {})
      : detail::graphify_base_of<F>(name, std::move(f), options) {
    detail::check_graphify<F>();
  }
  /// With names for its parameters and its results.
  template <detail::boundary_names... Names>
    requires(sizeof...(Names) > 0)
  graphify(std::string_view name, F f, const graph_fn_options& options, Names... names)
      : detail::graphify_base_of<F>(name, std::move(f), options, std::move(names)...) {
    detail::check_graphify<F>();
  }
  template <detail::boundary_names... Names>
    requires(sizeof...(Names) > 0)
  graphify(std::string_view name, F f, Names... names)
      : graphify(name, std::move(f), graph_fn_options{}, std::move(names)...) {}
};
template <class F>
graphify(std::string_view, F, graph_fn_options = {}) -> graphify<F>;
template <class F, detail::boundary_names... Names>
  requires(sizeof...(Names) > 0)
graphify(std::string_view, F, Names...) -> graphify<F>;
template <class F, detail::boundary_names... Names>
  requires(sizeof...(Names) > 0)
graphify(std::string_view, F, graph_fn_options, Names...) -> graphify<F>;

}  // namespace aethergraph
