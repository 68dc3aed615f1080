// run_result<R>: how a run ended.
#pragma once

#include <cstddef>
#include <exception>
#include <utility>
#include <vector>

#include "aethergraph/error.hpp"
#include "aethergraph/result.hpp"

namespace aethergraph {

namespace detail {
template <class A>
class blocking_run;
}

/// The outcome of a run as a value, from `try_run`.
template <class R>
class run_result {
 public:
  /// Whether the body returned.
  [[nodiscard]] bool ok() const noexcept { return outcome_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }

  /// What the body returned. Errors: of a run that failed, rethrows what it failed with.
  decltype(auto) value() & { return outcome_.value(); }
  decltype(auto) value() const& { return outcome_.value(); }
  R value() && { return std::move(outcome_).value(); }

  /// What the run failed with, or null.
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return outcome_.error(); }

  /// The calls whose bodies threw, oldest first, whether or not somebody caught it. The first 1,000 are kept.
  [[nodiscard]] const std::vector<node_failure>& failures() const noexcept { return failures_; }

  /// The most slots that were held at one time. Never above the cap.
  [[nodiscard]] std::size_t peak_concurrency() const noexcept { return peak_concurrency_; }

 private:
  template <class>
  friend class detail::blocking_run;

  result<R> outcome_;
  std::vector<node_failure> failures_;
  std::size_t peak_concurrency_ = 0;
};

}  // namespace aethergraph
