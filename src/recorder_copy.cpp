// What is asked of a recorder: where nodes stand, and all that it knows.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "aethergraph/detail/recorder.hpp"
#include "aethergraph/detail/scope.hpp"
#include "recorder_parts.hpp"

namespace aethergraph::detail {

void append_place(std::string& path, const place& p) {
  if (p.within != no_node) path += (p.within & join_bit) ? '.' : '/';
  if (p.child != no_index) path += std::to_string(p.child);
  if (p.child != no_index && p.position != no_index) path += '.';
  if (p.position != no_index) path += std::to_string(p.position);
}

std::string path_of_node(std::string_view id) {
  std::string path = ":";
  for (const char c : id)
    if (std::string_view("/~:.%@").find(c) == std::string_view::npos) path += c;
    else path += fmt::format("%{:02X}", c);
  return path;
}

std::optional<place> recorder::place_of(node_number n) const noexcept {
  if (n & join_bit) {
    n &= ~join_bit;
    if (const join_record* r = joins_.at(n)) return r->where;
    const auto old = older().joins.find(n);
    return old == older().joins.end() ? std::nullopt : std::optional(old->second.where);
  }
  if (is_declared(n)) {
    const auto found = find_graph(graph_of(n));
    if (!found) return std::nullopt;
    return place{.within = found->run, .position = entry_of(n) - found->graph->inputs};
  }
  if (const node_record* r = nodes_.at(n)) return r->where;
  for (const auto* all : {&older().live, &older().failed})
    if (const auto old = all->find(n); old != all->end()) return old->second.where;
  return std::nullopt;
}

std::string recorder::path(node_number n) const {
  std::vector<std::optional<place>> outwards;
  for (std::optional<place> p = place_of(n);; p = place_of(p->within)) {
    outwards.push_back(p);
    if (!p || p->within == no_node) break;
  }
  std::string text;
  for (auto p = outwards.rbegin(); p != outwards.rend(); ++p)
    if (*p) append_place(text, **p);
    else text = "…";
  return text;
}

std::size_t recorder::failed_attempts(node_number n) const noexcept {
  if (n & join_bit) return 0;
  if (is_declared(n)) {
    const auto found = find_graph(graph_of(n));
    return !found || !found->live ? 0 : found->live->failed_attempts(entry_of(n));
  }
  if (!older_) return 0;
  const auto found = older_->failed_attempts.find(n);
  return found == older_->failed_attempts.end() ? 0 : found->second.size();
}

std::string recorder::replay_path(node_number n) const {
  const std::optional<place> p = place_of(n);
  std::string text;
  if (is_declared(n)) {
    const known_graph g = find_graph(graph_of(n)).value();
    text = (g.run == no_node ? std::string() : replay_path(g.run)) + path_of_node(g.graph->id_of(entry_of(n)));
  } else if (p) {
    text = replay_path(*p);
  }
  return text;
}

std::string recorder::replay_path(const place& p) const {
  // Outwards, in a loop: nesting may be deep.
  std::vector<place> outwards{p};
  std::string text;
  for (node_number n = p.within; n != no_node;) {
    if (is_declared(n)) {
      text = replay_path(n);
      break;
    }
    const std::optional<place> next = place_of(n);
    if (!next) break;
    outwards.push_back(*next);
    n = next->within;
  }
  for (auto at = outwards.rbegin(); at != outwards.rend(); ++at) {
    if (const std::size_t failed = at->within == no_node ? 0 : failed_attempts(at->within); failed > 0)
      text += '~' + std::to_string(failed + 1);
    append_place(text, *at);
  }
  return text;
}

std::optional<recorder::known_graph> recorder::find_graph(std::uint32_t number) const noexcept {
  if (live_root_ && number == root_graph) return known_graph{no_node, &live_root_->graph(), live_root_};
  if (!declared_) return std::nullopt;
  const auto found = declared_->all.find(number);
  if (found == declared_->all.end()) return std::nullopt;
  const declared_runs::declared_run& g = found->second;
  return known_graph{g.run, g.live ? &g.live->graph() : g.declared.get(), g.live};
}

recording recorder::copy() const {
  recording all;
  const older_records& old = older();
  all.folded = old.folded;
  all.start = start_;
  if (times_) all.times = std::make_shared<const recorded_times>(*times_);
  // Of old ones those that live and those that have failed, merged by number.
  auto live = old.live.begin();
  auto failed = old.failed.begin();
  while (live != old.live.end() || failed != old.failed.end()) {
    const bool is_live_next = failed == old.failed.end() || (live != old.live.end() && live->first < failed->first);
    auto& next = is_live_next ? live : failed;
    all.nodes.push_back({next->first, next->second, {}});
    ++next;
  }
  for (node_number n = nodes_.first(); n < nodes_.last(); ++n)
    if (const node_record* r = nodes_.at(n)) all.nodes.push_back({n, *r, {}});
  for (recording::node& n : all.nodes) {
    const scope* live_in = n.record.live;
    if (n.record.state == node_state::running && live_in && live_in->is_stopped())
      n.record.state = node_state::stopping;
    n.record.live = nullptr;
    if (const auto attempts = old.failed_attempts.find(n.number); attempts != old.failed_attempts.end())
      n.failed_attempts = attempts->second;
  }
  if (live_root_) all.graphs.push_back({root_graph, no_node, live_root_->shared_graph(), live_root_->copy_states()});
  if (declared_)
    for (const auto& [number, g] : declared_->all) {
      if (g.live) all.graphs.push_back({number, g.run, g.live->shared_graph(), g.live->copy_states()});
      else all.graphs.push_back({number, g.run, g.declared, g.ended});
    }
  for (const auto& [number, join] : old.joins) all.joins.push_back({number, join});
  for (node_number n = joins_.first(); n < joins_.last(); ++n)
    if (const join_record* r = joins_.at(n)) all.joins.push_back({n, *r});
  return all;
}

}  // namespace aethergraph::detail
