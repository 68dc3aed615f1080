// The static graphs of a recorder.
#include <new>
#include <utility>

#include "aethergraph/detail/recorder.hpp"
#include "recorder_parts.hpp"

namespace aethergraph::detail {

std::uint32_t recorder::add_declared(const declared_nodes& d, node_number run) {
  if (run == no_node) {
    live_root_ = &d;
    return root_graph;
  }
  have_declared().all.emplace(next_declared_, declared_runs::declared_run{run, &d, nullptr, {}});
  return next_declared_++;
}

void recorder::end_declared(std::uint32_t graph, declared_states&& states) noexcept {
  if (const declared_nodes* const root = graph == root_graph ? std::exchange(live_root_, nullptr) : nullptr) {
    try {
      have_declared().all.emplace(graph, declared_runs::declared_run{no_node, root, nullptr, {}});
    } catch (const std::bad_alloc&) {
      return;  // it will be missing
    }
  }
  if (!declared_) return;
  declared_runs::map& all = declared_->all;
  const auto found = all.find(graph);
  if (found == all.end() || !found->second.live) return;
  found->second.declared = found->second.live->shared_graph();
  found->second.live = nullptr;
  found->second.ended = std::move(states);
  ended_declared_ += found->second.declared->size();
  if (ended_declared_ <= kept_nodes) return;
  try {
    static_cast<void>(have_older());
  } catch (const std::bad_alloc&) {
    return;
  }
  for (auto g = all.begin(); ended_declared_ > kept_nodes && g != all.end();) {
    if (g->second.live || g == found) {
      ++g;
      continue;
    }
    const plan& p = *g->second.declared;
    for (std::uint32_t e = 0; e < p.size() && e < g->second.ended.states.size(); ++e)
      if (p.entries[e].is_node()) older_->folded.add(entry_state::state(g->second.ended.states[e]));
    ended_declared_ -= p.size();
    drop_times(declared_number(g->first, 0), declared_number(g->first + 1, 0));
    g = all.erase(g);
  }
}

}  // namespace aethergraph::detail
