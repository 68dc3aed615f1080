// expect: aethergraph: too few arguments in this call
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
const auto c = work(1, 2);
