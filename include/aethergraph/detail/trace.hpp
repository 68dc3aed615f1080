// A graph in the making: what the calls of a graphify body are recorded in.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/plan.hpp"

namespace aethergraph::detail {

/// One tracing, on the thread that began it, until its graph is finished.
class trace {
 public:
  explicit trace(const tool_info& what);
  trace(const trace&) = delete;
  trace& operator=(const trace&) = delete;
  ~trace();

  /// The innermost tracing of the calling thread, or null. Cheap where nothing at all is being traced.
  [[nodiscard]] static trace* current() noexcept {
    // relaxed: a thread that traces has counted itself
    if (active_traces_.load(std::memory_order_relaxed) == 0) [[likely]]
      return nullptr;
    return current_of_thread();
  }
  /// The current trace, if this value is one of its own. Errors: `build_error`, which says what was tried with it.
  [[nodiscard]] static trace& owner_of(const traced_value& v, std::string_view action);

  [[nodiscard]] traced_value value(value_ref r) const noexcept { return {id_, r}; }
  [[nodiscard]] plan& graph() noexcept { return *plan_; }

  /// Adds an entry with its record.
  template <class Record>
  value_ref add(const tool_info* tool, Record&& record) {
    using R = std::remove_cvref_t<Record>;
    void* const memory = plan_->arena.allocate(sizeof(R), alignof(R));
    return add_entry(R::ops, tool, ::new (memory) R(std::forward<Record>(record)));
  }
  value_ref add_input(const entry_ops& ops) { return add_entry(ops, nullptr, nullptr); }
  [[nodiscard]] value_ref add_part(value_ref of, const value_part& part);

  // --- on an entry that was recorded
  void order(value_ref after, const traced_value& before);
  void set_id(value_ref of, std::string_view id);
  void set_alias(value_ref of, std::string_view alias);
  void set_label(value_ref of, std::string_view label);
  void set_tool(value_ref of, const tool_info& tool);
  [[nodiscard]] const tool_info& tool_of(value_ref r, std::string_view action) const;
  /// Lets an entry, or the sub-graph whose result it is, start only if this value is true.
  void guard(value_ref conditional, value_ref condition);
  /// Whether there is something that a condition can keep from starting.
  [[nodiscard]] bool can_be_guarded(value_ref r) const noexcept;

  /// Copies a graph into this one, as a cluster: its inputs become what `arguments` names. `make_result` is given the
  /// translation and the first copied entry, and gives what its result has become.
  template <class MakeResult>
  value_ref insert(const plan& p, const value_ref* arguments, MakeResult make_result) {
    const insertion t(*this, p, arguments);
    const value_ref result = make_result(static_cast<const translation&>(t), t.first);
    end_cluster(t.cluster_number, result);
    return result;
  }

  /// Compiles. `result` has been put into the plan already. Errors: `build_error`.
  [[nodiscard]] std::shared_ptr<const plan> finish();

 private:
  struct insertion final : translation {
    insertion(trace& into, const plan& p, const value_ref* arguments);
    value_ref operator()(value_ref r) const override;
    [[nodiscard]] std::uint32_t part(std::uint32_t inner, std::uint32_t base) const;

    trace& into;
    const plan& from;
    const value_ref* arguments;
    std::uint32_t first = 0;
    std::uint32_t cluster_number = 0;
  };

  [[nodiscard]] static trace* current_of_thread() noexcept;
  value_ref add_entry(const entry_ops& ops, const tool_info* tool, void* record);
  void end_cluster(std::uint32_t number, value_ref result);
  entry_names& names(value_ref of, std::string_view action);
  void check_names() const;
  void check_order() const;
  void check_reads();

  static std::atomic<std::size_t> active_traces_;

  std::shared_ptr<plan> plan_;
  const std::uint32_t id_;
  trace* const outer_;
  std::uint32_t next_ordinal_ = 1;
  using select_function = void* (*)(void*, const member_bits&);
  std::map<std::tuple<std::uint32_t, select_function, member_bits>, std::uint32_t> known_parts_;
};

/// Errors: `build_error`, always: nodes mean something only while a graph is traced; or a literal cannot be copied.
[[noreturn]] void refuse_outside_of_tracing(std::string_view what);
[[noreturn]] void refuse_literal(std::string_view tool);
[[noreturn]] void refuse_output_names(const plan& p, std::size_t results);

/// What a traced X stands for, to be read in the current trace. Errors: `build_error`.
[[nodiscard]] inline value_ref traced_ref(const traced_base& x) {
  const traced_value& v = traced_value_of(x);
  static_cast<void>(trace::owner_of(v, "passed on"));
  return v.ref;
}

}  // namespace aethergraph::detail
