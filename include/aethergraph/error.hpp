// What the library throws.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace aethergraph {

/// Base of every exception that the library itself throws. What a tool throws reaches its caller unchanged.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An option has a value that cannot work. The message names the option, its value and what would be valid.
class option_error : public error {
 public:
  using error::error;
};

/// A graph cannot be built. The message names what is wrong with it, and what would be valid.
class build_error : public error {
 public:
  using error::error;
};

/// Thrown at a `co_await` whose scope was asked to stop, and by a run whose caller cancelled it.
class cancelled : public error {
 public:
  using error::error;
};

/// A deadline or a `timeout` passed before the work had ended. The message says what and how long.
class timed_out : public error {
 public:
  using error::error;
};

/// Thrown by a tool that knows when it is worth trying again, as servers say in `Retry-After`: the next attempt of its
/// `retry` option waits so long, whatever the option says of delays. Without further attempts it is a failure like
/// others.
class retry_after : public error {
 public:
  explicit retry_after(
      std::chrono::nanoseconds delay, const std::string& what = "the tool asks to be tried again later")
      : error(what), delay_(delay) {}
  [[nodiscard]] std::chrono::nanoseconds delay() const noexcept { return delay_; }

 private:
  std::chrono::nanoseconds delay_;
};

/// One tool call of a run that failed.
struct node_failure {
  std::string node;          ///< the node's identity within its run, such as "fetch#3"
  std::string tool;          ///< the tool's name
  std::exception_ptr cause;  ///< what the body threw
};

/// Nodes of a static graph failed, or its result was skipped. The message names the first of them.
class graph_error : public error {
 public:
  graph_error(const std::string& what, std::vector<node_failure> failures);

  /// Every node that failed, in the order in which they did.
  [[nodiscard]] const std::vector<node_failure>& failures() const noexcept { return *failures_; }

 private:
  std::shared_ptr<const std::vector<node_failure>> failures_;  // shared: copying an exception must not throw
};

}  // namespace aethergraph
