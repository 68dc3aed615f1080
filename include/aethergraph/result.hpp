// result<T>: a value or an exception.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "aethergraph/error.hpp"

namespace aethergraph {

namespace detail {
/// How a T is kept: a reference as a pointer, void as an empty value.
template <class T>
struct stored {
  using type = T;
};
template <class T>
struct stored<T&> {
  using type = T*;
};
template <>
struct stored<void> {
  using type = std::monostate;
};
}  // namespace detail

/// The outcome of something awaited, as a value: either what it returned or what it threw.
///
/// `T` may be `void` or a reference, and needs no default constructor.
/// Thread safety: as any value type.
template <class T>
class result {
 public:
  using value_type = T;

  result() noexcept = default;

  /// Makes the outcome a failure.
  explicit result(std::exception_ptr e) noexcept : error_(std::move(e)) {}

  /// Whether there is a value (and so no exception).
  [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value. Errors: rethrows the exception that stands in its place.
  std::add_lvalue_reference_t<T> value() & {
    check();
    if constexpr (std::is_reference_v<T>) return **value_;
    else if constexpr (!std::is_void_v<T>) return *value_;
  }
  std::add_lvalue_reference_t<const T> value() const& {
    check();
    if constexpr (std::is_reference_v<T>) return **value_;
    else if constexpr (!std::is_void_v<T>) return *value_;
  }
  T value() && {
    check();
    if constexpr (std::is_reference_v<T>) return **value_;
    else if constexpr (!std::is_void_v<T>) return std::move(*value_);
  }

  /// The exception, or null where there is a value.
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }

  /// Makes the outcome a value.
  template <class... A>
  void emplace(A&&... a) {
    if constexpr (std::is_reference_v<T>) value_.emplace(std::addressof(a)...);
    else value_.emplace(std::forward<A>(a)...);
    error_ = nullptr;
  }

  /// Makes the outcome a failure.
  void fail(std::exception_ptr e) noexcept {
    value_.reset();
    error_ = std::move(e);
  }

 private:
  void check() const {
    if (value_) [[likely]]
      return;
    if (error_) std::rethrow_exception(error_);
    throw aethergraph::error("this result is empty: what it stands for has not ended");
  }

  // Invariant: at most one of the two is set.
  std::optional<typename detail::stored<T>::type> value_;
  std::exception_ptr error_;
};

}  // namespace aethergraph
