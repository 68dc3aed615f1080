// What a built graph consists of besides its plan, and the body of its runs.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/apply.hpp"
#include "aethergraph/detail/graph_executor.hpp"
#include "aethergraph/detail/records.hpp"
#include "aethergraph/detail/run_operation.hpp"
#include "aethergraph/detail/signature.hpp"
#include "aethergraph/result.hpp"
#include "aethergraph/task_graph.hpp"

namespace aethergraph::detail {

/// For inspection of a graph that does not run.
[[nodiscard]] task_graph spec_of(const std::shared_ptr<const plan>& p);

/// What is compared of a graph before a run of it is resumed: as JSON, a line for each node and each edge. It is read
/// by `recorded_structure`.
[[nodiscard]] std::string structure_of(const plan& p, const task_graph& spec);

/// A built graph with a result of type R, whatever shape the body returned it in.
template <class R>
struct graph_definition {
  std::shared_ptr<const plan> graph;
  std::optional<int> max_concurrency;
  task_graph spec;
  void (*take)(graph_executor& ex, const void* kept, result<R>& out) = nullptr;
  void (*leave_outputs)(graph_executor& ex, const void* kept, std::vector<partial_output>& out) = nullptr;
  value_ref (*insert)(trace& into, const void* kept, const translation& t, std::uint32_t first) = nullptr;
};

/// Calls `fn(k)` for each kept value and literal in what is kept.
template <class Kept, class Fn>
void for_each_leaf(const Kept& k, Fn&& fn) {
  if constexpr (requires { k.ref; } || Kept::is_literal) fn(k);
  else if constexpr (requires { k.one; }) {
    if (k.one) for_each_leaf(*k.one, fn);
  } else if constexpr (requires { k.all.begin(); }) {
    for (const auto& e : k.all) for_each_leaf(e, fn);
  } else {
    detail::apply_to(k.all, [&](const auto&... e) { (for_each_leaf(e, fn), ...); });
  }
}

/// How many results there are to name; 0: any number, which the value itself says.
template <class Kept>
std::size_t count_results(const Kept& k) {
  if constexpr (requires { k.all.size(); }) return k.all.size();
  else if constexpr (requires { k.all; }) return std::tuple_size_v<decltype(k.all)>;
  else return 1;
}

template <class R, class X>
std::shared_ptr<const graph_definition<R>> make_definition(trace& t, std::optional<int> cap, X&& x) {
  using kept = kept_t<std::remove_cvref_t<X>>;
  using record = make_record<regular<R>, kept>;
  plan& p = t.graph();
  record* const r = ::new (p.arena.allocate(sizeof(record), alignof(record))) record{keep(std::as_const(x))};
  p.result = r;
  p.result_ops = &record::ops;
  const std::size_t names = p.what.outputs.size();
  if (names != 0 && names != count_results(r->kept) && names != parts_of<R>)
    refuse_output_names(p, count_results(r->kept));

  std::shared_ptr<graph_definition<R>> d(new graph_definition<R>);  // not make_shared, which takes longer to compile
  d->max_concurrency = cap;
  d->take = [](graph_executor& ex, const void* result_record, result<R>& out) {
    const kept& k = static_cast<const record*>(result_record)->kept;
    if constexpr (std::is_void_v<R>) out.emplace();
    else if constexpr (std::is_reference_v<R>) out.emplace(k.take(ex).get());
    else out.emplace(take_as<R>(k, ex));
  };
  d->leave_outputs = [](graph_executor& ex, const void* result_record, std::vector<partial_output>& out) {
    for_each_leaf(static_cast<const record*>(result_record)->kept, [&](const auto& k) {
      using T = typename std::remove_cvref_t<decltype(k)>::type;
      partial_output o{typeid(T), nullptr};
      if constexpr (requires { k.ref; }) {
        if (ex.has_value(k.ref)) o.value = std::make_shared<T>(k.take(ex));
      } else {
        o.value = std::make_shared<T>(k.value);
      }
      out.push_back(std::move(o));
    });
  };
  d->insert = [](trace& into, const void* result_record, const translation& translate, std::uint32_t first) {
    auto k = static_cast<const record*>(result_record)->kept.translated(translate);
    if constexpr (std::same_as<kept, kept_value<regular<R>>>)
      if (k.ref.entry >= first) return k.ref;
    return into.add(nullptr, make_record<regular<R>, kept>{std::move(k)});
  };
  d->graph = t.finish();
  d->spec = spec_of(d->graph);
  return d;
}

/// Compiles the graph that was traced, with what its body returned. Errors: `build_error`.
template <class R, class X>
std::shared_ptr<const graph_definition<R>> finish_graph(trace& t, std::optional<int> cap, X&& x) {
  constexpr bool is_kept = mentions_node<X> || is_copyable<std::remove_cvref_t<X>>;
  static_assert(
      is_kept, "aethergraph: a literal result of a graph is copied for each run, so its type must be copyable");
  if constexpr (is_kept) return make_definition<R>(t, cap, std::forward<X>(x));
  else return nullptr;
}

/// Puts a graph into the one that is being traced, as a sub-graph.
template <class... Inputs, class R, class... X>
traced_value insert_graph(trace& t, const graph_definition<R>& d, const X&... arguments) {
  const std::array<value_ref, sizeof...(X) + 1> refs{as_value<regular<Inputs>>(t, arguments)..., value_ref{}};
  return t.value(t.insert(*d.graph, refs.data(), [&](const translation& translate, std::uint32_t first) {
    return d.insert(t, d.graph->result, translate, first);
  }));
}

/// The body of a graph's run.
template <class R, class... Inputs>
class entry<graph_invocation<R(Inputs...)>> : public resulting<R>, receiver {
  using invocation_type = graph_invocation<R(Inputs...)>;

 public:
  explicit entry(invocation_type& i) noexcept
      : invocation_(i), executor_(i.definition_ ? i.definition_->graph : no_plan) {
    on_done = [](receiver& r) noexcept {
      auto& self = static_cast<entry&>(r);
      self.end();
      self.parent_->done();
    };
  }

  void declare(run_state& s) noexcept {
    if (invocation_.definition_ && !invocation_.was_run_) s.declare(executor_);
  }

  bool start(environment& e, receiver& r) noexcept {
    parent_ = &r;
    try {
      if (std::exchange(invocation_.was_run_, true) || !invocation_.definition_)
        throw error("this call of a graph was run before, or is a part of another graph; it can be run once");
      executor_.open(e, *this);
    } catch (...) {
      this->outcome.fail(std::current_exception());
      return true;
    }
    try {
      set_inputs(std::index_sequence_for<Inputs...>{});
    } catch (...) {
      this->outcome.fail(std::current_exception());
      executor_.leave();
      return true;
    }
    if (!executor_.start()) return false;
    end();
    return true;
  }

 private:
  template <std::size_t... I>
  void set_inputs(std::index_sequence<I...>) {
    (set_input(static_cast<std::uint32_t>(I), std::get<I>(invocation_.arguments_)), ...);
  }
  template <class T>
  void set_input(std::uint32_t index, T& argument) {
    ::new (executor_.slot(index)) T(std::move(argument));
    executor_.set_input(index);
  }
  void end() noexcept {
    const graph_definition<R>& d = *invocation_.definition_;
    try {
      std::exception_ptr failure = executor_.outcome();
      if (!failure) d.take(executor_, d.graph->result, this->outcome);
      else {
        this->outcome.fail(std::move(failure));
        d.leave_outputs(executor_, d.graph->result, executor_.run().outputs());
      }
    } catch (...) {
      if (!this->outcome.error()) this->outcome.fail(std::current_exception());
    }
    executor_.leave();
  }

  invocation_type& invocation_;
  graph_executor executor_;
  receiver* parent_ = nullptr;
};

template <class R, class... Inputs>
struct run_traits<graph_invocation<R(Inputs...)>> {
  using body = entry<graph_invocation<R(Inputs...)>>;
  static const tool_info* what(const graph_invocation<R(Inputs...)>& i) noexcept {
    return i.definition_ ? &i.definition_->graph->what : moved_from_invocation();
  }
  static std::optional<int> max_concurrency(const graph_invocation<R(Inputs...)>& i) noexcept {
    return i.definition_ ? i.definition_->max_concurrency : std::nullopt;
  }
  static durable_claim claim(const graph_invocation<R(Inputs...)>& i) {
    return {encode_compared(i.arguments_),
        i.definition_ ? structure_of(*i.definition_->graph, i.definition_->spec) : std::string()};
  }
};

template <class Signature>
class operation<graph_invocation<Signature>> : public run_operation<graph_invocation<Signature>> {
 public:
  explicit operation(graph_invocation<Signature>& i) noexcept
      : run_operation<graph_invocation<Signature>>(i, default_options) {}
};

}  // namespace aethergraph::detail
