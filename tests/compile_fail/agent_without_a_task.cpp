// expect: aethergraph: a graph_fn's function must be a coroutine that returns ag::task<R>
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::graph_fn agent{"agent", [](int x) { return x; }};
