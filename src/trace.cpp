#include "aethergraph/detail/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/core/demangle.hpp>
#include <iterator>

#include "aethergraph/detail/suspend_tracing.hpp"
#include "aethergraph/error.hpp"

namespace aethergraph::detail {

namespace {

thread_local constinit trace* current_trace = nullptr;

std::uint32_t next_trace_id() noexcept {
  static std::atomic<std::uint32_t> last = 0;
  std::uint32_t id = 0;
  while (id == 0) id = last.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: only the number matters
  return id;
}

}  // namespace

std::atomic<std::size_t> trace::active_traces_ = 0;

trace::trace(const tool_info& what) : plan_(std::make_shared<plan>(what)), id_(next_trace_id()), outer_(current_trace) {
  current_trace = this;
  active_traces_.fetch_add(1, std::memory_order_relaxed);
}

trace::~trace() {
  active_traces_.fetch_sub(1, std::memory_order_relaxed);
  current_trace = outer_;
}

trace* trace::current_of_thread() noexcept { return current_trace; }

void* suspend_tracing() noexcept { return std::exchange(current_trace, nullptr); }
void resume_tracing(void* suspended) noexcept { current_trace = static_cast<trace*>(suspended); }

trace& trace::owner_of(const traced_value& v, std::string_view action) {
  trace* const t = current();
  if (v.trace == 0)
    throw build_error(
        fmt::format("an empty node, or a call that was made while no graph was traced, was {}{}; nodes are "
                    "made by calling tools in the body of a graphify",
            action, t ? fmt::format(" in graph '{}'", t->plan_->what.name) : std::string()));
  if (!t)
    throw build_error(fmt::format(
        "a node was {} while no graph was traced; nodes are nothing outside the body of a graphify", action));
  if (t->id_ != v.trace)
    throw build_error(
        fmt::format("a node of another graph was {} in graph '{}'; hand it in as a parameter of type "
                    "ag::node<T>",
            action, t->plan_->what.name));
  return *t;
}

void refuse_outside_of_tracing(std::string_view what) {
  throw build_error(fmt::format(
      "'{}' was called with a node while no graph was traced; nodes are nothing outside the body of a graphify", what));
}

void refuse_literal(std::string_view tool) {
  throw build_error(
      fmt::format("'{}' was called in a graph with a literal that cannot be copied, but a graph may run any "
                  "number of times; make it a parameter of type ag::node<T>",
          tool));
}

void refuse_output_names(const plan& p, std::size_t results) {
  throw build_error(fmt::format(
      "graph '{}' names {} outputs, but gives {}; name all or none", p.what.name, p.what.outputs.size(), results));
}

value_ref trace::add_entry(const entry_ops& ops, const tool_info* tool, void* record) {
  struct guard {  // the record belongs to nobody before it is in the list
    const entry_ops& ops;
    void* record;
    ~guard() {
      if (record && ops.destroy_record) ops.destroy_record(record);
    }
  } owned{ops, record};
  if (plan_->size() >= plan::tolerant - 1)
    throw build_error(fmt::format("graph '{}' has more than 2^31 entries", plan_->what.name));
  plan_->entries.push_back({&ops, record, tool, 0, tool ? next_ordinal_ : 0});
  owned.record = nullptr;
  if (tool) ++next_ordinal_;
  if (ops.kind == entry_kind::input) ++plan_->inputs;
  return {plan_->size() - 1, 0};
}

}  // namespace aethergraph::detail
