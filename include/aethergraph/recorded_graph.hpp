// recorded_graph, recorded_times: a durable run as its store knows it, for inspection.
#pragma once

#include <string_view>

#include "aethergraph/run_store.hpp"
#include "aethergraph/task_graph.hpp"
#include "aethergraph/timed_run.hpp"

namespace aethergraph {

/// The nodes of a run in a store, whoever executes or executed it: calls with their states, failures and times.
///
/// Of a static graph all nodes and edges are known, also of what has not run yet. Of an agent there are the calls that
/// have ended, each after the one before it in its sequence, or in the graph itself below the body that made it. A body
/// that has made calls and of which no end is recorded (that of a nested agent, or of a call that is open) is a node,
/// too; its name is known in a static graph only, and is "body" elsewhere. The id of what is no node of a static graph
/// is its tool and path, "fetch#2.1".
///
/// Errors: `store_error` where there is no such run. Complexity: n log n in the facts.
/// Example: `ag::recorded_graph(store, "nightly-7").to_dot()`
[[nodiscard]] task_graph recorded_graph(run_store& store, std::string_view run_id);

/// The same as what time went into, for `timeline` and `explain`. Times are those of the process that executed a call,
/// from the making of the run on; so the time between an interruption and what follows it is the run's own. A call has
/// ended for whoever awaits it when that is safe: until then a node of a static graph waits for what it depends on, and
/// in an agent it is the time of the body around it. How many slots nested runs had is not recorded: the forecast takes
/// it that they had as many as they needed. Of runs in a file that had version 1 of the schema, all waiting counts as
/// that for a slot, and there is no forecast.
[[nodiscard]] timed_run recorded_times(run_store& store, std::string_view run_id);

}  // namespace aethergraph
