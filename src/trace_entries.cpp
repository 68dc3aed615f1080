// What is said of entries that were recorded: their parts, order, names and conditions; and how sub-graphs come in.
#include <fmt/format.h>

#include <algorithm>

#include "aethergraph/detail/trace.hpp"
#include "aethergraph/error.hpp"

namespace aethergraph::detail {

value_ref trace::add_part(value_ref of, const value_part& part) {
  // The same part is the same number, so that it is seen when it is read twice.
  const auto [known, is_new] = known_parts_.emplace(std::tuple(of.part, part.select, part.member), 0);
  if (is_new) {
    plan_->parts.push_back(part);
    plan_->parts.back().outer = of.part;
    known->second = static_cast<std::uint32_t>(plan_->parts.size());
  }
  return {of.entry, known->second};
}

void trace::order(value_ref after, const traced_value& before) {
  static_cast<void>(owner_of(before, "waited for"));
  if (!plan_->entries[after.entry].is_node())
    throw build_error(fmt::format(
        "graph '{}': '{}' is no call and cannot wait for another one", plan_->what.name, plan_->id_of(after.entry)));
  plan_->orders.push_back({before.ref.entry, after.entry});
}

entry_names& trace::names(value_ref of, std::string_view action) {
  if (!plan_->entries[of.entry].is_node())
    throw build_error(
        fmt::format("graph '{}': '{}' is no call and cannot be {}", plan_->what.name, plan_->id_of(of.entry), action));
  return plan_->names[of.entry];
}

void trace::set_id(value_ref of, std::string_view id) {
  if (id.empty()) throw build_error(fmt::format("graph '{}': a node was given an empty id", plan_->what.name));
  names(of, "given an id").id = id;
}
void trace::set_alias(value_ref of, std::string_view alias) {
  if (alias.empty()) throw build_error(fmt::format("graph '{}': a node was given an empty alias", plan_->what.name));
  names(of, "given an alias").alias = alias;
}
void trace::set_label(value_ref of, std::string_view label) { names(of, "given a label").label = label; }

const tool_info& trace::tool_of(value_ref r, std::string_view action) const {
  const plan_entry& e = plan_->entries[r.entry];
  if (e.ops->kind != entry_kind::call)
    throw build_error(fmt::format(
        "graph '{}': '{}' is no call of a tool and cannot be {}", plan_->what.name, plan_->id_of(r.entry), action));
  return *e.tool;
}
void trace::set_tool(value_ref of, const tool_info& tool) {
  if (!tool.problem.empty()) throw option_error(tool.problem);
  plan_->entries[of.entry].tool = &tool;
}

// --- conditions

namespace {
/// The outermost sub-graph whose result this is, or null.
const cluster* cluster_of_result(const plan& p, value_ref r) {
  auto c = std::ranges::upper_bound(p.clusters, r.entry, {}, &cluster::first);
  while (c != p.clusters.begin()) {
    --c;
    if (c->outer != 0) continue;
    const bool is_it = c->has_result && c->result.entry == r.entry && c->result.part == r.part;
    return is_it ? &*c : nullptr;
  }
  return nullptr;
}
}  // namespace

bool trace::can_be_guarded(value_ref r) const noexcept {
  const entry_kind k = plan_->entries[r.entry].ops->kind;
  if (cluster_of_result(*plan_, r)) return true;
  return r.part == 0 && k != entry_kind::input && k != entry_kind::constant;
}

void trace::guard(value_ref conditional, value_ref condition) {
  const auto add = [&](std::uint32_t e) { plan_->guards.emplace(e, condition); };
  if (const cluster* c = cluster_of_result(*plan_, conditional)) {
    for (std::uint32_t e = c->first; e < c->last; ++e) add(e);
    if (conditional.entry >= c->last) add(conditional.entry);
  } else {
    add(conditional.entry);
  }
}

// --- sub-graphs

trace::insertion::insertion(trace& t, const plan& p, const value_ref* a) : into(t), from(p), arguments(a) {
  plan& to = *t.plan_;
  first = to.size();
  cluster_number = static_cast<std::uint32_t>(to.clusters.size()) + 1;
  const std::uint32_t shift = cluster_number;  // inner cluster c is cluster_number + c
  to.clusters.push_back({&p.what, 0, t.next_ordinal_++, first, first, {}, false});
  for (const cluster& c : p.clusters)
    to.clusters.push_back(
        {c.graph, c.outer + shift, c.ordinal, c.first - p.inputs + first, c.last - p.inputs + first, {}, false});
  for (std::uint32_t i = p.inputs; i < p.size(); ++i) {
    plan_entry e = p.entries[i];
    e.cluster += shift;
    if (e.record) e.record = e.ops->clone(to.arena, e.record, *this);
    try {
      to.entries.push_back(e);
    } catch (...) {
      if (e.ops->destroy_record) e.ops->destroy_record(e.record);
      throw;
    }
  }
  to.clusters[cluster_number - 1].last = to.size();
  for (const order_edge& o : p.orders)
    to.orders.push_back({(*this)(value_ref{o.before, 0}).entry, o.after - p.inputs + first});
  for (const auto& [i, n] : p.names) to.names.emplace(i - p.inputs + first, n);
  for (const auto& [i, condition] : p.guards) to.guards.emplace(i - p.inputs + first, (*this)(condition));
}

value_ref trace::insertion::operator()(value_ref r) const {
  const value_ref base = r.entry < from.inputs ? arguments[r.entry] : value_ref{r.entry - from.inputs + first, 0};
  return {base.entry, part(r.part, base.part)};
}

std::uint32_t trace::insertion::part(std::uint32_t inner, std::uint32_t base) const {
  if (inner == 0) return base;
  const value_part& p = from.parts[inner - 1];
  return into.add_part({0, part(p.outer, base)}, p).part;
}

void trace::end_cluster(std::uint32_t number, value_ref result) {
  cluster& c = plan_->clusters[number - 1];
  c.result = result;
  c.has_result = true;
}

}  // namespace aethergraph::detail
