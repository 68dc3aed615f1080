// expect: aethergraph: this is not awaitable in an ag::task
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

ag::task<> f() { co_await ag::as_result(1); }
