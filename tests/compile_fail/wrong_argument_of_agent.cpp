// expect: aethergraph: argument 1 of this call does not convert to parameter 1
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x; }};
ag::task<int> f() { co_return co_await agent("abc"); }
