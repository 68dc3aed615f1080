#include "aethergraph/detail/tool_info.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "aethergraph/detail/joined.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/resource_pool.hpp"

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
  if (!b.in.empty()) title += fmt::format("({})", joined(b.in, ", "));
  if (!b.out.empty()) title += fmt::format(" -> {}", joined(b.out, ", "));
  return title;
}

std::string problem_of(std::string_view name, const tool_options& o) {
  if (name.empty()) return "a tool has an empty name; give it a name such as \"fetch\"";
  const auto wrong = [&](std::string_view field, const auto& value, std::string_view valid) {
    return fmt::format("tool '{}': the option `{}` is {}; it must be {}", name, field, value, valid);
  };
  const retry& r = o.retry;
  if (o.timeout && *o.timeout <= duration::zero()) return wrong("timeout", to_text(*o.timeout), "more than 0");
  if (r.max_attempts < 1) return wrong("retry.max_attempts", r.max_attempts, "at least 1");
  if (r.first_delay < duration::zero()) return wrong("retry.first_delay", to_text(r.first_delay), "at least 0");
  if (r.max_delay < duration::zero()) return wrong("retry.max_delay", to_text(r.max_delay), "at least 0");
  if (!(r.factor >= 1)) return wrong("retry.factor", r.factor, "at least 1");
  if (!(r.jitter >= 0 && r.jitter <= 1)) return wrong("retry.jitter", r.jitter, "from 0 to 1");
  if (!o.pool && o.weight != 1) return wrong("weight", o.weight, "left out where there is no pool");
  if (o.pool && o.weight < 1) return wrong("weight", o.weight, "at least 1");
  if (o.pool && static_cast<std::size_t>(o.weight) > o.pool->capacity())
    return wrong(
        "weight", o.weight, fmt::format("at most {}, the capacity of pool '{}'", o.pool->capacity(), o.pool->name()));
  if (!o.rate && !o.rate_key.empty())
    return wrong("rate_key", fmt::format("'{}'", o.rate_key), "left out where there is no rate");
  return {};
}

std::unique_ptr<const call_controls> controls_of(const tool_options& o) {
  if (!o.timeout && o.retry.max_attempts == 1 && !o.pool && !o.rate && !o.breaker) return nullptr;
  return std::make_unique<const call_controls>(call_controls{
      o.timeout, o.retry, o.pool, static_cast<std::size_t>(o.weight), o.rate, std::string(o.rate_key), o.breaker});
}

/// What tells the options of two tools apart, besides names.
std::string key_of(const tool_options& o) {
  const retry& r = o.retry;
  return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", o.timeout.value_or(duration(-1)).count(),
      r.max_attempts, r.first_delay.count(), r.factor, r.max_delay.count(), r.jitter, r.seed,
      reinterpret_cast<std::uintptr_t>(r.when), static_cast<const void*>(o.pool), o.weight,
      static_cast<const void*>(o.rate), o.priority, o.workers, static_cast<const void*>(o.breaker));
}

}  // namespace

const tool_info* intern_tool(std::string_view name, const tool_options& o, boundary names) {
  static std::mutex mutex;
  // Never destroyed: calls may run while other statics go.
  static auto& all = *new std::unordered_map<std::string, std::unique_ptr<const tool_info>>;

  std::string title = title_of(name, names);
  std::string problem = problem_of(name, o);
  if (problem.empty() && o.workers && names.is_coroutine)
    problem = fmt::format(
        "tool '{}': the option `workers` is for plain functions; a coroutine runs on the strand of its run", name);
  if (problem.empty()) problem = problem_of_names(title, "inputs", names.in, names.parameters);
  if (problem.empty())
    problem = problem_of_names(title, "outputs", names.out, names.parts > 0 ? names.parts : names.out.size());
  // Names may contain anything, so that they stand in the key behind their lengths.
  std::string key;
  const auto add = [&key](std::string_view part) { key += fmt::format("{}:{}", part.size(), part); };
  add(name);
  add(o.version);
  add(o.label);
  add(problem);
  add(o.rate_key);
  add(key_of(o));
  for (const auto* side : {&names.in, &names.out}) {
    for (const std::string& n : *side) add(n);
    key += ';';
  }
  const std::lock_guard lock(mutex);
  auto& entry = all[std::move(key)];
  if (!entry) {
    auto controls = problem.empty() ? controls_of(o) : nullptr;
    const bool needs_care = !problem.empty() || controls;
    entry = std::make_unique<const tool_info>(tool_info{std::string(name), std::string(o.version), std::string(o.label),
        std::move(problem), std::move(names.in), std::move(names.out), std::move(title), o.priority, o.workers,
        std::move(controls), needs_care});
  }
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

void refuse_retries(const tool_info& tool) {
  throw option_error(
      fmt::format("tool '{}' has retries, but an argument that cannot be copied for another attempt; "
                  "leave out the option `retry`, or share the argument",
          tool.title));
}

void refuse_awaited_task(const tool_info& tool) {
  throw error(fmt::format("tool '{}' returned a task that was awaited before", tool.title));
}

std::exception_ptr unusable_call(const tool_info& tool, bool is_traced) {
  if (!tool.problem.empty()) return std::make_exception_ptr(option_error(tool.problem));
  if (is_traced)
    return std::make_exception_ptr(build_error(fmt::format(
        "this call of tool '{}' was made while a graph was traced, "
        "so it is a node of that graph and cannot be awaited; pass it to a tool, or return it from the graphify body",
        tool.title)));
  return std::make_exception_ptr(error(
      fmt::format("this call of tool '{}' was awaited or moved from before; a call can be awaited once", tool.title)));
}

}  // namespace aethergraph::detail
