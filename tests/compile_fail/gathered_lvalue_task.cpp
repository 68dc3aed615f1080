// expect: aethergraph: this consumes its awaitables: pass std::move(it)
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};

ag::task<> f(ag::task<int> t) { co_await ag::gather(t, work(1)); }
