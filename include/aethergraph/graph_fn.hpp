// graph_fn: an agent, a named coroutine whose invocations are runs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "aethergraph/context.hpp"
#include "aethergraph/detail/apply.hpp"
#include "aethergraph/detail/run_operation.hpp"
#include "aethergraph/detail/signature.hpp"
#include "aethergraph/node.hpp"
#include "aethergraph/task.hpp"

namespace aethergraph {

namespace detail {

/// What all invocations of an agent share.
template <class F>
struct agent_definition {
  const tool_info* info;
  std::optional<int> max_concurrency;
  F body;
};

/// Records an agent's run in a trace. Defined in run_record.hpp.
template <class R, class F, class... Args>
traced_value record_run(
    trace& t, const std::shared_ptr<const agent_definition<F>>& d, const std::tuple<Args...>& arguments);
template <class R, class F, class... Args, class... X>
node<R> record_run_of_nodes(list<Args...>, const std::shared_ptr<const agent_definition<F>>& d, X&&... arguments);

}  // namespace detail

/// What calling an agent gives: nothing has happened yet. `run`, `run_async` and `try_run` execute it; awaited in a
/// task, it is a nested run with its own cap. Made while a graph is traced, it is a node of that graph instead.
///
/// It owns decayed copies of its arguments, and may outlive its `graph_fn`. It runs once.
/// Errors, cancellation: as for `run`. Slot: none in the run that awaits it.
template <class R, class... Args, class F>
class [[nodiscard("an invocation does nothing until it is run or awaited")]] invocation<R(Args...), F>
    : public traced_operations<invocation<R(Args...), F>> {
 public:
  using value_type = R;

  template <class... A>
  explicit invocation(std::shared_ptr<const detail::agent_definition<F>> definition, A&&... a)
      : definition_(std::move(definition)), arguments_(std::forward<A>(a)...) {
    if (detail::trace* t = detail::trace::current()) [[unlikely]] {
      this->set_traced(detail::record_run<R, F, Args...>(*t, definition_, arguments_));
      was_run_ = true;  // it is a node
    }
  }
  invocation(invocation&&) = default;
  invocation& operator=(invocation&&) = default;

 private:
  friend detail::entry<invocation>;
  friend detail::run_traits<invocation>;

  std::shared_ptr<const detail::agent_definition<F>> definition_;
  [[no_unique_address]] std::tuple<Args...> arguments_;
  bool was_run_ = false;
};

namespace detail {

/// The body of an agent's run.
template <class R, class... Args, class F>
class entry<invocation<R(Args...), F>> : public body_operation, public resulting<R> {
  using invocation_type = invocation<R(Args...), F>;

 public:
  explicit entry(invocation_type& i) noexcept : invocation_(i) {}

  bool start(environment& e, receiver& r) noexcept {
    parent = &r;
    run_ = static_cast<scope*>(&e);
    on_body_end = [](body_operation& op) noexcept {
      static_cast<entry&>(op).run_->home().make_ready(op, &body_operation::finish);
    };
    if (run_->home().may_start_here()) [[likely]]
      return start_here();
    run_->home().make_ready(*this, [](ready_item& i) noexcept {
      auto& self = static_cast<entry&>(i);
      if (self.run_->is_stopped()) self.outcome.fail(self.run_->stop_error());
      else if (!self.start_here()) return;
      self.parent->done();
    });
    return false;
  }

 private:
  bool start_here() noexcept {
    try {
      if (std::exchange(invocation_.was_run_, true) || !invocation_.definition_)
        throw error(
            traced_value_of(invocation_).trace != 0
                ? "this invocation was made while a graph was traced, so it is a node of that graph and cannot be run"
                : "this invocation was run before; an invocation can be run once");
      context_.surroundings_ = run_;
      task<R> t = detail::apply_to(invocation_.arguments_, [this](Args&... a) -> task<R> {
        const F& body = invocation_.definition_->body;
        if constexpr (callable_traits<F>::wants_context) return body(context_, std::move(a)...);
        else return body(std::move(a)...);
      });
      if (!t.promise_) throw error("the function of a graph_fn returned a task that was awaited before");
      auto& p = *std::exchange(t.promise_, nullptr);
      p.outcome = &this->outcome;
      return start_body(p, *run_, run_->home());
    } catch (...) {
      this->outcome.fail(std::current_exception());
      return true;
    }
  }

  invocation_type& invocation_;
  scope* run_ = nullptr;
  context context_{nullptr, nullptr};
};

template <class Signature, class F>
struct run_traits<invocation<Signature, F>> {
  using body = entry<invocation<Signature, F>>;
  static const tool_info* what(const invocation<Signature, F>& i) noexcept {
    return i.definition_ ? i.definition_->info : moved_from_invocation();
  }
  static std::optional<int> max_concurrency(const invocation<Signature, F>& i) noexcept {
    return i.definition_ ? i.definition_->max_concurrency : std::nullopt;
  }
  static durable_claim claim(const invocation<Signature, F>& i) { return {encode_compared(i.arguments_), {}}; }
};

template <class Signature, class F>
class operation<invocation<Signature, F>> : public run_operation<invocation<Signature, F>> {
 public:
  explicit operation(invocation<Signature, F>& i) noexcept
      : run_operation<invocation<Signature, F>>(i, default_options) {}
};

template <class F, class Signature = typename callable_traits<F>::signature>
class graph_fn_base;

template <class F, class R, class... Args>
class graph_fn_base<F, R(Args...)> {
  using parameters = list<Args...>;

 public:
  using result_type = R;
  using invocation_type = invocation<R(Args...), F>;

  /// An invocation with these arguments.
  invocation_type operator()(Args... args) const { return invocation_type{definition_, std::forward<Args>(args)...}; }
  /// The same with nodes among the arguments, while a graph is traced: a node of it, a nested run.
  template <class... X>
    requires any_node<list<X...>>
  node<R> operator()(X&&... arguments) const {
    check_arguments(list<X...>{}, parameters{});
    return record_run_of_nodes<R>(parameters{}, definition_, std::forward<X>(arguments)...);
  }
  /// Arguments that fit no parameters: says what is wrong.
  template <class... X>
    requires misfit<list<X...>, parameters>
  after_an_error operator()(X&&...) const {
    check_arguments(list<X...>{}, parameters{});
    return {};
  }

  [[nodiscard]] std::string_view name() const noexcept { return definition_->info->name; }

 protected:
  friend const tool_info& tool_info_of(const graph_fn_base& f) noexcept { return *f.definition_->info; }
  template <boundary_names... Names>
  graph_fn_base(std::string_view name, F f, const graph_fn_options& o, Names... names)
      : definition_(new agent_definition<F>{
            intern_tool(name, {.version = o.version}, boundary(sizeof...(Args), parts_of<R>, std::move(names)...)),
            o.max_concurrency, std::move(f)}) {}

 private:
  std::shared_ptr<const agent_definition<F>> definition_;
};

}  // namespace detail

/// An agent: a named coroutine function. Each tool call in it passes the cap of its run; other awaits run directly.
///
/// The function returns `task<R>`; parameters as for `tool`, a first `ag::context&` is injected.
/// Calling it gives an `invocation`.
/// Errors: an empty name or a cap below 1 is an `option_error` of the first run, never of the constructor.
/// Thread safety: immutable; may be called from any thread.
template <class F>
class graph_fn : public detail::graph_fn_base<F> {
 public:
  graph_fn(std::string_view name, F f, const graph_fn_options& options = {})
      : detail::graph_fn_base<F>(name, std::move(f), options) {
    detail::check_callable<F>();
    static_assert(detail::is_task<typename detail::callable_traits<F>::raw>,
        "aethergraph: a graph_fn's function must be a coroutine that returns ag::task<R>");
  }
  /// With names for its parameters and its result.
  template <detail::boundary_names... Names>
    requires(sizeof...(Names) > 0)
  graph_fn(std::string_view name, F f, const graph_fn_options& options, Names... names)
      : detail::graph_fn_base<F>(name, std::move(f), options, std::move(names)...) {
    detail::check_callable<F>();
    static_assert(detail::is_task<typename detail::callable_traits<F>::raw>,
        "aethergraph: a graph_fn's function must be a coroutine that returns ag::task<R>");
  }
  template <detail::boundary_names... Names>
    requires(sizeof...(Names) > 0)
  graph_fn(std::string_view name, F f, Names... names)
      : graph_fn(name, std::move(f), graph_fn_options{}, std::move(names)...) {}
};
template <class F>
graph_fn(std::string_view, F, graph_fn_options = {}) -> graph_fn<F>;
template <class F, detail::boundary_names... Names>
  requires(sizeof...(Names) > 0)
graph_fn(std::string_view, F, Names...) -> graph_fn<F>;
template <class F, detail::boundary_names... Names>
  requires(sizeof...(Names) > 0)
graph_fn(std::string_view, F, graph_fn_options, Names...) -> graph_fn<F>;

}  // namespace aethergraph

#include "aethergraph/detail/run_record.hpp"
