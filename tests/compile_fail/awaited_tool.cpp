// expect: aethergraph: a tool is not awaitable, a call of it is
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
ag::task<int> f() { co_return co_await work; }
