// race: the first of them.
#pragma once

#include <exception>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

#include "aethergraph/detail/apply.hpp"
#include "aethergraph/detail/children.hpp"

namespace aethergraph {

namespace detail {

/// A scope whose children end with the first of them.
// Invariant: winner_ is the first child that ended; nobody else is started, and the scope is stopped, once it is set.
class race_scope {
 public:
  static constexpr bool wants_index = true;

  [[nodiscard]] const std::exception_ptr& error() const noexcept { return failure_; }
  void refuse(const std::exception_ptr& e) noexcept { failure_ = e; }

  template <class Child>
  void child_done(Child& c) noexcept {
    child_ended(c);
    if (--pending_ == 0) {
      if (winner_ == nobody) [[unlikely]]
        settle_with(c);
      close();
      parent_->done();
    }
  }

 protected:
  static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

  void open(environment& e, receiver& r) noexcept {
    parent_ = &r;
    scope_.open(e);
    join_.open(scope_, e);
  }
  /// All have ended, and none of them is who won when this was recorded.
  template <class Child>
  void settle_with(Child& c) noexcept {
    winner_ = c.index;
    failure_ = c.error();
  }
  template <class Child>
  void start_child(Child& c, std::size_t index) noexcept {
    if (winner_ != nobody) return;
    if (c.start(*this, index, scope_)) child_ended(c);
    else ++pending_;
  }
  [[nodiscard]] bool close_if_ended() noexcept {
    if (pending_ > 0) return false;
    if (winner_ == nobody) [[unlikely]]
      refuse_recorded_winner();
    close();
    return true;
  }
  [[nodiscard]] std::size_t winner() const noexcept { return winner_; }

 private:
  void close() noexcept {
    scope_.close();
    join_.close();
  }
  template <class Child>
  void child_ended(Child& c) noexcept {
    if (winner_ != nobody) return;
    if (scope_.run().durable() && !is_winner(c.index)) [[unlikely]]
      return;
    winner_ = c.index;
    failure_ = c.error();
    scope_.cancel(cancelled_because(stop_reason::lost_race));
  }

  void refuse_recorded_winner() noexcept;
  /// In a durable run: whether the journal says so, or has nothing to say, and then takes a note of it.
  [[nodiscard]] bool is_winner(std::size_t index) noexcept;

  scope scope_;
  join join_;
  receiver* parent_ = nullptr;
  std::size_t pending_ = 0;
  std::size_t winner_ = nobody;
  std::exception_ptr failure_;
};

template <class... A>
class [[nodiscard("a race is run only when this is awaited")]] race_awaitable {
 public:
  explicit race_awaitable(A&&... a) : awaited_(std::move(a)...) {}

 private:
  friend operation<race_awaitable>;
  std::tuple<A...> awaited_;
};

template <class... A>
class operation<race_awaitable<A...>> : public race_scope {
  template <class T>
  using child_t = child<T, race_scope>;

 public:
  using result_type = std::variant<regular<await_result_t<A>>...>;

  explicit operation(race_awaitable<A...>& g)
      : children_(detail::apply_to(g.awaited_, [](A&... a) { return std::tuple<child_t<A>...>(std::move(a)...); })) {}

  bool start(environment& e, receiver& r) noexcept {
    this->open(e, r);
    detail::apply_to(children_, [this](child_t<A>&... c) {
      std::size_t index = 0;
      (this->start_child(c, index++), ...);
    });
    return this->close_if_ended();
  }
  result_type take() {
    if (this->error()) std::rethrow_exception(this->error());
    return take_from(std::index_sequence_for<A...>{});
  }

 private:
  template <std::size_t... I>
  result_type take_from(std::index_sequence<I...>) {
    std::optional<result_type> taken;
    static_cast<void>(
        ((this->winner() == I && (taken.emplace(std::in_place_index<I>, take_regular(std::get<I>(children_))), true)) ||
            ...));
    return std::move(*taken);
  }

  std::tuple<child_t<A>...> children_;
};

}  // namespace detail

/// Awaited in a task, runs these at the same time until the first has ended with a value or an exception; the others
/// are then cancelled and awaited. Gives a `std::variant` in argument order, `std::monostate` for `void`.
///
/// Errors: the exception of the first, if it failed. What the others threw afterwards is dropped.
/// Cancellation: reaches all of them. Slot: none of its own. What stands behind one that ends at once never starts.
template <class... A>
  requires(sizeof...(A) > 1 && detail::gatherable<A...>)
auto race(A&&... a) {
  return detail::race_awaitable<std::remove_cvref_t<A>...>(std::move(a)...);
}
template <class... A>
  requires(sizeof...(A) > 1 && !detail::gatherable<A...>)
detail::after_an_error race(A&&...) {
  detail::check_gathered<A...>();
  return {};
}

}  // namespace aethergraph
