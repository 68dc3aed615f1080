// task_group and with_group: a scope into which a body spawns as it goes.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/children.hpp"
#include "aethergraph/task.hpp"

namespace aethergraph {

namespace detail {
template <class Body>
class with_group_awaitable;
}

/// The children of a `with_group` body.
///
/// Thread safety: on the strand of its run. It may be handed to children, which may spawn in turn.
class task_group {
 public:
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;

  /// Starts an awaitable (a call, a task, an invocation…) beside the body, as soon as the body suspends. Its value is
  /// dropped.
  /// Errors: its failure cancels the group, and is thrown by `with_group`.
  /// Cancellation: with the group; what is spawned after that never starts.
  template <class A>
  void spawn(A&& a) {
    detail::check_consumable<A>();
    if constexpr (detail::consumable<A>) add(*new spawned<std::remove_cvref_t<A>>(*this, std::move(a)));
  }

  /// Spawned children that have not ended.
  [[nodiscard]] std::size_t pending() const noexcept { return spawned_; }

 private:
  template <class>
  friend class detail::operation;
  template <class, class>
  friend class detail::child;

  /// One child, on the heap, in the group's list until it has ended.
  struct spawned_base : detail::ready_item {
    spawned_base* previous = nullptr;
    spawned_base* next = nullptr;
    task_group* group = nullptr;
    std::size_t order = 0;  // 1, 2, …; the body of the group is its child 0

    spawned_base() = default;
    spawned_base(const spawned_base&) = delete;
    spawned_base& operator=(const spawned_base&) = delete;
    virtual ~spawned_base() = default;
  };

  template <class A>
  struct spawned final : spawned_base {
    static void* operator new(std::size_t size) { return detail::allocate_frame(size); }
    static void operator delete(void* p, std::size_t size) noexcept { detail::free_frame(p, size); }

    spawned(task_group& g, A&& a) : work(std::move(a)) {
      group = &g;
      on_ready = [](detail::ready_item& i) noexcept {
        auto& self = static_cast<spawned&>(i);
        if (self.work.start(self, self.order, self.group->scope_)) self.child_done(self.work);
      };
    }
    template <class Child>
    void child_done(Child& c) noexcept {
      group->spawned_ended(*this, c.error());
    }

    detail::child<A, spawned> work;
  };

  task_group() noexcept = default;
  ~task_group();

  void open(detail::environment& e, detail::receiver& r) noexcept;
  void add(spawned_base& s) noexcept;
  void spawned_ended(spawned_base& s, const std::exception_ptr& error) noexcept;
  /// The body has ended. True: so have all children.
  [[nodiscard]] bool body_ended(const std::exception_ptr& error) noexcept;
  void finish() noexcept;

  // Invariant: spawned_ is the length of the list at first_; the scope is open until the body and all spawned have
  // ended.
  detail::scope scope_;
  detail::join join_;
  detail::receiver* parent_ = nullptr;
  spawned_base* first_ = nullptr;
  std::size_t spawned_ = 0;
  std::size_t last_order_ = 0;
  detail::first_failure failure_;
  bool has_body_ended_ = false;
};

namespace detail {

template <class Body>
class [[nodiscard("nothing runs until this is awaited")]] with_group_awaitable {
 public:
  explicit with_group_awaitable(Body b) : body_(std::move(b)) {}

 private:
  friend operation<with_group_awaitable>;
  Body body_;
};

template <class Body>
class operation<with_group_awaitable<Body>> {
  using task_type = std::invoke_result_t<Body&, task_group&>;

 public:
  using result_type = await_result_t<task_type>;

  explicit operation(with_group_awaitable<Body>& w) noexcept : body_(w.body_) {}

  bool start(environment& e, receiver& r) noexcept {
    parent_ = &r;
    group_.open(e, r);
    try {
      work_.emplace(body_(group_));
    } catch (...) {
      return group_.body_ended(std::current_exception());
    }
    if (!work_->start(*this, 0, group_.scope_)) return false;
    return group_.body_ended(work_->error());
  }
  template <class Child>
  void child_done(Child& c) noexcept {
    if (group_.body_ended(c.error())) parent_->done();
  }
  result_type take() {
    if (error()) std::rethrow_exception(error());
    return work_->take();
  }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return group_.failure_.error(); }
  void refuse(const std::exception_ptr& e) noexcept { group_.failure_.refuse(e); }

 private:
  Body& body_;
  receiver* parent_ = nullptr;
  std::optional<child<task_type, operation>> work_;
  task_group group_;
};

}  // namespace detail

/// Awaited in a task, runs `body(group)`, a coroutine that may spawn children into the group; ends when the body and
/// all children have ended, and gives what the body returned.
///
/// Errors: the first failure of the body or a child cancels the others; it is thrown when all have ended.
/// Cancellation: reaches the body and all children. Slot: none of its own.
/// Example: `co_await ag::with_group([&](ag::task_group& g) -> ag::task<> { g.spawn(work(1)); co_return; });`
template <class Body>
  requires std::is_invocable_v<std::remove_cvref_t<Body>&, task_group&>
auto with_group(Body&& body) {
#if defined(__GNUC__) && !defined(__clang__)
  static_assert(std::is_lvalue_reference_v<Body> || std::is_trivially_destructible_v<std::remove_cvref_t<Body>>,
      "aethergraph: g++ destroys the captures of this lambda twice when it is written inside a co_await "
      "expression; capture by reference, or give the lambda a name first");
#endif
  return detail::with_group_awaitable<std::remove_cvref_t<Body>>(std::forward<Body>(body));
}

}  // namespace aethergraph
