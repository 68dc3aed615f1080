// What a recorder holds, copied, and the times that stand beside it.
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <vector>

#include "aethergraph/detail/recorder.hpp"

namespace aethergraph::detail {

/// How many nodes of each end are no longer held one by one.
struct ended_counts {
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t skipped = 0;

  void add(node_state s) noexcept {
    ++(s == node_state::done         ? done
        : s == node_state::failed    ? failed
        : s == node_state::cancelled ? cancelled
                                     : skipped);
  }
  void add(const ended_counts& o) noexcept {
    done += o.done;
    failed += o.failed;
    cancelled += o.cancelled;
    skipped += o.skipped;
  }
};

/// What is noted beside the records when times are: nothing of it is there otherwise.
struct recorded_times {
  /// From when on a node waits for something, or its body runs. It lasts until the next one, or the node's end.
  struct phase {
    node_phase what;
    time_point begin;
  };
  struct node_times {
    time_point made = no_time;
    time_point start = no_time;  // of its last attempt
    time_point end = no_time;
  };
  node_number first = no_node;                       // the number of the first of `nodes`
  std::deque<node_times> nodes;                      // by number
  std::map<node_number, node_times> old;             // of those before the first that are still held
  std::map<node_number, std::vector<phase>> phases;  // of nodes that waited for more than a slot, also declared ones
  std::map<node_number, std::size_t> slots;          // of each run, by its node; no_node: the root
  time_point end = no_time;                          // of the root run

  /// Those of a node, or null.
  [[nodiscard]] const node_times* of(node_number n) const noexcept;
};

/// A copy of what a recorder holds, at one moment.
struct recording {
  struct node {
    node_number number;
    node_record record;
    std::vector<std::exception_ptr> failed_attempts;
  };
  struct join {
    node_number number;
    join_record record;
  };
  /// A static graph that ran.
  struct graph {
    std::uint32_t number;
    node_number run;  // the node that it was the run of; no_node: the root
    std::shared_ptr<const plan> declared;
    declared_states states;
  };
  std::vector<graph> graphs;  // by number
  std::vector<node> nodes;    // likewise
  std::vector<join> joins;    // likewise
  ended_counts folded;
  time_point start{};                           // of the run, when times are recorded
  std::shared_ptr<const recorded_times> times;  // null: they are not
  time_point seen = no_time;                    // when this copy was made of a run that goes on
};

}  // namespace aethergraph::detail
