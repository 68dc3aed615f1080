// Compiles what was traced. Apart from the recording, which each program that calls a tool reaches.
#include <fmt/format.h>

#include <algorithm>
#include <boost/core/demangle.hpp>
#include <iterator>
#include <map>
#include <numeric>
#include <unordered_map>

#include "aethergraph/detail/graph_executor.hpp"
#include "aethergraph/detail/joined.hpp"
#include "aethergraph/detail/trace.hpp"
#include "aethergraph/detail/visitor.hpp"
#include "aethergraph/error.hpp"

namespace aethergraph::detail {

void trace::check_names() const {
  const plan& p = *plan_;
  std::unordered_map<std::string, std::uint32_t> ids;
  std::unordered_map<std::string, std::uint32_t> aliases;
  if (p.names.empty()) return;  // those that go by their places are all different
  for (const auto& [e, n] : p.names) {
    if (!n.id.empty())
      if (const auto [other, is_new] = ids.emplace(p.id_of(e), e); !is_new)
        throw build_error(
            fmt::format("graph '{}': the id '{}' is given twice, to calls of '{}' and of '{}'; ids are unique",
                p.what.name, other->first, p.entries[other->second].tool->name, p.entries[e].tool->name));
    if (!n.alias.empty())
      if (!aliases.emplace(p.prefix_of(p.entries[e].cluster) + n.alias, e).second)
        throw build_error(
            fmt::format("graph '{}': the alias '{}' is given twice; aliases are unique", p.what.name, n.alias));
  }
  if (ids.empty()) return;
  for (std::uint32_t e = 0; e < p.size(); ++e) {
    if (!p.entries[e].is_node()) continue;
    const entry_names* const n = p.names_of(e);
    if (n && !n->id.empty()) continue;
    if (const auto other = ids.find(p.id_of(e)); other != ids.end())
      throw build_error(
          fmt::format("graph '{}': the id '{}' is given to a call of '{}', but is what a call of '{}' has by "
                      "its place; choose another one",
              p.what.name, other->first, p.entries[other->second].tool->name, p.entries[e].tool->name));
  }
}

void trace::check_order() const {
  const plan& p = *plan_;
  // Data flows forward, since nodes are made before they are used. Only what was ordered or guarded can lead back.
  const auto leads_back = [](const order_edge& o) { return o.before >= o.after; };
  bool is_suspect = std::ranges::any_of(p.orders, leads_back);
  for (const auto& [e, condition] : p.guards) is_suspect = is_suspect || condition.entry >= e;
  if (!is_suspect) return;

  std::vector<std::uint32_t> open = p.dependencies;
  std::vector<std::uint32_t> ready;
  std::size_t ended = 0;
  for (std::uint32_t e = 0; e < p.size(); ++e)
    if (open[e] == 0) ready.push_back(e);
  while (!ready.empty()) {
    const std::uint32_t e = ready.back();
    ready.pop_back();
    ++ended;
    for (std::uint32_t s = p.first_successor[e]; s < p.first_successor[e + 1]; ++s) {
      const std::uint32_t next = p.successors[s] & ~plan::tolerant;
      if (--open[next] == 0) ready.push_back(next);
    }
  }
  if (ended == p.size()) return;
  // Back from any that never got ready, by way of such, until one comes again.
  std::vector<std::uint32_t> before(p.size(), 0);
  for (std::uint32_t e = 0; e < p.size(); ++e)
    if (open[e] > 0)
      for (std::uint32_t s = p.first_successor[e]; s < p.first_successor[e + 1]; ++s)
        before[p.successors[s] & ~plan::tolerant] = e;
  std::uint32_t e = 0;
  while (open[e] == 0) ++e;
  std::vector<bool> is_seen(p.size());
  for (; !is_seen[e]; e = before[e]) is_seen[e] = true;
  std::vector<std::string> cycle{p.id_of(e)};
  for (std::uint32_t b = before[e]; b != e; b = before[b])
    if (p.entries[b].is_node()) cycle.insert(cycle.begin(), p.id_of(b));
  cycle.insert(cycle.begin(), p.id_of(e));
  throw build_error(
      fmt::format("graph '{}' has a cycle: {}; no call can wait for itself", p.what.name, joined(cycle, " -> ")));
}

void trace::check_reads() {
  plan& p = *plan_;
  std::vector<std::uint32_t> all_reads(p.size());
  // Of values that cannot be copied: who reads them, or parts of them, and so leaves them moved from.
  struct reads {
    std::uint32_t exact = 0;  // of this part itself
    std::uint32_t inner = 0;  // of parts of it
  };
  std::map<std::pair<std::uint32_t, std::uint32_t>, reads> parts;
  std::uint32_t reader = 0;
  const auto refuse = [&](std::uint32_t e) {
    throw build_error(
        fmt::format("graph '{}': the value of '{}', of type {}, cannot be copied, but is read twice, the second "
                    "time by {}",
            p.what.name, p.id_of(e), boost::core::demangle(p.entries[e].ops->type->name()),
            reader == p.size()            ? std::string("the result of the graph")
            : p.entries[reader].is_node() ? fmt::format("'{}'", p.id_of(reader))
                                          : std::string("a value that is made of it")));
  };
  visitor count([&](std::uint32_t, value_ref r) {
    ++all_reads[r.entry];
    if (p.entries[r.entry].ops->is_copyable) return;
    const auto is_moved = [&](std::uint32_t part) { return part == 0 || !p.parts[part - 1].is_copyable; };
    reads& mine = parts[{r.entry, r.part}];
    if (is_moved(r.part) && (mine.exact > 0 || mine.inner > 0)) refuse(r.entry);
    ++mine.exact;
    for (std::uint32_t part = r.part; part != 0;) {
      part = p.parts[part - 1].outer;
      reads& outer = parts[{r.entry, part}];
      if (is_moved(part) && outer.exact > 0) refuse(r.entry);
      ++outer.inner;
    }
  });
  for (; reader < p.size(); ++reader) p.visit_reads(reader, count);
  p.result_ops->visit(p.result, count);
  for (std::uint32_t e = 0; e < p.inputs; ++e)
    if (all_reads[e] == 0)
      throw build_error(fmt::format("graph '{}': its input {} is not used; use it or leave it out", p.what.name,
          e < p.input_names.size() ? fmt::format("'{}'", p.input_names[e]) : std::to_string(e + 1)));
  std::vector<bool> is_waited_for(p.size());
  for (const order_edge& o : p.orders) is_waited_for[o.before] = true;
  constexpr std::size_t named = 100;
  std::size_t unused = 0;
  for (std::uint32_t e = 0; e < p.size(); ++e)
    if (p.entries[e].is_node() && all_reads[e] == 0 && !is_waited_for[e] && ++unused <= named)
      p.warnings.push_back(fmt::format(
          "nothing needs '{}', which runs all the same; return it, or order something after it", p.id_of(e)));
  if (unused > named) p.warnings.push_back(fmt::format("and {} more that nothing needs", unused - named));
  p.reads = std::move(all_reads);
}

std::shared_ptr<const plan> trace::finish() {
  plan& p = *plan_;
  const std::uint32_t n = p.size();
  bool has_result = false;
  visitor see_result([&](std::uint32_t, value_ref) { has_result = true; });
  p.result_ops->visit(p.result, see_result);
  if (n == p.inputs && !has_result && p.result_ops->is_void)
    throw build_error(fmt::format(
        "graph '{}' has neither nodes nor results; call tools in its body, and return what they give", p.what.name));
  check_names();
  check_reads();

  // Each read, each order and each condition is an edge; a successor stands as often as it waits.
  p.dependencies.assign(n, 0);
  p.first_successor.assign(n + std::size_t{1}, 0);
  p.flags.assign(n, 0);
  std::uint32_t reader = 0;
  visitor count([&](std::uint32_t, value_ref r) {
    ++p.first_successor[r.entry + std::size_t{1}];
    ++p.dependencies[reader];
    if (p.entries[r.entry].ops->is_tracked) p.flags[reader] |= plan::reads_tracked;
  });
  for (; reader < n; ++reader) p.visit_reads(reader, count);
  for (const order_edge& o : p.orders) {
    ++p.first_successor[o.before + std::size_t{1}];
    ++p.dependencies[o.after];
  }
  for (const auto& [e, condition] : p.guards) p.flags[e] |= plan::is_guarded;
  for (std::uint32_t e = 0; e < n; ++e) {
    if (p.entries[e].ops->is_tracked) p.flags[e] |= plan::is_tracked;
    if (p.entries[e].ops->call && p.entries[e].takes_slot() && !p.entries[e].tool->workers)
      p.flags[e] |= plan::is_direct;
    if (p.entries[e].ops->is_direct_body && p.entries[e].takes_slot()) p.flags[e] |= plan::is_direct_body;
    if (p.entries[e].takes_slot() && !(p.flags[e] & plan::is_guarded)) p.flags[e] |= plan::is_free_call;
  }
  for (std::size_t e = 0; e < n; ++e) p.first_successor[e + 1] += p.first_successor[e];
  p.successors.resize(p.first_successor[n]);
  std::vector<std::uint32_t> next(p.first_successor.begin(), p.first_successor.end() - 1);
  reader = 0;
  visitor place([&](std::uint32_t parameter, value_ref r) {
    const bool is_tolerant =
        p.entries[reader].ops->kind == entry_kind::choice && parameter != plan::condition_parameter;
    p.successors[next[r.entry]++] = reader | (is_tolerant ? plan::tolerant : 0);
  });
  for (; reader < n; ++reader) p.visit_reads(reader, place);
  for (const order_edge& o : p.orders) p.successors[next[o.before]++] = o.after | plan::tolerant;

  const auto priority = [&](std::uint32_t e) { return p.entries[e].tool ? p.entries[e].tool->priority : 0; };
  bool has_priorities = false;
  for (std::uint32_t e = 0; e < n && !has_priorities; ++e) has_priorities = priority(e) != 0;
  if (has_priorities) {
    p.by_rank.resize(n);
    std::iota(p.by_rank.begin(), p.by_rank.end(), 0U);
    std::ranges::sort(p.by_rank, [&](std::uint32_t a, std::uint32_t b) {
      return priority(a) != priority(b) ? priority(a) > priority(b) : a < b;
    });
    p.rank.resize(n);
    for (std::uint32_t r = 0; r < n; ++r) p.rank[p.by_rank[r]] = r;
  }

  p.offsets.resize(n);
  std::size_t units = 0;
  for (std::size_t e = 0; e < n; ++e) {
    const entry_ops& o = *p.entries[e].ops;
    const std::size_t alignment = std::max<std::size_t>(o.alignment, plan::value_unit) / plan::value_unit;
    units = (units + alignment - 1) / alignment * alignment;
    if (units > ~std::uint32_t{0})
      throw build_error(fmt::format("graph '{}': its values need more than 32 GiB", p.what.name));
    p.offsets[e] = static_cast<std::uint32_t>(units);
    units += (o.size + plan::value_unit - 1) / plan::value_unit;
    p.value_alignment = std::max<std::size_t>(p.value_alignment, o.alignment);
    p.has_tracked_values = p.has_tracked_values || o.is_tracked;
  }
  p.value_bytes = units * plan::value_unit;
  p.block_bytes = graph_executor::block_bytes(p);
  check_order();
  return plan_;
}

}  // namespace aethergraph::detail
