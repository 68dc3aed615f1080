// run_operation<A>: a run of an awaitable, nested or as a root.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "aethergraph/detail/operation.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

/// What a run of an `A` is called, its own cap, and the operation that is its body. Specialised for invocations.
template <class A>
struct run_traits {
  using body = operation<A>;
  static std::string_view name(const A& a) noexcept {
    if constexpr (requires { a.tool_name(); }) return a.tool_name();
    else return "task";
  }
  static std::optional<int> max_concurrency(const A&) noexcept { return {}; }
};

template <class A>
class run_operation : receiver {
 public:
  using result_type = typename run_traits<A>::body::result_type;

  run_operation(A& a, const run_options& o)
      : state_(run_traits<A>::name(a), run_traits<A>::max_concurrency(a), o), body_(a) {
    on_done = [](receiver& r) noexcept {
      auto& self = static_cast<run_operation&>(r);
      self.end();
      self.parent_->done();
    };
  }
  run_operation(const run_operation&) = delete;
  run_operation& operator=(const run_operation&) = delete;

  /// Starts as a nested run. True: it has ended already.
  bool start(environment& outer, receiver& r) noexcept { return start_where(outer, r); }
  /// Starts as a root.
  bool start(loop& l, receiver& r) noexcept { return start_where(l, r); }

  result_type take() {
    if (failure_) std::rethrow_exception(failure_);
    return body_.take();
  }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return failure_; }
  void refuse(const std::exception_ptr& e) noexcept { failure_ = e; }

  [[nodiscard]] body_operation* waits_for() noexcept { return body_of(body_); }
  [[nodiscard]] run_state& state() noexcept { return state_; }

 private:
  template <class Where>
  bool start_where(Where& where, receiver& r) noexcept {
    parent_ = &r;
    try {
      state_.begin(where);
    } catch (...) {
      failure_ = std::current_exception();
      state_.close();
      return true;
    }
    if (!detail::begin(body_, state_, *this)) return false;
    end();
    return true;
  }

  void end() noexcept {
    failure_ = body_.error();
    state_.end(failure_);
  }

  run_state state_;
  typename run_traits<A>::body body_;
  receiver* parent_ = nullptr;
  std::exception_ptr failure_;
};

}  // namespace aethergraph::detail
