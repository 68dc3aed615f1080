#include "aethergraph/detail/plan.hpp"

#include <fmt/format.h>

#include "aethergraph/detail/frame_allocator.hpp"

namespace aethergraph::detail {

plan::plan(const tool_info& w) : what(w) {}

plan::~plan() {
  free_block(spare_block_.load(std::memory_order_acquire), block_bytes);  // acquire: pairs with give_block_back
  for (const plan_entry& e : entries)
    if (e.record && e.ops->destroy_record) e.ops->destroy_record(e.record);
  if (result && result_ops->destroy_record) result_ops->destroy_record(result);
}

std::byte* plan::take_block() const {
  if (frame_cache::is_kept(block_bytes)) return static_cast<std::byte*>(allocate_frame(block_bytes));
  // acquire: pairs with give_block_back, in the last run
  if (std::byte* b = spare_block_.exchange(nullptr, std::memory_order_acquire)) return b;
  return static_cast<std::byte*>(allocate_block(block_bytes));
}
void plan::give_block_back(std::byte* b) const noexcept {
  if (frame_cache::is_kept(block_bytes)) return free_frame(b, block_bytes);
#if AETHERGRAPH_KEEPS_FRAMES
  b = spare_block_.exchange(b, std::memory_order_acq_rel);  // acq_rel: what comes out is another run's
#endif
  free_block(b, block_bytes);
}

const entry_names* plan::names_of(std::uint32_t e) const {
  const auto found = names.find(e);
  return found == names.end() ? nullptr : &found->second;
}

std::string plan::prefix_of(std::uint32_t cluster_number) const {
  std::string prefix;
  for (std::uint32_t c = cluster_number; c != 0; c = clusters[c - 1].outer)
    prefix.insert(0, fmt::format("{}#{}/", clusters[c - 1].graph->name, clusters[c - 1].ordinal));
  return prefix;
}

std::string plan::id_of(std::uint32_t e) const {
  const plan_entry& here = entries[e];
  std::string id = prefix_of(here.cluster);
  if (const entry_names* n = names_of(e); n && !n->id.empty()) return id + n->id;
  switch (here.ops->kind) {
    case entry_kind::input:
      return id + (e < input_names.size() ? input_names[e] : fmt::format("input#{}", e + 1));
    case entry_kind::constant:
      return id + fmt::format("constant#{}", e);
    case entry_kind::make:
      return id + fmt::format("make#{}", e);
    case entry_kind::choice:
      return id + fmt::format("any_of#{}", e);
    case entry_kind::map:
    case entry_kind::call:
    case entry_kind::run:
      break;
  }
  return id + fmt::format("{}#{}", here.tool->name, here.ordinal);
}

void plan::visit_reads(std::uint32_t e, ref_visitor& v) const {
  const plan_entry& here = entries[e];
  if (here.record) here.ops->visit(here.record, v);
  const auto [first, last] = guards.equal_range(e);
  for (auto g = first; g != last; ++g) v.see(condition_parameter, g->second);
}

}  // namespace aethergraph::detail
