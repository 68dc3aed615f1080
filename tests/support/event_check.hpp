// An observer that holds the events of runs against their documented order.
#pragma once

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace test {

namespace ag = aethergraph;

/// Given to root runs on one thread. What is wrong stands in `wrong()`, in words.
class event_check final : public ag::observer {
 public:
  void on_event(const ag::event& e) override {
    if (e.time() < last_) complain(e, "comes before the one before it");
    last_ = e.time();
    if (e.is_node_event()) on_node(e);
    else on_run(e);
  }

  [[nodiscard]] const std::vector<std::string>& wrong() const { return wrong_; }
  /// Whether all runs and all nodes have ended.
  [[nodiscard]] bool is_complete() const { return live_runs_ == 0 && live_nodes_ == 0; }
  [[nodiscard]] std::size_t nodes() const { return nodes_.size(); }

  /// What the graph of a root run says otherwise than its events did.
  [[nodiscard]] std::vector<std::string> differences(const ag::task_graph& g) const {
    std::vector<std::string> all;
    if (g.nodes().size() != nodes_.size()) all.emplace_back("the numbers of nodes differ");
    for (const ag::task_graph::node_view& n : g.nodes()) {
      const auto seen = last_states_.find(n.id);
      if (seen == last_states_.end()) all.push_back(n.id + " was never told of");
      else if (seen->second != n.state) all.push_back(n.id + " was told to be otherwise");
      if (!ag::has_ended(n.state)) all.push_back(n.id + " has not ended");
      if ((n.failure == nullptr) != (n.state == ag::node_state::done)) all.push_back(n.id + " has the wrong cause");
      // One that failed without an attempt was refused: for bad options, or by a breaker.
      if (n.attempts == 0 ? n.state != ag::node_state::skipped && n.state != ag::node_state::failed
                          : n.state == ag::node_state::skipped)
        all.push_back(n.id + " has the wrong attempts");
    }
    return all;
  }

 private:
  struct node {
    std::string run;
    bool has_started = false;
    bool is_between_attempts = false;
    bool has_ended = false;
  };
  struct run {
    std::string id;
    int live_nodes = 0;
    std::uint64_t last_number = 0;
    bool has_ended = false;
  };

  void on_run(const ag::event& e) {
    const std::string id = e.run_id();
    if (e.id() != id || e.number() != 0 || !e.path().empty()) complain(e, "is not about the run itself");
    if (e.kind() == ag::event_kind::run_started) {
      if (!runs_.emplace(e.root_number(), run{id}).second) complain(e, "comes twice");
      if (e.state() != ag::node_state::running || e.failure()) complain(e, "is not of a running run");
      ++live_runs_;
      return;
    }
    const auto found = runs_.find(e.root_number());
    if (found == runs_.end() || found->second.id != id || found->second.has_ended)
      return complain(e, "is not of a live run");
    if (found->second.live_nodes > 0) complain(e, "comes before its nodes have ended");
    if (!ag::has_ended(e.state()) || e.state() == ag::node_state::skipped) complain(e, "is in no final state");
    if ((e.failure() == nullptr) != (e.state() == ag::node_state::done)) complain(e, "has the wrong cause");
    found->second.has_ended = true;
    --live_runs_;
  }

  void on_node(const ag::event& e) {
    const auto owner = runs_.find(e.root_number());
    if (owner == runs_.end() || owner->second.has_ended) return complain(e, "is of no live run");
    const auto key = std::pair(e.root_number(), e.number());
    if (e.kind() == ag::event_kind::node_made) {
      // Those of a static graph that nests have numbers of their own kind.
      const bool is_declared = e.number() >= std::uint64_t{1} << 62;
      if (!is_declared && e.number() != ++owner->second.last_number) complain(e, "has not the next number");
      if (!nodes_.emplace(key, node{e.run_id()}).second) complain(e, "comes twice");
      if (e.state() != ag::node_state::waiting || e.failure()) complain(e, "is not of a waiting node");
      if (e.path().empty()) complain(e, "has no path");
      ++owner->second.live_nodes;
      ++live_nodes_;
      return;
    }
    const auto found = nodes_.find(key);
    if (found == nodes_.end() || found->second.has_ended) return complain(e, "is not of a live node");
    node& n = found->second;
    if (n.run != e.run_id()) complain(e, "is of another run than before");
    switch (e.kind()) {
      case ag::event_kind::node_started:
        if (n.has_started && !n.is_between_attempts) complain(e, "comes twice");
        if (e.state() != ag::node_state::running || e.failure()) complain(e, "is not of a running node");
        n.has_started = true;
        n.is_between_attempts = false;
        break;
      case ag::event_kind::node_attempt_failed:
        if (e.state() != ag::node_state::running || !e.failure()) complain(e, "has no failure");
        n.is_between_attempts = true;
        break;
      case ag::event_kind::node_stopping:
        if (!n.has_started) complain(e, "comes before the start");
        if (e.state() != ag::node_state::stopping || !e.failure()) complain(e, "is not of a stopping node");
        break;
      default:
        if (!ag::has_ended(e.state())) complain(e, "is in no final state");
        if (n.has_started ? e.state() == ag::node_state::skipped
                          : e.state() != ag::node_state::skipped && e.state() != ag::node_state::failed)
          complain(e, "is skipped, or not, wrongly");
        if ((e.failure() == nullptr) != (e.state() == ag::node_state::done)) complain(e, "has the wrong cause");
        n.has_ended = true;
        last_states_[e.id()] = e.state();
        --owner->second.live_nodes;
        --live_nodes_;
    }
  }

  void complain(const ag::event& e, const char* what) {
    wrong_.push_back(std::string(ag::to_string(e.kind())) + " of " + e.id() + " in " + e.run_id() + " " + what);
  }

  std::map<std::uint64_t, run> runs_;  // by root number
  std::map<std::pair<std::uint64_t, std::uint64_t>, node> nodes_;
  std::map<std::string, ag::node_state> last_states_;
  std::chrono::steady_clock::time_point last_{};
  int live_runs_ = 0;
  int live_nodes_ = 0;
  std::vector<std::string> wrong_;
};

}  // namespace test
