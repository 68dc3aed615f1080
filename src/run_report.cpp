// What others get to see of a run. Apart from the running, which does without.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "aethergraph/detail/graph_source.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/detail/tool_info.hpp"

namespace aethergraph::detail {

namespace {

/// "a sleep and a permit of a semaphore (3 times)".
std::string together(const std::vector<std::string_view>& whats) {
  std::vector<std::pair<std::string_view, std::size_t>> counted;
  for (const std::string_view what : whats) {
    const auto same = std::find_if(counted.begin(), counted.end(), [&](const auto& c) { return c.first == what; });
    if (same == counted.end()) counted.emplace_back(what, 1);
    else ++same->second;
  }
  std::string text;
  for (const auto& [what, times] : counted) {
    if (!text.empty()) text += " and ";
    text += what;
    if (times > 1) text += fmt::format(" ({} times)", times);
  }
  return text;
}

}  // namespace

std::shared_ptr<const graph_source> run_state::take_graph(const std::exception_ptr& failure) {
  if (declared_) declared_->leave_states();
  return std::make_shared<const graph_source>(identity(), state_after(failure), std::move(own_log_));
}

std::shared_ptr<const graph_source> run_state::copy_graph() const {
  recording now = log_ ? log_->copy() : recording{};
  now.seen = home().now();
  return std::make_shared<const graph_source>(
      identity(), is_stopped() ? node_state::stopping : node_state::running, std::move(now));
}

void run_state::describe(std::string& text) const {
  // What each call, or the body of each run, waits for.
  std::map<node_number, std::vector<std::string_view>> waits;
  for_each_wait([&](const scope& s, const cancellable_wait& w) {
    waits[w.waiting_call ? w.waiting_call->number : s.run().number()].emplace_back(w.waits_for);
  });
  const auto add_waits = [&](node_number n) {
    if (const auto found = waits.find(n); found != waits.end()) {
      text += fmt::format(", waits for {}", together(found->second));
      waits.erase(found);
    }
  };
  const auto add_slots = [&](const run_state& r) {
    text += fmt::format(", {} of {} slots held", r.slots.held(), r.slots.capacity());
    if (const std::size_t waiting = r.slots.waiting(); waiting > 0)
      text += fmt::format(", {} calls wait for one", waiting);
  };
  text += is_stopped() ? "stopping" : "running";
  add_slots(*this);
  add_waits(no_node);
  text += '\n';
  if (log_)
    log_->for_each_live([&](node_number n, const node_record& r) {
      const bool is_stopping = r.state == node_state::running && r.live->is_stopped();
      // A nested run is stopped by way of itself, but is a node of the run around it: and that is never declared here.
      const std::string id = is_declared(n) ? r.live->run().root_node_id(n, r.tool->name) : node_id(n, r.tool->name);
      text += fmt::format("  {} ({}) {}", id, log_->path(n), to_string(is_stopping ? node_state::stopping : r.state));
      if (r.kind == node_kind::run && r.state == node_state::running) add_slots(r.live->run());
      add_waits(n);
      text += '\n';
    });
  for (const auto& [n, whats] : waits)
    text += fmt::format("  call {}, which is not recorded, waits for {}\n", n, together(whats));
}

}  // namespace aethergraph::detail
