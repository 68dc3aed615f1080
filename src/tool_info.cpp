#include "aethergraph/detail/tool_info.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace aethergraph::detail {

namespace {

std::string problem_of_names(
    std::string_view title, std::string_view what, const std::vector<std::string>& names, std::size_t expected) {
  if (names.empty()) return {};
  for (auto n = names.begin(); n != names.end(); ++n) {
    if (n->empty()) return fmt::format("'{}': one of its {} has an empty name", title, what);
    if (std::find(names.begin(), n, *n) != n) return fmt::format("'{}': two of its {} are named '{}'", title, what, *n);
  }
  if (expected != names.size())
    return fmt::format("'{}' names {} {}, but has {}; name all or none", title, names.size(), what, expected);
  return {};
}

std::string title_of(std::string_view name, const boundary& b) {
  std::string title(name);
  if (!b.in.empty()) title += fmt::format("({})", fmt::join(b.in, ", "));
  if (!b.out.empty()) title += fmt::format(" -> {}", fmt::join(b.out, ", "));
  return title;
}

std::string problem_of(std::string_view name, const tool_options& o) {
  if (name.empty()) return "a tool, agent or graph has an empty name; give it a name such as \"fetch\"";
  const char* field = o.timeout                   ? "timeout"
                      : o.retry.max_attempts != 1 ? "retry"
                      : o.pool                    ? "pool"
                      : o.weight != 1             ? "weight"
                      : o.rate                    ? "rate"
                      : o.priority != 0           ? "priority"
                      : o.workers                 ? "workers"
                                                  : nullptr;
  if (!field) return {};
  return fmt::format("tool '{}': the option `{}` is not supported by this version; leave it out", name, field);
}

}  // namespace

const tool_info* intern_tool(std::string_view name, const tool_options& o, boundary names) {
  static std::mutex mutex;
  // Never destroyed: calls may run while other statics go.
  static auto& all = *new std::unordered_map<std::string, std::unique_ptr<const tool_info>>;

  std::string title = title_of(name, names);
  std::string problem = problem_of(name, o);
  if (problem.empty()) problem = problem_of_names(title, "inputs", names.in, names.parameters);
  if (problem.empty())
    problem = problem_of_names(title, "outputs", names.out, names.parts > 0 ? names.parts : names.out.size());
  // Names may contain anything, so that they stand in the key behind their lengths.
  std::string key;
  const auto add = [&key](
                       std::string_view part) { fmt::format_to(std::back_inserter(key), "{}:{}", part.size(), part); };
  add(name);
  add(o.version);
  add(o.label);
  add(problem);
  for (const auto* side : {&names.in, &names.out}) {
    for (const std::string& n : *side) add(n);
    key += ';';
  }
  const std::lock_guard lock(mutex);
  auto& entry = all[std::move(key)];
  if (!entry)
    entry = std::make_unique<const tool_info>(tool_info{std::string(name), std::string(o.version), std::string(o.label),
        std::move(problem), std::move(names.in), std::move(names.out), std::move(title)});
  return entry.get();
}

const tool_info* intern_graph(std::string_view name, const graph_fn_options& o, boundary names) {
  return intern_tool(name, {.version = o.version}, std::move(names));
}

const tool_info* intern_variant(const tool_info& tool, const tool_options& o) {
  boundary names;
  names.in = tool.inputs;
  names.out = tool.outputs;
  names.parameters = names.in.size();
  return intern_tool(tool.name, o, std::move(names));
}

const tool_info* anonymous_task() noexcept {
  static const tool_info* const info = intern_tool("task", {});
  return info;
}

const tool_info* moved_from_invocation() noexcept {
  static const tool_info* const info = intern_tool("an invocation that was moved from", {});
  return info;
}

}  // namespace aethergraph::detail
