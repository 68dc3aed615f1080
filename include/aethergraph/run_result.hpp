// run_result<R>: how a run ended.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <typeinfo>
#include <utility>
#include <vector>

#include "aethergraph/detail/run_operation.hpp"
#include "aethergraph/error.hpp"
#include "aethergraph/result.hpp"
#include "aethergraph/task_graph.hpp"

namespace aethergraph {

namespace detail {
/// A graph that shares this.
[[nodiscard]] task_graph make_graph(std::shared_ptr<const graph_source> s) noexcept;
}  // namespace detail

/// The outcome of a run as a value, from `try_run`.
template <class R>
class run_result {
 public:
  /// Of nothing yet: neither a value nor an error.
  run_result() noexcept = default;

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
  /// Elements of a map are named by it: "work#2[17]".
  [[nodiscard]] const std::vector<node_failure>& failures() const noexcept { return failures_; }

  /// The nodes of the run: its calls and nested runs, what followed what, and how each ended. Empty with `record::off`.
  /// Errors: `std::bad_alloc`.
  [[nodiscard]] task_graph graph() const { return detail::make_graph(graph_); }

  /// The most slots that were held at one time. Never above the cap.
  [[nodiscard]] std::size_t peak_concurrency() const noexcept { return peak_concurrency_; }

  /// Of a static graph that failed, how many results its body returned: one by one, in tuples and containers too.
  [[nodiscard]] std::size_t output_count() const noexcept { return outputs_.size(); }
  /// One of them, counted from 0, if it was produced all the same; else null. Of a graph that did not fail: `value()`.
  /// Errors: `error` for another type than it has, or a position beyond the last.
  template <class T>
  [[nodiscard]] const T* output(std::size_t position) const {
    return static_cast<const T*>(detail::find_output(outputs_, position, typeid(T)));
  }

  /// Used by the library: takes what a run that has ended leaves.
  template <class A>
  explicit run_result(detail::run_operation<A>& ended)
      : outcome_(ended.take_result()),
        failures_(ended.state().take_failures()),
        outputs_(ended.state().take_outputs()),
        graph_(ended.state().take_graph(outcome_.error())),
        peak_concurrency_(ended.state().slots.peak()) {}
  /// Used by the library: of a run that did not come to its end.
  explicit run_result(std::exception_ptr failure) noexcept : outcome_(std::move(failure)) {}

 private:
  result<R> outcome_;
  std::vector<node_failure> failures_;
  std::vector<detail::partial_output> outputs_;
  std::shared_ptr<const detail::graph_source> graph_;
  std::size_t peak_concurrency_ = 0;
};

}  // namespace aethergraph
