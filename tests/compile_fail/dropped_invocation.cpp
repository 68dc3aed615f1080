// expect: an invocation does nothing until it is run or awaited
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x; }};
void f() { agent(1); }
