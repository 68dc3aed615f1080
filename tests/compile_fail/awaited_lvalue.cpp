// expect: aethergraph: awaiting uses this up; write `co_await std::move(it)`
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

ag::task<int> f(ag::task<int> t) { co_return co_await t; }
