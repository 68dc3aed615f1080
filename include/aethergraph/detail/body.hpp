// The protocol between whoever awaits and what is awaited: receivers, operations, and coroutine bodies.
//
// An operation is one awaiting of one awaitable. It lives in the frame (or the array) of whoever awaits and has
//   bool start(environment&, receiver&) noexcept   true: it has ended already; false: the receiver will be told
//   R take()                                       its value or exception, once it has ended
//   const std::exception_ptr& error() const        null if it ended with a value
//   body_operation* waits_for()                    optional: the coroutine that it waits for, see destroy_body
// Receivers are told by the loop only, never from inside another completion: that is what keeps the stack flat.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>

#include "aethergraph/detail/frame_allocator.hpp"
#include "aethergraph/detail/loop.hpp"
#include "aethergraph/detail/scope.hpp"
#include "aethergraph/result.hpp"

namespace aethergraph::detail {

/// Whoever is told that an operation has ended.
struct receiver {
  void (*on_done)(receiver&) noexcept = nullptr;
  void done() noexcept { on_done(*this); }
};

struct promise_base;

enum class body_phase : std::uint8_t { starting, ended, suspended };

/// An operation whose work is a coroutine: a task, a tool's body, the body of a run.
struct body_operation : ready_item {
  receiver* parent;
  promise_base* promise = nullptr;  // owned; null when there is no coroutine (any more)
  // Called in the coroutine's last step, if it had suspended: gives back what the body held, then makes this ready.
  void (*on_body_end)(body_operation&) noexcept;
  body_phase phase = body_phase::starting;

  body_operation() noexcept {}  // what has no initialiser is set when it starts
  body_operation(const body_operation&) = delete;
  body_operation& operator=(const body_operation&) = delete;
  ~body_operation() {
    if (promise) [[unlikely]]
      destroy_body(*this);
  }

  /// Runs the coroutine until it ends or suspends. True: it has ended, and its frame is gone.
  bool start_body(promise_base& p, environment& e, loop& l) noexcept;
  /// As a ready item: the body has ended; destroys its frame and tells the receiver.
  static void finish(ready_item& i) noexcept;

 private:
  /// Destroys a suspended coroutine, and first those that it waits for, innermost first, without recursion.
  static void destroy_body(body_operation& outermost) noexcept;
};

/// The type-independent part of a task's promise.
// Invariant: waiting_for is what the coroutine is suspended in, if that is itself a coroutine.
struct promise_base : receiver, ready_item {
  environment* surroundings;  // set when the coroutine starts
  body_operation* operation;  // likewise
  body_operation* waiting_for = nullptr;

  [[gnu::always_inline]] static void* operator new(std::size_t size) { return allocate_frame(size); }
  [[gnu::always_inline]] static void operator delete(void* p, std::size_t size) noexcept { free_frame(p, size); }

  [[nodiscard]] std::coroutine_handle<promise_base> handle() noexcept {
    return std::coroutine_handle<promise_base>::from_promise(*this);
  }

  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct final_awaiter {
    bool await_ready() const noexcept { return false; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> h) const noexcept {
      body_operation& op = *h.promise().operation;
      h.promise().waiting_for = nullptr;  // it may lie there for a while, until its frame is destroyed
      if (op.phase == body_phase::starting) op.phase = body_phase::ended;
      else op.on_body_end(op);
    }
    void await_resume() const noexcept {}
  };
  final_awaiter final_suspend() const noexcept { return {}; }
};

inline bool body_operation::start_body(promise_base& p, environment& e, loop& l) noexcept {
  promise = &p;
  phase = body_phase::starting;
  p.surroundings = &e;
  p.operation = this;
  {
    const loop::nested_start guard(l);
    p.handle().resume();
  }
  if (phase == body_phase::ended) {
    promise = nullptr;
    p.handle().destroy();
    return true;
  }
  phase = body_phase::suspended;
  return false;
}

}  // namespace aethergraph::detail
