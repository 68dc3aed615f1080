// expect: aethergraph: too many arguments in this call
#include <aethergraph/aethergraph.hpp>
#include <vector>

namespace ag = aethergraph;

const ag::tool minus{"minus", [](int a, std::vector<int> b) { return a - static_cast<int>(b.size()); }};
const auto c = minus(1, std::vector<int>{}, 3);
