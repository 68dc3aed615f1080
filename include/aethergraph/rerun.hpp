// rerun, fork: computes parts of a recorded run anew.
#pragma once

#include <string_view>
#include <type_traits>
#include <vector>

#include "aethergraph/run_store.hpp"

namespace aethergraph {

/// What may be different when a run is run again.
struct rerun_options {
  /// The structure of a static graph, the versions of its tools, and the version of the program itself. At the next run
  /// of the id, nodes that are not what they were (their tool, its version, what they read or wait for) are computed
  /// anew, too, with all that depends on them.
  bool accept_changes = false;
};
static_assert(std::is_trivially_destructible_v<rerun_options>);

/// Forgets what was recorded of parts of a run and of all that depends on them, so that running the id again computes
/// these anew and takes the rest from the store. The run stands as one that was interrupted, also if it had ended.
///
/// Of a static graph: nodes, with what their bodies did, and their dependents. Of an agent: calls, and everything that
/// was recorded after the first thing that the earliest of them did, since what an agent does next may depend on all
/// that it has learned.
///
/// Parameters: `selectors` as those of `task_graph::select`, for `recorded_graph(store, run_id)`: "tool:prefix" calls
/// of tools whose names begin so; else an id, such as "load#3", or the path of anything that was recorded. A call in
/// the body of a node of a static graph stands for that node. With none of them nothing is forgotten, but a run that
/// has ended is open again, and changes can be accepted. Returns: the facts that were forgotten, in the order of
/// writing. Errors: `option_error` for a selector that selects nothing; `store_error` where there is no such run;
/// `run_busy`.
std::vector<fact> rerun(run_store& store, std::string_view run_id, const std::vector<std::string_view>& selectors,
    const rerun_options& options = {});

/// The same with a copy of the run, which gets another id; the run itself stays as it is. What is asked in the copy has
/// to be answered anew, unless the answer was recorded. Returns: the facts that the copy has not got.
std::vector<fact> fork(run_store& store, std::string_view run_id, std::string_view new_id,
    const std::vector<std::string_view>& selectors = {}, const rerun_options& options = {});

}  // namespace aethergraph
