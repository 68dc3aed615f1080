// as_completed: all of them, each handed on as soon as it has ended.
#pragma once

#include <exception>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/children.hpp"
#include "aethergraph/task.hpp"

namespace aethergraph {

namespace detail {

/// A scope whose children are handed out in the order in which they end.
// Invariant: pending_ counts the children that have not ended; the others stand in ended_ until next() has given them.
class completion_scope {
 public:
  using child_type = child_base<completion_scope>;

  template <class Child>
  void child_done(Child& c) noexcept {
    child_ended(c);
    if (waiting_) {
      receiver& r = *std::exchange(waiting_, nullptr);
      r.done();
    }
  }

  template <class Children>
  void open(environment& e, Children& children) {
    ended_ = fixed_array<child_type*>(children.size());
    pending_ = children.size();
    scope_.open(e);
    join_.open(scope_, e);
    std::size_t index = 0;
    for (auto& c : children)
      if (c.start(*this, index++, scope_)) child_ended(c);
  }
  void cancel() noexcept { scope_.cancel(cancelled_because(stop_reason::sibling_failed)); }
  void close() noexcept {
    scope_.close();
    join_.close();
  }

  [[nodiscard]] bool has_next() const noexcept { return given_ < ended_.size(); }
  [[nodiscard]] bool is_exhausted() const noexcept { return pending_ == 0 && !has_next(); }
  child_type* take_next() noexcept { return has_next() ? ended_[given_++] : nullptr; }
  void wait(receiver& r) noexcept { waiting_ = &r; }

 private:
  void child_ended(child_type& c) noexcept {
    --pending_;
    ended_.emplace_back(&c);
  }

  scope scope_;
  join join_;
  std::size_t pending_ = 0;
  fixed_array<child_type*> ended_;
  std::size_t given_ = 0;
  receiver* waiting_ = nullptr;
};

/// Awaited, opens the scope and starts all children.
template <class Children>
class open_completions {
 public:
  open_completions(completion_scope& s, Children& c) noexcept : scope_(s), children_(c) {}
  completion_scope& scope_;
  Children& children_;
};

template <class Children>
class operation<open_completions<Children>> : public resulting<void> {
 public:
  explicit operation(open_completions<Children>& o) noexcept : open_(o) {}
  bool start(environment& e, receiver&) noexcept {
    try {
      open_.scope_.open(e, open_.children_);
      outcome.emplace();
    } catch (...) {
      outcome.fail(std::current_exception());
    }
    return true;
  }

 private:
  open_completions<Children>& open_;
};

/// Awaited, gives the next child that has ended, or null when all were given. Begins even when the scope was stopped:
/// the children still have to be awaited.
class next_completion {
 public:
  explicit next_completion(completion_scope& s) noexcept : scope_(s) {}
  completion_scope& scope_;
};

template <>
class operation<next_completion> {
 public:
  using result_type = completion_scope::child_type*;
  static constexpr bool begins_when_stopped = true;

  explicit operation(next_completion& n) noexcept : scope_(n.scope_) {}
  bool start(environment&, receiver& r) noexcept {
    if (scope_.has_next() || scope_.is_exhausted()) return true;
    scope_.wait(r);
    return false;
  }
  result_type take() noexcept { return scope_.take_next(); }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return no_error; }

 private:
  completion_scope& scope_;
};

template <class A, class Fn>
task<> hand_out_completions(fixed_array<child<A, completion_scope>> children, Fn fn) {
  using child_type = child<A, completion_scope>;
  completion_scope all;
  co_await open_completions<fixed_array<child_type>>(all, children);
  std::exception_ptr failure;
  while (completion_scope::child_type* next = co_await next_completion(all)) {
    auto& c = static_cast<child_type&>(*next);
    if (failure) continue;
    try {
      if constexpr (std::is_void_v<typename child_type::result_type>) {
        c.take();
        if constexpr (awaitable<std::invoke_result_t<Fn&>>) co_await fn();
        else fn();
      } else {
        if constexpr (awaitable<std::invoke_result_t<Fn&, typename child_type::result_type>>) co_await fn(c.take());
        else fn(c.take());
      }
    } catch (...) {
      failure = std::current_exception();
      all.cancel();
    }
  }
  all.close();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace detail

/// Awaited in a task, runs all elements of a range at the same time (tool calls under the cap) and hands each result to
/// `fn` as soon as it is there. `fn` may be a coroutine that returns a `task<>`; it is called one at a time.
///
/// Errors: on a failure of an element or of `fn` the rest is cancelled and awaited, then the failure is thrown.
/// Cancellation: reaches all elements. Slot: none of its own.
template <detail::awaitable_range R, class Fn>
task<> as_completed(R&& range, Fn fn) {
  detail::check_range<R>();
  using A = detail::range_awaitable_t<R>;
  return detail::hand_out_completions<A, Fn>(
      detail::collect<detail::child<A, detail::completion_scope>, A>(std::forward<R>(range)), std::move(fn));
}

}  // namespace aethergraph
