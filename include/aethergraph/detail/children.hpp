// What the combinators share: children that run in one scope, and arrays of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "aethergraph/detail/operation.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

/// A child as its owner sees it, whatever it awaits.
template <class Owner>
struct child_base : receiver {
  Owner* owner = nullptr;
};
/// Its position among the children, where the owner asks for it.
template <class Owner>
  requires requires { Owner::wants_index; }
struct child_base<Owner> : receiver {
  Owner* owner = nullptr;
  std::size_t index = 0;
};

/// What a child of a combinator adds to its surroundings: its place in the graph. A node takes that itself; what is
/// none, and may await many, gets a sequence of its own.
template <bool IsNode>
struct child_steps {
  environment& enter(environment& e, std::size_t index) noexcept {
    if (e.steps && e.steps->is_parallel()) e.steps->child = static_cast<std::uint32_t>(index);
    return e;
  }
};
template <>
struct child_steps<false> {
  environment& enter(environment& e, std::size_t index) noexcept {
    if (!e.steps || !e.steps->is_parallel()) return e;
    steps = {.within = e.steps->within, .last = e.steps->last, .child = static_cast<std::uint32_t>(index)};
    surroundings = e;
    surroundings.steps = &steps;
    return surroundings;
  }
  environment surroundings;
  sequence steps;
};

/// One awaiting by a combinator, of an awaitable that stands elsewhere and outlives it.
template <class A, class Owner>
class child_of : public child_base<Owner> {
 public:
  using result_type = await_result_t<A>;

  explicit child_of(A& a) noexcept(std::is_nothrow_constructible_v<operation<A>, A&>) : operation_(a) {}
  child_of(const child_of&) = delete;
  child_of& operator=(const child_of&) = delete;

  /// True: it has ended already (and its owner was not told).
  bool start(Owner& o, std::size_t i, environment& e) noexcept {
    this->owner = &o;
    if constexpr (requires { this->index; }) this->index = i;
    this->on_done = [](receiver& r) noexcept {
      auto& self = static_cast<child_of&>(r);
      self.owner->child_done(self);
    };
    return begin(operation_, steps_.enter(e, i), *this);
  }

  [[nodiscard]] const std::exception_ptr& error() const noexcept { return operation_.error(); }
  result_type take() { return operation_.take(); }
  [[nodiscard]] body_operation* waits_for() noexcept { return body_of(operation_); }

 private:
  operation<A> operation_;
  [[no_unique_address]] child_steps<is_node<operation<A>>> steps_;
};

template <class A>
struct held_awaitable {
  A awaited;
};
/// The same with its awaitable.
template <class A, class Owner>
class child : held_awaitable<A>, public child_of<A, Owner> {
 public:
  explicit child(A&& a) : held_awaitable<A>{std::move(a)}, child_of<A, Owner>(this->awaited) {}
};

/// The place in the graph where the children of a combinator come together. Opened on the scope that they run in.
class join {
 public:
  void open(scope& children, environment& outer) noexcept {
    if (!outer.steps) return;
    outer_ = outer.steps;
    log_ = children.run().log();
    const node_number before = outer_->last;
    number_ = log_->note_join_opened(*outer_);
    steps_ = {.within = number_, .last = before, .next_position = no_index};
    children.steps = &steps_;
  }
  /// Its number; 0: it is not recorded.
  [[nodiscard]] node_number number() const noexcept { return number_; }
  /// All children have ended.
  void close() noexcept {
    if (outer_) log_->note_join_closed(number_, *outer_);
  }

 private:
  sequence* outer_ = nullptr;
  recorder* log_ = nullptr;
  node_number number_ = no_node;
  sequence steps_;
};

/// The failure of a scope: the first of those in it, which asks the others to stop.
class first_failure {
 public:
  /// Something in the scope has ended, with this error or null.
  void note(const std::exception_ptr& error, scope& s) noexcept {
    if (!error) return;
    if (error == s.stop_error()) {
      ended_by_stop_ = true;
      return;
    }
    if (!failure_) failure_ = error;
    s.cancel(cancelled_because(stop_reason::sibling_failed));
  }
  /// All have ended: where only a request to stop was obeyed, that is the failure.
  void settle(const scope& s) noexcept {
    if (ended_by_stop_ && !failure_) failure_ = s.stop_error();
  }
  void refuse(const std::exception_ptr& e) noexcept { failure_ = e; }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return failure_; }

 private:
  std::exception_ptr failure_;  // never the request to stop, until settle()
  bool ended_by_stop_ = false;
};

/// What a child gave, as a value that a tuple, vector or variant can hold.
template <class Child>
regular<typename Child::result_type> take_regular(Child& c) {
  if constexpr (std::is_void_v<typename Child::result_type>) {
    c.take();
    return {};
  } else if constexpr (std::is_reference_v<typename Child::result_type>) {
    return std::ref(c.take());
  } else {
    return c.take();
  }
}

/// The outcome of a child as a value.
template <class Child>
result<typename Child::result_type> take_result(Child& c) noexcept {
  result<typename Child::result_type> r;
  if (c.error()) {
    r.fail(c.error());
    return r;
  }
  try {
    if constexpr (std::is_void_v<typename Child::result_type>) {
      c.take();
      r.emplace();
    } else {
      r.emplace(c.take());
    }
  } catch (...) {
    r.fail(std::current_exception());
  }
  return r;
}

/// Up to a fixed number of things that cannot move, side by side in one block.
template <class T>
class fixed_array {
 public:
  fixed_array() noexcept = default;
  explicit fixed_array(std::size_t capacity) : data_(capacity ? allocate(capacity) : nullptr), capacity_(capacity) {}
  fixed_array(fixed_array&& o) noexcept
      : data_(std::exchange(o.data_, nullptr)),
        size_(std::exchange(o.size_, 0)),
        capacity_(std::exchange(o.capacity_, 0)) {}
  fixed_array& operator=(fixed_array o) noexcept {
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
    std::swap(capacity_, o.capacity_);
    return *this;
  }
  ~fixed_array() {
    std::destroy_n(data_, size_);
    if (!data_) return;
    if constexpr (is_over_aligned) std::allocator<T>().deallocate(data_, capacity_);
    else free_block(data_, capacity_ * sizeof(T));
  }

  template <class... A>
  void emplace_back(A&&... a) {
    ::new (static_cast<void*>(data_ + size_)) T(std::forward<A>(a)...);
    ++size_;
  }
  void pop_back() noexcept { std::destroy_at(data_ + --size_); }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return data_[i]; }
  [[nodiscard]] T& back() noexcept { return data_[size_ - 1]; }
  T* begin() noexcept { return data_; }
  T* end() noexcept { return data_ + size_; }

 private:
  static constexpr bool is_over_aligned = alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__;
  [[nodiscard]] static T* allocate(std::size_t capacity) {
    if (is_over_aligned || capacity > static_cast<std::size_t>(-1) / sizeof(T))
      return std::allocator<T>().allocate(capacity);
    return static_cast<T*>(allocate_block(capacity * sizeof(T)));
  }

  // Invariant: the first size_ of capacity_ elements are alive.
  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// A range of awaitables. What is itself awaitable is no range.
template <class R>
concept awaitable_range =
    std::ranges::input_range<R> && (!awaitable<R>) && awaitable<std::remove_cvref_t<std::ranges::range_reference_t<R>>>;

template <class R>
using range_awaitable_t = std::remove_cvref_t<std::ranges::range_reference_t<R>>;

#if defined(__GNUC__) && !defined(__clang__)
template <class R>
inline constexpr bool owns_a_lambda = false;
template <class V, class F>
inline constexpr bool owns_a_lambda<std::ranges::transform_view<V, F>> =
    !std::is_trivially_destructible_v<F> && !requires { typename F::call_type; };
#else
template <class R>
inline constexpr bool owns_a_lambda = false;
#endif

template <class R>
constexpr void check_range() {
  static_assert(!owns_a_lambda<R>,
      "aethergraph: g++ destroys the captures of this lambda twice when it is written inside a co_await "
      "expression; give the view a name first");
  // Elements that somebody else owns are not moved from unasked: those of an lvalue, or of a view onto one.
  constexpr bool is_view_or_lvalue = std::is_lvalue_reference_v<R> || std::ranges::view<std::remove_cvref_t<R>>;
  static_assert(!(is_view_or_lvalue && std::is_lvalue_reference_v<std::ranges::range_reference_t<R>>),
      "aethergraph: this consumes its awaitables: pass std::move(range)");
}

/// What can be run side by side as it stands.
template <class... A>
concept gatherable = sizeof...(A) > 0 && (consumable<A> && ...);
/// What a combinator takes only to say what is wrong.
template <class... A>
concept not_gatherable = sizeof...(A) > 0 && !gatherable<A...> && !(sizeof...(A) == 1 && (awaitable_range<A> && ...));

template <class A>
inline constexpr bool is_after_an_error = std::same_as<std::remove_cvref_t<A>, after_an_error>;
template <std::ranges::input_range R>
inline constexpr bool is_after_an_error<R> =
    std::same_as<std::remove_cvref_t<std::ranges::range_reference_t<R>>, after_an_error>;

template <class... A>
constexpr void check_gathered() {
  if constexpr (!(is_after_an_error<A> || ...)) {
    static_assert((awaitable<A> && ...),
        "aethergraph: what is run side by side must be awaitable in an ag::task, or one range of such");
    if constexpr ((awaitable<A> && ...))
      static_assert(
          (consumable<A> && ...), "aethergraph: this consumes its awaitables: pass std::move(it), and nothing const");
  }
}

/// All elements of a range of A, moved into an array of what is made of them.
template <class T, class A, class R>
fixed_array<T> collect(R&& range) {
  if constexpr (std::ranges::sized_range<R>) {
    fixed_array<T> all(static_cast<std::size_t>(std::ranges::size(range)));
    for (auto&& a : range) all.emplace_back(A(std::move(a)));
    return all;
  } else {
    std::vector<A> elements;
    for (auto&& a : range) elements.push_back(A(std::move(a)));
    fixed_array<T> all(elements.size());
    for (A& a : elements) all.emplace_back(std::move(a));
    return all;
  }
}

}  // namespace aethergraph::detail
