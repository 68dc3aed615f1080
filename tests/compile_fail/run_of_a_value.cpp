// expect: aethergraph: only an invocation (a call of a graph_fn), a call of a tool or a task can be run
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

int main() { return ag::run(3); }
