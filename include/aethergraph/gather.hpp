// gather, gather_results: all of them, at the same time.
#pragma once

#include <exception>
#include <tuple>
#include <utility>
#include <vector>

#include "aethergraph/detail/apply.hpp"
#include "aethergraph/detail/children.hpp"

namespace aethergraph {

namespace detail {

/// What becomes of a failure among gathered children: it stops the others, or it is one of the results.
enum class failure_mode { stop, collect };

/// A scope with children that ends when all of them have.
// Invariant: pending_ counts the children that have not ended, those that have not started among them.
template <failure_mode Mode>
class gather_scope {
 public:
  static constexpr bool begins_when_stopped = Mode == failure_mode::collect;

  [[nodiscard]] const std::exception_ptr& error() const noexcept { return failure_.error(); }
  void refuse(const std::exception_ptr& e) noexcept { failure_.refuse(e); }

  template <class Child>
  void child_done(Child& c) noexcept {
    child_ended(c.error());
    if (pending_ == 0) {
      finish();
      parent_->done();
    }
  }

 protected:
  void open(environment& e, receiver& r, std::size_t children) noexcept {
    parent_ = &r;
    pending_ = children;
    scope_.open(e);
    join_.open(scope_, e);
  }
  /// True: it has ended already.
  template <class Child>
  bool start_child(Child& c, std::size_t index) noexcept {
    if (!c.start(*this, index, scope_)) return false;
    child_ended(c.error());
    return true;
  }
  /// After the last start. True: all have ended.
  [[nodiscard]] bool close_if_ended() noexcept {
    if (pending_ > 0) return false;
    finish();
    return true;
  }
  /// What a child gave could not be taken.
  void note_lost_result(const std::exception_ptr& why) noexcept { failure_.note(why, scope_); }
  [[nodiscard]] loop& home() const noexcept { return scope_.home(); }
  [[nodiscard]] receiver& parent() const noexcept { return *parent_; }

 private:
  void child_ended(const std::exception_ptr& error) noexcept {
    --pending_;
    if constexpr (Mode == failure_mode::stop) failure_.note(error, scope_);
  }
  void finish() noexcept {
    failure_.settle(scope_);
    scope_.close();
    join_.close();
  }

  scope scope_;
  join join_;
  receiver* parent_ = nullptr;
  std::size_t pending_ = 0;
  first_failure failure_;
};

template <failure_mode Mode, class Child>
using gathered_t = std::conditional_t<Mode == failure_mode::stop, regular<typename Child::result_type>,
    result<typename Child::result_type>>;

template <failure_mode Mode, class Child>
gathered_t<Mode, Child> take_gathered(Child& c) {
  if constexpr (Mode == failure_mode::stop) return take_regular(c);
  else return take_result(c);
}

template <failure_mode Mode, class... A>
class [[nodiscard("what is gathered runs only when this is awaited")]] gather_pack {
 public:
  explicit gather_pack(A&&... a) : awaited_(std::move(a)...) {}

 private:
  friend operation<gather_pack>;
  std::tuple<A...> awaited_;
};

template <failure_mode Mode, class... A>
class operation<gather_pack<Mode, A...>> : public gather_scope<Mode> {
  template <class T>
  using child_t = child<T, gather_scope<Mode>>;

 public:
  using result_type = std::tuple<gathered_t<Mode, child_t<A>>...>;

  explicit operation(gather_pack<Mode, A...>& g)
      : children_(detail::apply_to(g.awaited_, [](A&... a) { return std::tuple<child_t<A>...>(std::move(a)...); })) {}

  bool start(environment& e, receiver& r) noexcept {
    this->open(e, r, sizeof...(A));
    detail::apply_to(children_, [this](child_t<A>&... c) {
      std::size_t index = 0;
      (this->start_child(c, index++), ...);
    });
    return this->close_if_ended();
  }
  result_type take() {
    if (this->error()) std::rethrow_exception(this->error());
    return detail::apply_to(children_, [](child_t<A>&... c) { return result_type{take_gathered<Mode>(c)...}; });
  }

 private:
  std::tuple<child_t<A>...> children_;
};

template <failure_mode Mode, class A>
class [[nodiscard("what is gathered runs only when this is awaited")]] gather_range {
 public:
  template <class R>
  explicit gather_range(std::in_place_t, R&& range) : awaited_(collect<A, A>(std::forward<R>(range))) {}

 private:
  friend operation<gather_range>;
  fixed_array<A> awaited_;
};

// What ends at once, before anything that does not, is taken at once, and its place is the next one's: so many calls
// that do not suspend need the memory of one. Where it may throw to make an operation, all are made before the first
// starts, as long as that reaches whoever awaits.
// Invariant: of the first started_ awaitables the last children_.size() have a child (of all of them, if all are made
// first); the results of the others are in taken_.
template <failure_mode Mode, class A>
class operation<gather_range<Mode, A>> : public gather_scope<Mode>, ready_item {
  using child_type = child_of<A, gather_scope<Mode>>;
  using value_type = gathered_t<Mode, child_type>;
  static constexpr bool is_void = Mode == failure_mode::stop && std::is_void_v<typename child_type::result_type>;
  static constexpr bool makes_all_first = !std::is_nothrow_constructible_v<child_type, A&>;

 public:
  using result_type = std::conditional_t<is_void, void, std::vector<value_type>>;

  explicit operation(gather_range<Mode, A>& g) : awaited_(g.awaited_), children_(awaited_.size()) {
    if constexpr (!is_void) taken_.reserve(awaited_.size());
    if constexpr (makes_all_first)
      for (A& a : awaited_) children_.emplace_back(a);
  }

  bool start(environment& e, receiver& r) noexcept {
    this->open(e, r, awaited_.size());
    on_ready = [](ready_item& i) noexcept {
      auto& self = static_cast<operation&>(i);
      if (self.start_more()) self.parent().done();
    };
    return start_more();
  }
  result_type take() {
    if (this->error()) std::rethrow_exception(this->error());
    if constexpr (!is_void) {
      for (child_type& c : children_) taken_.push_back(take_gathered<Mode>(c));
      return std::move(taken_);
    }
  }

 private:
  // Where others are due their turn it goes on after them, and does not have all that is left wait in the list, each
  // for itself. True: all have ended.
  bool start_more() noexcept {
    while (started_ < awaited_.size()) {
      if (this->home().is_look_near()) [[unlikely]] {
        this->home().make_ready(*this);
        return false;
      }
      if constexpr (makes_all_first) {
        this->start_child(children_[started_], started_);
        ++started_;
      } else {
        children_.emplace_back(awaited_[started_]);
        if (this->start_child(children_.back(), started_++)) take_at_once();
      }
    }
    return this->close_if_ended();
  }
  void take_at_once() noexcept {
    if constexpr (is_void || std::is_nothrow_move_constructible_v<value_type>) {
      child_type& c = children_.back();
      if (children_.size() > 1 || (Mode == failure_mode::stop && c.error())) return;
      if constexpr (!is_void) {
        try {
          taken_.push_back(take_gathered<Mode>(c));
        } catch (...) {  // of a handle, say, whose result somebody else has taken
          return this->note_lost_result(std::current_exception());
        }
      }
      children_.pop_back();
    }
  }

  fixed_array<A>& awaited_;
  fixed_array<child_type> children_;
  std::size_t started_ = 0;
  std::conditional_t<is_void, std::monostate, std::vector<value_type>> taken_;
};

}  // namespace detail

/// Awaited in a task, runs all of these at the same time (tool calls under the cap) and gives a tuple of what they
/// gave, in argument order; `std::monostate` for `void`.
///
/// Errors: on a failure the rest is cancelled and awaited, then the first failure is thrown.
/// Cancellation: reaches all of them; throws `cancelled` when all have ended.
/// Slot: none of its own.
template <class... A>
  requires detail::gatherable<A...>
auto gather(A&&... a) {
  return detail::gather_pack<detail::failure_mode::stop, std::remove_cvref_t<A>...>(std::move(a)...);
}

/// The same over any input range: gives a vector in the order of the range, or nothing for a range of `void`.
/// All elements are taken before the first starts.
template <detail::awaitable_range R>
auto gather(R&& range) {
  detail::check_range<R>();
  return detail::gather_range<detail::failure_mode::stop, detail::range_awaitable_t<R>>(
      std::in_place, std::forward<R>(range));
}
template <class... A>
  requires detail::not_gatherable<A...>
detail::after_an_error gather(A&&...) {
  detail::check_gathered<A...>();
  return {};
}

/// As `gather`, but gives a `result<T>` for each: a failure stops nothing and is one of the values.
///
/// Errors: throws nothing that a child threw.
/// Cancellation: reaches all of them; they end as results that hold `cancelled`.
template <class... A>
  requires detail::gatherable<A...>
auto gather_results(A&&... a) {
  return detail::gather_pack<detail::failure_mode::collect, std::remove_cvref_t<A>...>(std::move(a)...);
}
template <detail::awaitable_range R>
auto gather_results(R&& range) {
  detail::check_range<R>();
  return detail::gather_range<detail::failure_mode::collect, detail::range_awaitable_t<R>>(
      std::in_place, std::forward<R>(range));
}
template <class... A>
  requires detail::not_gatherable<A...>
detail::after_an_error gather_results(A&&...) {
  detail::check_gathered<A...>();
  return {};
}

}  // namespace aethergraph
