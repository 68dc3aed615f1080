// The record of a nested run in a graph: an agent that was called while it was traced.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <tuple>
#include <utility>

#include "aethergraph/detail/apply.hpp"
#include "aethergraph/detail/call_record.hpp"
#include "aethergraph/detail/run_operation.hpp"
#include "aethergraph/graph_fn.hpp"

namespace aethergraph::detail {

template <class Signature, class F, class... Kept>
struct run_record;

template <class R, class... Args, class F, class... Kept>
struct run_record<R(Args...), F, Kept...> {
  using invocation_type = invocation<R(Args...), F>;

  static const entry_ops ops;
  std::shared_ptr<const agent_definition<F>> definition;
  std::tuple<Kept...> arguments;

  void visit(ref_visitor& v) const {
    detail::apply_to(arguments, [&](const Kept&... k) {
      std::uint32_t parameter = 0;
      (visit_argument(k, v, parameter++), ...);
    });
  }
  run_record translated(const translation& t) const {
    return detail::apply_to(arguments, [&](const Kept&... k) { return run_record{definition, {k.translated(t)...}}; });
  }

  void start(graph_executor& ex, std::uint32_t e) const noexcept {
    operation_frame<invocation_type>* frame = nullptr;
    try {
      frame = &ex.add_frame<operation_frame<invocation_type>>(e, [&] {
        return detail::apply_to(
            arguments, [&](const Kept&... k) { return invocation_type(definition, take_as<Args>(k, ex)...); });
      });
    } catch (...) {
      ex.node_starts(e);
      ex.node_ends(e, std::current_exception());
      ex.entry_ended(e);
      return;
    }
    ex.is_starting(e);
    if (frame->op.start(static_cast<environment&>(ex.surroundings()), *frame)) frame->end();
  }
};
template <class R, class... Args, class F, class... Kept>
constexpr entry_ops run_record<R(Args...), F, Kept...>::ops =
    with_record<run_record<R(Args...), F, Kept...>>(ops_of_value<regular<R>>(entry_kind::run));

template <class R, class F, class... Args, class... X>
node<R> record_run_of_nodes(list<Args...>, const std::shared_ptr<const agent_definition<F>>& d, X&&... arguments) {
  check_literals(list<X...>{}, list<Args...>{});
  if constexpr (are_kept<list<X...>, list<Args...>>) {
    trace* const t = trace::current();
    if (!t) refuse_outside_of_tracing(d->info->name);
    return node<R>(t->value(t->add(d->info, run_record<R(Args...), F, kept_argument_t<Args, X>...>{
                                                d, {keep_argument<Args>(std::forward<X>(arguments))...}})));
  } else {
    return node<R>();
  }
}

template <class R, class F, class... Args>
traced_value record_run(
    trace& t, const std::shared_ptr<const agent_definition<F>>& d, const std::tuple<Args...>& arguments) {
  if constexpr ((is_copyable<Args> && ...)) {
    return t.value(t.add(d->info, detail::apply_to(arguments, [&](const Args&... a) {
      return run_record<R(Args...), F, kept_literal<Args>...>{d, {kept_literal<Args>{a}...}};
    })));
  } else {
    refuse_literal(d->info->name);
  }
}

}  // namespace aethergraph::detail
