// expect: aethergraph: a parameter must be a value or a const reference, because a call outlives the expression that makes it
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::graph_fn agent{"agent", [](int& x) -> ag::task<int> { co_return ++x; }};
