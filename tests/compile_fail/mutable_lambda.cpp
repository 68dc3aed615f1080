// expect: aethergraph: a callable must not be `mutable`, because many calls of it may be in flight at once
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::tool count{"count", [n = 0](int) mutable { return ++n; }};
