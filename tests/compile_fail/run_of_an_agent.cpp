// expect: aethergraph: only an invocation (a call of a graph_fn), a call of a tool or a task can be run
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x; }};
int main() { return ag::run(agent); }
