// The record of a call in a graph, and how it runs.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

#include "aethergraph/call.hpp"
#include "aethergraph/detail/apply.hpp"
#include "aethergraph/detail/records.hpp"

namespace aethergraph::detail {

template <class Parameters>
inline constexpr bool are_values = false;
template <class... Parameter>
inline constexpr bool are_values<list<Parameter...>> = (!std::is_reference_v<Parameter> && ...);

/// A body that is a coroutine, with what its own calls ask of their caller. It serves one node after the other.
template <class R>
struct body_frame final : in_flight, call_state, resulting<R> {
  body_frame(graph_executor& ex, std::uint32_t e) noexcept : in_flight(ex, e) {
    const environment& outer = ex.surroundings();
    cancellation = outer.cancellation;
    current_call = this;
    caller = outer.current_call;
    made_in = outer.steps;
    parent = this;
    ::new (&body) calling_body;
  }

  /// True: it has ended.
  bool start(promise_value<R>& p) noexcept {
    // Each time: kinds of frames are told apart by a function, and a linker may make one of two that are equal.
    on_body_end = &body_ended;
    on_done = &end_and_go_on;
    number = executor.number_of(entry);
    if (made_in) steps = ::new (&body.steps) sequence{.within = number};
    p.outcome = &this->outcome;
    return start_body(p, *this, executor.home());
  }
  void forget_value() noexcept {
    if constexpr (!is_bytes<regular<R>>) this->outcome.fail(nullptr);
  }

 private:
  static void body_ended(body_operation& op) noexcept {
    auto& self = static_cast<body_frame&>(op);
    self.executor.note_ended(self.entry, self.error());
    self.executor.give_slot_back();
    self.executor.home().make_ready(op, &body_operation::finish);
  }
  static void end_and_go_on(receiver& r) noexcept {
    auto& self = static_cast<body_frame&>(r);
    graph_executor& owner = self.executor;
    end_frame<R>(self, self);
    owner.wake();
  }
};

template <class R, class... Args, class F, class... Kept>
struct call_record<R(Args...), F, Kept...> {
  using traits = callable_traits<F>;
  using raw = typename traits::raw;
  using call_type = call<R(Args...), F>;

  /// A plain function is called right here, with references to values that it does not need to own.
  static constexpr bool is_direct = !is_task<raw> && !is_asio_awaitable<raw> && !traits::wants_context;
  /// A coroutine that owns its arguments needs less than a whole operation.
  static constexpr bool is_direct_body =
      is_task<raw> && !traits::wants_context && are_values<typename traits::split::rest>;

  static const entry_ops ops;
  kept_callable<F> callable;
  std::tuple<Kept...> arguments;

  void visit(ref_visitor& v) const {
    detail::apply_to(arguments, [&](const Kept&... k) {
      std::uint32_t parameter = 0;
      (visit_argument(k, v, parameter++), ...);
    });
  }
  call_record translated(const translation& t) const {
    return detail::apply_to(arguments, [&](const Kept&... k) { return call_record{callable, {k.translated(t)...}}; });
  }

  /// What the executor does not call right there.
  bool start(graph_executor& ex, std::uint32_t e) const noexcept {
    if constexpr (is_direct_body)
      if (ex.runs_body_directly(e)) [[likely]]
        return run_body(ex, e);
    start_otherwise(ex, e);
    return false;
  }
  void make_value(graph_executor& ex, std::uint32_t e) const {
    if constexpr (std::is_void_v<R>) invoke(*callable, arguments, ex, typename traits::split::rest{});
    else ::new (ex.slot(e)) regular<R>(invoke(*callable, arguments, ex, typename traits::split::rest{}));
  }

 private:
  [[gnu::noinline]] void start_otherwise(graph_executor& ex, std::uint32_t e) const noexcept {
    if constexpr (is_direct)
      if (ex.calls_directly(e)) return ex.call_on_worker(e);
    operation_frame<call_type>* frame = nullptr;
    try {
      frame = &ex.add_frame<operation_frame<call_type>>(e, [&] {
        return detail::apply_to(arguments,
            [&](const Kept&... k) { return call_type(ex.entry_at(e).tool, callable, take_as<Args>(k, ex)...); });
      });
    } catch (...) {
      ex.node_starts(e);
      ex.node_ends(e, std::current_exception());
      if (ex.grants_slot(e)) ex.give_slot_back();
      ex.entry_ended(e);
      return;
    }
    ex.is_starting(e);
    environment& surroundings = ex.surroundings();
    const bool has_ended =
        ex.grants_slot(e) ? frame->op.start_granted(surroundings, *frame) : frame->op.start(surroundings, *frame);
    if (has_ended) frame->end();
  }

  template <class T, class Parameter, class K>
  static decltype(auto) argument(const K& k, graph_executor& ex) {
    if constexpr (!std::is_lvalue_reference_v<Parameter>) return take_as<T>(k, ex);
    else if constexpr (std::same_as<K, kept_literal<T>>) return (k.value);
    else if constexpr (std::same_as<K, kept_value<T>>) return std::as_const(*static_cast<T*>(ex.address(k.ref)));
    else return take_as<T>(k, ex);
  }
  template <class... Parameter>
  static raw invoke(const F& f, const std::tuple<Kept...>& arguments, graph_executor& ex, list<Parameter...>) {
    return detail::apply_to(arguments, [&](const Kept&... k) -> raw { return f(argument<Args, Parameter>(k, ex)...); });
  }

  bool run_body(graph_executor& ex, std::uint32_t e) const noexcept {
    ex.node_starts(e);
    body_frame<R>* frame = nullptr;
    std::exception_ptr failure;
    try {
      frame = &ex.template take_frame<body_frame<R>>(e);
      raw t = invoke(*callable, arguments, ex, typename traits::split::rest{});
      if (!t.promise_) refuse_awaited_task(*ex.entry_at(e).tool);
      if (!frame->start(*std::exchange(t.promise_, nullptr))) {
        ex.keep_frame(*frame);
        return false;
      }
      if (!frame->error()) [[likely]] {
        if constexpr (!std::is_void_v<R>) ::new (ex.slot(e)) regular<R>(frame->take());
        frame->forget_value();
        ex.give_frame_back(*frame);
        return true;
      }
      failure = frame->error();
    } catch (...) {
      failure = std::current_exception();
    }
    if (frame) frame->destroy(*frame);
    ex.call_failed(e, failure);
    return false;
  }
};
template <class R, class... Args, class F, class... Kept>
constexpr entry_ops call_record<R(Args...), F, Kept...>::ops =
    with_record<call_record<R(Args...), F, Kept...>>(ops_of_value<regular<R>>(entry_kind::call));

/// What is kept of an argument of type X for a parameter of type T.
template <class T, class X>
auto keep_argument(X&& x) {
  if constexpr (mentions_node<X>) return keep(std::as_const(x));
  else return kept_literal<T>{T(std::forward<X>(x))};
}
template <class T, class X>
using kept_argument_t = decltype(keep_argument<T>(std::declval<X>()));

/// Literals among the arguments are copied for each run.
template <class Given, class Parameters>
inline constexpr bool are_literals_copyable = true;
template <class... Given, class... Parameter>
  requires(sizeof...(Given) == sizeof...(Parameter))
inline constexpr bool are_literals_copyable<list<Given...>, list<Parameter...>> =
    ((mentions_node<Given> || is_copyable<Parameter>) && ...);
template <class Given, class Parameters>
constexpr void check_literals(Given, Parameters) {
  static_assert(are_literals_copyable<Given, Parameters>,
      "aethergraph: a literal in a graph is copied for each run, so its type must be copyable; make it a parameter of "
      "type ag::node<T>");
}
template <class Given, class Parameters>
inline constexpr bool are_kept = all_fit<Given, Parameters> && are_literals_copyable<Given, Parameters>;

/// Records a call with nodes among its arguments.
template <class R, class F, class... Args, class... X>
node<R> record_call_of_nodes(list<Args...>, const tool_info& tool, const kept_callable<F>& callable, X&&... arguments) {
  check_literals(list<X...>{}, list<Args...>{});
  if constexpr (are_kept<list<X...>, list<Args...>>) {
    trace* const t = trace::current();
    if (!t) refuse_outside_of_tracing(tool.name);
    if (!tool.problem.empty()) throw option_error(tool.problem);
    return node<R>(t->value(t->add(&tool, call_record<R(Args...), F, kept_argument_t<Args, X>...>{
                                              callable, {keep_argument<Args>(std::forward<X>(arguments))...}})));
  } else {
    return node<R>();
  }
}

template <class R, class F, class... Args>
traced_value record_call(
    trace& t, const tool_info& tool, const kept_callable<F>& callable, const std::tuple<Args...>& arguments) {
  if (!tool.problem.empty()) throw option_error(tool.problem);
  if constexpr ((is_copyable<Args> && ...)) {
    return t.value(t.add(&tool, detail::apply_to(arguments, [&](const Args&... a) {
      return call_record<R(Args...), F, kept_literal<Args>...>{callable, {kept_literal<Args>{a}...}};
    })));
  } else {
    refuse_literal(tool.name);
  }
}

}  // namespace aethergraph::detail
