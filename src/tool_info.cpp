#include "aethergraph/detail/tool_info.hpp"

#include <fmt/format.h>

#include <memory>
#include <mutex>
#include <unordered_map>

namespace aethergraph::detail {

namespace {

std::string problem_of(std::string_view name, const tool_options& o) {
  if (name.empty()) return "a tool has an empty name; give it a name such as \"fetch\"";
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

const tool_info* intern_tool(std::string_view name, const tool_options& o) {
  static std::mutex mutex;
  // Never destroyed: calls may run while other statics go.
  static auto& all = *new std::unordered_map<std::string, std::unique_ptr<const tool_info>>;

  std::string problem = problem_of(name, o);
  std::string key = fmt::format("{}\x1f{}\x1f{}\x1f{}", name, o.version, o.label, problem);
  const std::lock_guard lock(mutex);
  auto& entry = all[std::move(key)];
  if (!entry)
    entry = std::make_unique<const tool_info>(
        tool_info{std::string(name), std::string(o.version), std::string(o.label), std::move(problem)});
  return entry.get();
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
