// What a recorder keeps of what has been folded, and of static graphs.
#pragma once

#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "aethergraph/detail/frame_allocator.hpp"
#include "aethergraph/detail/plan.hpp"
#include "aethergraph/detail/recorder.hpp"
#include "aethergraph/detail/recording.hpp"

namespace aethergraph::detail {

struct recorder::older_records {
  std::map<node_number, node_record> live;    // have not ended
  std::map<node_number, node_record> failed;  // have
  std::map<node_number, join_record> joins;   // are open
  ended_counts folded;
  std::map<node_number, std::vector<std::exception_ptr>> failed_attempts;  // before the last; of nodes that are held
};

struct recorder::declared_runs {
  struct declared_run {
    node_number run;
    const declared_nodes* live;            // null once it has ended
    std::shared_ptr<const plan> declared;  // from then on
    declared_states ended;
  };
  using map =
      std::map<std::uint32_t, declared_run, std::less<>, frame_cached<std::pair<const std::uint32_t, declared_run>>>;
  map all;
};

}  // namespace aethergraph::detail
