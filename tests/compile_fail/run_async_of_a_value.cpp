// expect: aethergraph: only an invocation (a call of a graph_fn), a call of a tool or a task can be run
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

ag::task<int> f() { co_return co_await ag::run_async(3); }
