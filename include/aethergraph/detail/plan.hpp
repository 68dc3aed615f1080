// A static graph as it is run: flat arrays, made once by tracing and compiling, then immutable.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory_resource>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include "aethergraph/detail/ready_set.hpp"
#include "aethergraph/detail/tool_info.hpp"
#include "aethergraph/detail/traced.hpp"
#include "aethergraph/node_state.hpp"

namespace aethergraph::detail {

class graph_executor;

/// The bits of a pointer to member.
using member_bits = std::array<std::byte, sizeof(int std::pair<int, int>::*)>;

/// A member or element of a value.
struct value_part {
  std::uint32_t outer = 0;  // 0: the whole value; else parts[outer - 1]
  void* (*select)(void* whole, const member_bits& member) = nullptr;
  member_bits member{};
  bool is_copyable = true;
};

enum class entry_kind : std::uint8_t {
  input,     ///< a parameter of the graph
  constant,  ///< a literal, given where a node is wanted
  make,      ///< a struct, tuple or container of values
  choice,    ///< the first of its values that was not skipped
  call,      ///< one call of a tool: the only kind that takes a slot
  run,       ///< a nested run
  map        ///< a call for each element of a range
};

/// Receives what a record reads.
class ref_visitor {
 public:
  /// `parameter` counts from 0.
  virtual void see(std::uint32_t parameter, value_ref r) = 0;

 protected:
  ~ref_visitor() = default;
};

/// Turns what a record of one graph reads into what its copy in another one reads.
class translation {
 public:
  virtual value_ref operator()(value_ref r) const = 0;

 protected:
  ~translation() = default;
};

/// What is known of a kind of record. Records lie in the arena of their plan.
struct entry_ops {
  entry_kind kind;
  // Of the value. `is_tracked`: it is moved to its last reader and destroyed after it; else it is only bytes.
  bool is_tracked;
  bool is_copyable;
  bool is_void;
  bool is_direct_body;  // of a record: a call of a coroutine, which needs nothing but its arguments
  std::uint32_t size;
  std::uint32_t alignment;
  void (*destroy_value)(void* value) noexcept;  // null of what is not tracked
  const std::type_info* type;
  // Of the record.
  // Of a call of a plain function, which needs nothing but its arguments: calls it, and puts its value in place. Else
  // null. It throws what that throws.
  void (*call)(graph_executor& ex, std::uint32_t index, const void* record);
  // Null of inputs. True: a call that has returned already, its value is in its place, and its slot is whose who
  // started it. Else it keeps all books itself.
  bool (*start)(graph_executor& ex, std::uint32_t index, const void* record) noexcept;
  void (*visit)(const void* record, ref_visitor& v);
  void* (*clone)(std::pmr::memory_resource& arena, const void* record, const translation& t);
  void (*destroy_record)(void* record) noexcept;  // null where there is nothing to destroy
};

struct plan_entry {
  const entry_ops* ops = nullptr;
  void* record = nullptr;
  const tool_info* tool = nullptr;  // of calls, runs and maps
  std::uint32_t cluster = 0;        // 0: the graph itself; else clusters[cluster - 1]
  std::uint32_t ordinal = 0;        // 1, 2, … among the calls and sub-graphs of its cluster; 0 of what is none

  [[nodiscard]] bool is_node() const noexcept { return ops->kind >= entry_kind::call; }
  /// Whether the executor takes its slot. Calls with controls do that themselves, for each attempt.
  [[nodiscard]] bool takes_slot() const noexcept { return ops->kind == entry_kind::call && !tool->controls; }
};

[[nodiscard]] constexpr node_kind kind_of(entry_kind k) noexcept {
  return k == entry_kind::run ? node_kind::run : k == entry_kind::map ? node_kind::map : node_kind::call;
}

/// A sub-graph that was called in a graph.
struct cluster {
  const tool_info* graph = nullptr;
  std::uint32_t outer = 0;    // as entry::cluster
  std::uint32_t ordinal = 0;  // likewise
  std::uint32_t first = 0;    // its entries, and those of sub-graphs in it, are [first, last)
  std::uint32_t last = 0;
  value_ref result{};  // in the outer graph
  bool has_result = false;
};

/// What a user has named.
struct entry_names {
  std::string id;
  std::string alias;
  std::string label;
};

/// A step that does not start before another one has ended.
struct order_edge {
  std::uint32_t before = 0;
  std::uint32_t after = 0;
};

// Invariant: once compiled, for each entry e
//   its successors are successors[first_successor[e] .. first_successor[e + 1]), in declaration order;
//   dependencies[e] counts how often it is a successor; reads[e] how often its value is read, if it is tracked.
class plan {
 public:
  explicit plan(const tool_info& what);
  plan(const plan&) = delete;
  plan& operator=(const plan&) = delete;
  ~plan();

  /// A flag in a successor: the edge passes no value that the successor cannot do without.
  static constexpr std::uint32_t tolerant = std::uint32_t{1} << 31;

  [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(entries.size()); }
  /// The id of a node: its name, or "tool#3" by its place, behind those of the sub-graphs that it is in.
  [[nodiscard]] std::string id_of(std::uint32_t e) const;
  [[nodiscard]] std::string prefix_of(std::uint32_t cluster_number) const;
  [[nodiscard]] const entry_names* names_of(std::uint32_t e) const;
  /// All that an entry reads: by its record, and as its condition.
  void visit_reads(std::uint32_t e, ref_visitor& v) const;

  /// The memory of a run: `block_bytes`. That of large graphs is kept for the next run. Any thread.
  [[nodiscard]] std::byte* take_block() const;
  void give_block_back(std::byte* b) const noexcept;

  // --- as traced
  const tool_info& what;
  std::pmr::monotonic_buffer_resource arena;
  std::vector<plan_entry> entries;
  std::vector<value_part> parts;
  std::vector<cluster> clusters;
  std::vector<order_edge> orders;
  std::map<std::uint32_t, entry_names> names;
  std::multimap<std::uint32_t, value_ref> guards;  // the conditions of those that have such: all must be true
  std::uint32_t inputs = 0;                        // entries [0, inputs) are its parameters
  std::vector<std::string> input_names;            // of those, or none: `what` names the plain parameters, too
  void* result = nullptr;                          // in the arena
  const entry_ops* result_ops = nullptr;           // to visit and destroy it
  std::vector<std::string> warnings;

  // --- as compiled
  std::vector<std::uint32_t> dependencies;
  std::vector<std::uint32_t> reads;
  std::vector<std::uint32_t> offsets;  // of values in the block of a run, in units of value_unit
  std::vector<std::uint32_t> first_successor;
  std::vector<std::uint32_t> successors;
  std::vector<std::uint8_t> flags;  // of entries, see below
  // The order in which ready calls start, and the other way round; empty where it is that of their declaration.
  std::vector<std::uint32_t> by_rank;
  std::vector<std::uint32_t> rank;
  std::size_t value_bytes = 0;
  std::size_t value_alignment = 8;
  std::size_t block_bytes = 0;  // of a run: its values, and what graph_executor::open places behind them
  bool has_tracked_values = false;

  /// What visitors are given as the parameter of a condition.
  static constexpr std::uint32_t condition_parameter = ~std::uint32_t{0};

  static constexpr std::size_t value_unit = 8;
  static constexpr std::uint8_t is_guarded = 1;       // has a condition
  static constexpr std::uint8_t reads_tracked = 2;    // reads values that it must release when it has ended
  static constexpr std::uint8_t is_tracked = 4;       // its value is
  static constexpr std::uint8_t is_free_call = 8;     // needs a slot, and has no condition
  static constexpr std::uint8_t is_direct = 16;       // a call that is but a call of the body
  static constexpr std::uint8_t is_direct_body = 32;  // likewise, and the body is a coroutine

 private:
  mutable std::atomic<std::byte*> spare_block_ = nullptr;
};

}  // namespace aethergraph::detail
