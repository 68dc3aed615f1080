// expect: aethergraph: argument 2 of this call does not convert to parameter 2
#include <aethergraph/aethergraph.hpp>
#include <vector>

namespace ag = aethergraph;

const ag::tool minus{"minus", [](int a, std::vector<int> b) { return a - static_cast<int>(b.size()); }};
const auto c = minus(1, "abc");
