// expect: aethergraph: the parameters of a generic or overloaded callable cannot be deduced; name them: ag::tool<R(Args...)>{name, callable}
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::tool same{"same", [](auto x) { return x; }};
