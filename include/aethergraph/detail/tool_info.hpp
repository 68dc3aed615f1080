// The description of a tool, interned for the life of the process so that a call refers to it by a plain pointer.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aethergraph/boundary.hpp"
#include "aethergraph/options.hpp"

namespace aethergraph::detail {

/// The options of a tool by which a call is more than one running of a body. Valid values only.
struct call_controls {
  std::optional<duration> timeout;
  aethergraph::retry retry;
  resource_pool* pool = nullptr;
  std::size_t weight = 1;
  rate_limit* rate = nullptr;
  std::string rate_key;
  circuit_breaker* breaker = nullptr;
};

struct tool_info {
  std::string name;
  std::string version;
  std::string label;
  std::string problem;  // why no call of it can work; empty if it can
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::string title;  // for errors: its name, with those of its inputs and outputs where it has such
  int priority = 0;
  bool workers = false;
  std::unique_ptr<const call_controls> controls;  // null: none of them is used
  bool needs_care = false;                        // there is a problem, or there are controls
};

/// The one description with this name and these options. Any thread; never throws for bad values, which the first call
/// reports instead (a tool is usually made before main).
[[nodiscard]] const tool_info* intern_tool(std::string_view name, const tool_options& o, boundary names = {});

/// Likewise of a graph. How many results it has is seen when it is built.
[[nodiscard]] const tool_info* intern_graph(std::string_view name, const graph_fn_options& o, boundary names);
/// The description of the same tool with other options.
[[nodiscard]] const tool_info* intern_variant(const tool_info& tool, const tool_options& o);

// What is wrong with a call of it, told here so that no caller formats text:
/// Errors: `option_error`, since it has retries, and an argument that cannot be copied.
[[noreturn]] void refuse_retries(const tool_info& tool);
/// Errors: `error`, since its body returned a task that was awaited before.
[[noreturn]] void refuse_awaited_task(const tool_info& tool);
/// Why a call of it cannot begin: options that cannot work, or it is a node of a graph, or was used up.
[[nodiscard]] std::exception_ptr unusable_call(const tool_info& tool, bool is_traced);

/// What runs are called that have no name of their own: that of a task, and that of an invocation that was moved from.
[[nodiscard]] const tool_info* anonymous_task() noexcept;
[[nodiscard]] const tool_info* moved_from_invocation() noexcept;

}  // namespace aethergraph::detail
