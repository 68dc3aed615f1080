// call: one calling of a tool, before and while it runs.
#pragma once

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "aethergraph/context.hpp"
#include "aethergraph/detail/apply.hpp"
#include "aethergraph/detail/call_control.hpp"
#include "aethergraph/detail/codec_ops.hpp"
#include "aethergraph/detail/crew.hpp"
#include "aethergraph/detail/immediate.hpp"
#include "aethergraph/detail/signature.hpp"
#include "aethergraph/detail/worker_body.hpp"
#include "aethergraph/node.hpp"
#include "aethergraph/use_task.hpp"

namespace aethergraph {

namespace detail {
/// Records a call in a trace. Defined in call_record.hpp.
template <class R, class F, class... Args>
traced_value record_call(
    trace& t, const tool_info& tool, const kept_callable<F>& callable, const std::tuple<Args...>& arguments);
}  // namespace detail

/// What calling a tool gives: nothing has happened yet. Awaited in a `task`, it runs.
///
/// It owns decayed copies of its arguments and what it needs of the tool, so it may outlive both.
///
/// Errors: what the tool's body throws reaches the `co_await`; a tool with bad options, `option_error`; awaited a
/// second time, `error`. Cancellation: a call that waits for a slot leaves the queue and throws `cancelled`, its body
/// never starts; a body that runs is asked to stop, and awaited. Slot: one while the body runs, lent to the calls that
/// the body awaits (see docs/guide/concurrency.md). Made while a graph is traced, it is a node of that graph instead.
/// Awaited from a `boost::asio::awaitable`, it runs at once, in no run
/// and under no cap (immediate mode).
template <class R, class... Args, class F>
class [[nodiscard("a call does nothing until it is awaited, or used in a graph")]] call<R(Args...), F>
    : public traced_operations<call<R(Args...), F>> {
 public:
  using value_type = R;

  template <class... A>
  call(const detail::tool_info* info, const detail::kept_callable<F>& f, A&&... a)
      : info_(info), callable_(f), arguments_(std::forward<A>(a)...) {
    if (detail::trace* t = detail::trace::current()) [[unlikely]]
      record(*t);
  }
  call(call&& o) noexcept(std::is_nothrow_move_constructible_v<std::tuple<Args...>>)
      : traced_operations<call>(o),
        info_(o.info_),
        callable_(o.callable_),
        arguments_(std::move(o.arguments_)),
        is_used_up_(std::exchange(o.is_used_up_, true)) {}
  call& operator=(call&& o) noexcept(std::is_nothrow_move_assignable_v<std::tuple<Args...>>) {
    this->set_traced(detail::traced_value_of(o));
    info_ = o.info_;
    callable_ = o.callable_;
    arguments_ = std::move(o.arguments_);
    is_used_up_ = std::exchange(o.is_used_up_, true);
    return *this;
  }
  /// While a graph is traced, `auto a = work(1); a = work(a);` means: from here on, that node.
  call& operator=(const node<R>& n) {
    this->set_traced(detail::traced_value_of(n));
    is_used_up_ = true;
    return *this;
  }

  /// The same with these options in place of the tool's.
  call& with(const tool_options& options) & {
    info_ = this->tool_with(info_, options);
    return *this;
  }
  call&& with(const tool_options& options) && { return std::move(this->with(options)); }

  /// The name of the tool.
  [[nodiscard]] std::string_view tool_name() const noexcept { return info_->name; }

  /// Immediate mode: initiates the call as an Asio operation.
  template <class Token>
    requires boost::asio::completion_token_for<Token, detail::immediate_signature<R>>
  auto operator()(Token&& token) && {
    return detail::run_immediately(std::move(*this), std::forward<Token>(token));
  }

 private:
  friend detail::operation<call>;
  friend detail::run_traits<call>;
  [[nodiscard]] const detail::tool_info* info() const noexcept { return info_; }
  void record(detail::trace& t) {
    is_used_up_ = true;  // it is a node
    this->set_traced(detail::record_call<R, F, Args...>(t, *info_, callable_, arguments_));
  }

  const detail::tool_info* info_;
  [[no_unique_address]] detail::kept_callable<F> callable_;
  [[no_unique_address]] std::tuple<Args...> arguments_;
  bool is_used_up_ = false;  // awaited, or moved from
};

namespace detail {

template <class R, class... Args, class F>
class operation<call<R(Args...), F>> : public call_state, public resulting<R> {
  using call_type = call<R(Args...), F>;
  using traits = callable_traits<F>;
  using raw = typename traits::raw;

 public:
  explicit operation(call_type& c) noexcept : call_(c) {}

  bool start(environment& e, receiver& r) noexcept {
    if (!prepare(e, r)) [[unlikely]]
      return start_with_care();
    scheduler& slots = cancellation->run().slots;
    if (!slots.acquire(*this)) {
      slots.wait(*this, call_.info_->priority, &slot_granted, &cancelled_while_waiting);
      return false;
    }
    return start_with_slot(cancellation->home());
  }
  /// The same of a call without a caller, for which whoever starts it has taken a slot.
  bool start_granted(environment& e, receiver& r) noexcept {
    if (prepare(e, r)) [[likely]]
      return start_with_slot(cancellation->home());
    return start_with_care(true);
  }
  /// Never starts: the scope that awaits it was asked to stop.
  void note_refused(environment& e, const std::exception_ptr& why) noexcept {
    make_node(e);
    end_node(why);
  }

 private:
  struct no_context {
    no_context(const environment*, const tool_info*) noexcept {}
  };
  struct no_spawned {};
  struct no_worker {};  // of another type, since two empty objects of the same would need two places

  // False: it is more than one running of a body, needs more than a slot, or cannot run.
  bool prepare(environment& e, receiver& r) noexcept {
    make_node(e);
    parent = &r;
    current_call = this;
    caller = e.current_call;
    on_body_end = &body_ended;
    if (call_.is_used_up_ || call_.info_->needs_care || cancellation->run().has_gates()) [[unlikely]]
      return false;
    call_.is_used_up_ = true;
    return true;
  }
  // True: it has failed already.
  bool start_with_care(bool has_slot = false) noexcept {
    const tool_info& tool = *call_.info_;
    if (std::exchange(call_.is_used_up_, true) || !tool.problem.empty()) {
      fail_at_once();
    } else {
      try {
        if (!(is_copyable<Args> && ...) && tool.controls && tool.controls->retry.max_attempts > 1) refuse_retries(tool);
        control = new call_control(*this, tool, hooks);
      } catch (...) {
        this->outcome.fail(std::current_exception());
        note_end();
      }
    }
    if (!control) {
      if (has_slot) release(home_loop());
      return true;
    }
    on_body_end = &attempt_ended;
    control->begin(has_slot);
    return false;
  }
  static void attempt_ended(body_operation& op) noexcept {
    static_cast<operation&>(op).home_loop().make_ready(op, &finish_attempt);
  }
  static void finish_attempt(ready_item& i) noexcept {
    auto& self = static_cast<operation&>(i);
    if (self.promise) std::exchange(self.promise, nullptr)->handle().destroy();
    self.control->body_ended();
  }
  [[nodiscard]] loop& home_loop() const noexcept { return cancellation->home(); }
  bool start_with_slot(loop& l) noexcept {
    if (!l.may_start_here()) [[unlikely]] {
      l.make_ready(*this, &slot_granted);
      return false;
    }
    if (!run_attempt(l, false)) return false;
    note_end();
    release(l);
    return true;
  }
  void make_node(environment& e) noexcept {
    cancellation = e.cancellation;
    made_in = e.steps;
    number = cancellation->run().node_made(*call_.info_, node_kind::call, e, *cancellation);
  }
  void end_node(const std::exception_ptr& cause) noexcept {
    cancellation->run().node_ended(number, *call_.info_, node_kind::call, made_in, cause);
  }

  // `keeps_arguments`: they are wanted for another attempt.
  bool run_attempt(loop& l, bool keeps_arguments) noexcept {
    cancellation->run().node_started(number, *call_.info_, node_kind::call, made_in);
    ::new (&body) calling_body;
    if (made_in) steps = ::new (&body.steps) sequence{.within = number};
    try {
      if constexpr (is_task<raw>) {
        raw t = invoke(keeps_arguments);
        if (!t.promise_) refuse_awaited_task(*call_.info_);
        auto& p = *std::exchange(t.promise_, nullptr);
        p.outcome = &this->outcome;
        if (!start_body(p, *this, l)) return false;
      } else if constexpr (is_asio_awaitable<raw>) {
        raw a = invoke(keeps_arguments);
        spawned_.emplace(*this, a);
        if (!spawned_->start()) return false;
      } else if (cancellation->run().is_parallel() || (call_.info_->workers && !l.runs_workers_inline())) {
        start_on_worker(l, keeps_arguments);
        return false;
      } else if constexpr (std::is_void_v<R>) {
        invoke(keeps_arguments);
        this->outcome.emplace();
      } else {
        this->outcome.emplace(invoke(keeps_arguments));
      }
    } catch (...) {
      this->outcome.fail(std::current_exception());
    }
    return true;
  }

  raw invoke(bool keeps_arguments) {
    if constexpr ((is_copyable<Args> && ...))
      if (keeps_arguments) [[unlikely]]
        return detail::apply_to(call_.arguments_, [this](const Args&... a) -> raw { return invoke_with(Args(a)...); });
    return detail::apply_to(call_.arguments_, [this](Args&... a) -> raw { return invoke_with(std::move(a)...); });
  }
  raw invoke_with(Args&&... a) {
    if constexpr (traits::wants_context) return (*call_.callable_)(context_, std::move(a)...);
    else return (*call_.callable_)(std::move(a)...);
  }
  static operation& of(call_state& c) noexcept { return static_cast<operation&>(c); }
  static bool run_body_again(call_state& c, bool keeps_arguments) noexcept {
    return of(c).run_attempt(of(c).home_loop(), keeps_arguments);
  }
  static const std::exception_ptr& error_of(call_state& c) noexcept { return of(c).outcome.error(); }
  static void fail_with(call_state& c, std::exception_ptr e) noexcept { of(c).outcome.fail(std::move(e)); }
  static void note_end_of(call_state& c) noexcept { of(c).note_end(); }
  static std::string arguments_of(call_state& c) { return encode_compared(of(c).call_.arguments_); }
  static std::string value_of(call_state& c) {
    const codec_ops& codec = *codec_of_result<R>();
    if constexpr (std::is_void_v<R>) return codec.encode(nullptr);
    else return codec.encode(std::addressof(of(c).outcome.value()));
  }
  static void restore(call_state& c, std::string_view json) { codec_of_result<R>()->decode(json, &of(c).outcome); }
  static constexpr attempt_hooks hooks{
      &run_body_again, &error_of, &fail_with, &note_end_of, &arguments_of, &codec_of_result<R>, &value_of, &restore};

  void fail_at_once() noexcept {
    const tool_info& tool = *call_.info_;
    this->outcome.fail(unusable_call(tool, traced_value_of(call_).trace != 0));
    end_node(this->outcome.error());
  }

  // This and `release` are inlined for the call that does not suspend; all others end by way of `end_body`.
  [[gnu::always_inline]] void note_end() noexcept {
    if (this->outcome.error()) [[unlikely]]
      cancellation->run().note_failure(*this, *call_.info_, this->outcome.error());
    end_node(this->outcome.error());
  }
  /// The body never starts: the scope was asked to stop.
  void skip() noexcept {
    this->outcome.fail(cancellation->stop_error());
    end_node(this->outcome.error());
  }

  [[gnu::always_inline]] void release(loop& l) noexcept { cancellation->run().slots.release(*this, l); }
  // The slot first, then whoever awaits: both by way of the ready list.
  void give_back() noexcept {
    loop& l = cancellation->home();
    release(l);
    l.make_ready(*this, &body_operation::finish);
  }
  void end_body() noexcept {
    note_end();
    give_back();
  }
  static void body_ended(body_operation& op) noexcept { static_cast<operation&>(op).end_body(); }
  static void slot_granted(ready_item& i) noexcept {
    auto& self = static_cast<operation&>(i);
    if (self.cancellation->is_stopped()) {
      self.skip();
      self.give_back();
    } else if (self.run_attempt(self.cancellation->home(), false)) {
      self.end_body();
    }
  }
  static void cancelled_while_waiting(cancellable_wait& w) noexcept {
    auto& self = static_cast<operation&>(call_state::of(w));
    self.cancellation->run().slots.leave(self);
    self.skip();
    self.cancellation->home().make_ready(self, &body_operation::finish);
  }

  void start_on_worker(loop& l, bool keeps_arguments) {
    worker_ = std::make_unique<worker_body>(*this, keeps_arguments, &run_on_worker);
    if constexpr (traits::wants_context) {
      worker_->may_wait_for_stop = true;
      context_.worker_stop_ = &worker_->stop_flag;
    }
    l.workers().start(*worker_);
    cancellation->add_wait(*worker_, on_worker_thread, this);
  }
  static void run_on_worker(call_state& c, bool keeps_arguments) noexcept {
    auto& self = static_cast<operation&>(c);
    try {
      if constexpr (std::is_void_v<R>) {
        self.invoke(keeps_arguments);
        self.outcome.emplace();
      } else {
        self.outcome.emplace(self.invoke(keeps_arguments));
      }
    } catch (...) {
      self.outcome.fail(std::current_exception());
    }
  }
  using worker_if_plain =
      std::conditional_t<is_task<raw> || is_asio_awaitable<raw>, no_worker, std::unique_ptr<worker_body>>;

  /// A body that is a coroutine of Asio's.
  template <class Raw>
  class spawned_body : public receiver {
   public:
    spawned_body(operation& owner, Raw& a) noexcept : owner_(owner), spawned_(a) {
      on_done = [](receiver& r) noexcept {
        auto& self = static_cast<spawned_body&>(r);
        self.take_outcome();
        self.owner_.on_body_end(self.owner_);
      };
    }
    bool start() noexcept {
      const bool ended = spawned_.start(owner_, *this);
      if (ended) take_outcome();
      return ended;
    }

   private:
    void take_outcome() noexcept {
      try {
        if (spawned_.error()) owner_.outcome.fail(spawned_.error());
        else if constexpr (std::is_void_v<R>) owner_.outcome.emplace();
        else owner_.outcome.emplace(spawned_.take());
      } catch (...) {
        owner_.outcome.fail(std::current_exception());
      }
    }
    operation& owner_;
    detail::operation<Raw> spawned_;
  };
  template <class Raw>
  using spawned_if = std::conditional_t<is_asio_awaitable<Raw>, std::optional<spawned_body<Raw>>, no_spawned>;

  call_type& call_;
  [[no_unique_address]] std::conditional_t<traits::wants_context, context, no_context> context_{this, call_.info_};
  [[no_unique_address]] spawned_if<raw> spawned_;
  [[no_unique_address]] worker_if_plain worker_;
};

}  // namespace detail
}  // namespace aethergraph

#include "aethergraph/detail/call_record.hpp"
