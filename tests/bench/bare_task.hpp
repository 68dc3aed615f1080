// bare_task: the least that a lazy coroutine with a result can be. It knows no exceptions, no executor, no
// cancellation.
#pragma once

#include <coroutine>
#include <exception>
#include <utility>

namespace bench {

/// The two ways for a child to go on with its parent. Which is faster depends on compiler and processor.
enum class resumption {
  transfer,  ///< child and parent jump to each other, by symmetric transfer
  flag       ///< the parent resumes the child, and sees by a flag whether it has ended
};

template <class T, resumption How>
class [[nodiscard]] bare_task {
 public:
  struct promise_type {
    T value{};
    std::coroutine_handle<> parent = std::noop_coroutine();
    bool is_parent_here = false;  // the parent stands in await_suspend, and will go on by itself

    struct final_awaiter {
      bool await_ready() const noexcept { return false; }
      auto await_suspend(std::coroutine_handle<promise_type> h) const noexcept {
        promise_type& p = h.promise();
        if constexpr (How == resumption::transfer) return p.parent;
        else if (!std::exchange(p.is_parent_here, false)) p.parent.resume();
      }
      void await_resume() const noexcept {}
    };

    bare_task get_return_object() noexcept { return bare_task(handle::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    final_awaiter final_suspend() const noexcept { return {}; }
    void return_value(T v) noexcept { value = v; }
    void unhandled_exception() const noexcept { std::terminate(); }
  };

  bare_task(bare_task&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
  bare_task& operator=(bare_task&&) = delete;
  ~bare_task() {
    if (handle_) handle_.destroy();
  }

  /// Runs it from ordinary code. It must not wait for anything.
  T run() {
    handle_.resume();
    return handle_.promise().value;
  }

  bool await_ready() const noexcept { return false; }
  auto await_suspend(std::coroutine_handle<> parent) noexcept {
    promise_type& p = handle_.promise();
    p.parent = parent;
    if constexpr (How == resumption::transfer) {
      return handle_;
    } else {
      p.is_parent_here = true;
      handle_.resume();
      return std::exchange(p.is_parent_here, false);  // still set: the child waits for something
    }
  }
  T await_resume() const noexcept { return handle_.promise().value; }

 private:
  using handle = std::coroutine_handle<promise_type>;
  explicit bare_task(handle h) noexcept : handle_(h) {}

  handle handle_;
};

}  // namespace bench
