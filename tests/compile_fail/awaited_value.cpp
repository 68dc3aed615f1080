// expect: aethergraph: this is not awaitable in an ag::task
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

ag::task<int> f() { co_return co_await 3; }
