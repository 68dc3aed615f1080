// expect: aethergraph: only an invocation (a call of a graph_fn), a call of a tool or a task can be run
#include <aethergraph/aethergraph.hpp>

int main() {
  aethergraph::testing::explore(10, [] { return 1; });
}
