// run_operation<A>: a run of an awaitable, nested or as a root.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/codec_ops.hpp"
#include "aethergraph/detail/operation.hpp"
#include "aethergraph/detail/recorded_end.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/detail/tool_info.hpp"

namespace aethergraph::detail {

/// What a run of an `A` is called, its own cap, and the operation that is its body. Specialised for invocations.
template <class A>
struct run_traits {
  using body = operation<A>;
  static const tool_info* what(const A& a) noexcept {
    if constexpr (requires { a.info(); }) return a.info();
    else return anonymous_task();
  }
  static std::optional<int> max_concurrency(const A&) noexcept { return {}; }
  static durable_claim claim(const A& a) {
    if constexpr (requires { a.arguments_; }) return {encode_compared(a.arguments_), {}};
    else return {};
  }
};

/// Of a run that has none of its own.
inline constexpr run_options default_options{};

template <class A>
class run_operation : receiver {
 public:
  using result_type = typename run_traits<A>::body::result_type;

  /// Both outlive it.
  run_operation(A& a, const run_options& o) noexcept(std::is_nothrow_constructible_v<typename run_traits<A>::body, A&>)
      : awaited_(a), state_(run_traits<A>::what(a), run_traits<A>::max_concurrency(a), o), body_(a) {
    if constexpr (requires { body_.declare(state_); }) body_.declare(state_);
    on_done = [](receiver& r) noexcept {
      auto& self = static_cast<run_operation&>(r);
      if (self.ends_later()) return;
      self.end();
      self.parent_->done();
    };
  }
  run_operation(const run_operation&) = delete;
  run_operation& operator=(const run_operation&) = delete;

  /// Starts as a nested run. True: it has ended already.
  bool start(environment& outer, receiver& r) noexcept {
    make_node(outer, state_);
    return start_with(r, [&] {
      state_.begin(outer, number_);
      if (state_.durable()) end_ = state_.make_recorded_end();
      outer_->node_started(number_, what(), node_kind::run, made_in_);
    });
  }
  /// Starts as a root.
  bool start(loop& l, receiver& r) noexcept {
    return start_with(r, [&] {
      state_.begin(l);
      if (state_.options().store) begin_durable();
    });
  }
  /// Never starts: the scope that awaits it was asked to stop.
  void note_refused(environment& outer, const std::exception_ptr& why) noexcept {
    make_node(outer, *outer.cancellation);
    outer_->node_ended(number_, what(), node_kind::run, made_in_, why);
  }

  result_type take() {
    if (failure_) std::rethrow_exception(failure_);
    return body_.take();
  }
  /// The same as a value.
  result<result_type> take_result() noexcept {
    result<result_type> outcome;
    try {
      if (failure_) outcome.fail(failure_);
      else if constexpr (std::is_void_v<result_type>) outcome.emplace();
      else outcome.emplace(body_.take());
    } catch (...) {
      outcome.fail(std::current_exception());
    }
    return outcome;
  }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return failure_; }
  void refuse(const std::exception_ptr& e) noexcept { failure_ = e; }

  [[nodiscard]] body_operation* waits_for() noexcept { return body_of(body_); }
  [[nodiscard]] run_state& state() noexcept { return state_; }

 private:
  void make_node(environment& outer, const scope& live) noexcept {
    outer_ = &outer.cancellation->run();
    made_in_ = outer.steps;
    number_ = outer_->node_made(what(), node_kind::run, outer, live);
  }
  template <class Begin>
  bool start_with(receiver& r, Begin begin_state) noexcept {
    parent_ = &r;
    try {
      begin_state();
    } catch (...) {
      failure_ = std::current_exception();
      state_.close();
      end_node();
      return true;
    }
    if (has_ended_before_) [[unlikely]] {
      end();
      return true;
    }
    if (!detail::begin(body_, state_, *this) || ends_later()) return false;
    end();
    return true;
  }
  // Errors: those of opening the journal; `option_error`.
  void begin_durable() {
    const codec_ops* const codec = codec_of_result<result_type>();
    if (!codec) state_.refuse_without_codec();
    state_.begin_durable(run_traits<A>::claim(awaited_));
    if constexpr (requires { body_.outcome; })
      has_ended_before_ = state_.take_recorded_outcome(*codec, &body_.outcome, failure_);
    if (!has_ended_before_) end_ = state_.make_recorded_end();
  }
  // True: the journal is told first, and then goes on.
  bool ends_later() noexcept {
    if (!end_) [[likely]]
      return false;
    if constexpr (requires { body_.outcome; })
      end_->begin(body_.error(), [](void* op) {
        if constexpr (std::is_void_v<result_type>) return std::string("null");
        else
          return codec_of_result<result_type>()->encode(
              std::addressof(static_cast<run_operation*>(op)->body_.outcome.value()));
      }, [](void* op) noexcept {
        auto& self = *static_cast<run_operation*>(op);
        self.end();
        self.parent_->done();
      }, this);
    return true;
  }

  void end() noexcept {
    if (!has_ended_before_) failure_ = body_.error();
    state_.end(failure_);
    end_node();
  }
  void end_node() noexcept {
    if (outer_) outer_->node_ended(number_, what(), node_kind::run, made_in_, failure_);
  }
  [[nodiscard]] const tool_info& what() const noexcept { return state_.what(); }

  A& awaited_;
  run_state state_;
  typename run_traits<A>::body body_;
  receiver* parent_ = nullptr;
  std::exception_ptr failure_;
  // Of a nested one, as a node of the run that awaits it:
  run_state* outer_ = nullptr;
  sequence* made_in_ = nullptr;
  node_number number_ = no_node;
  // Of a durable one:
  std::unique_ptr<recorded_end> end_;
  bool has_ended_before_ = false;
};

}  // namespace aethergraph::detail
