// expect: aethergraph: awaiting uses this up; pass std::move(it), and nothing const
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

ag::task<> f(ag::task<int> t) { co_await ag::timeout(t, std::chrono::seconds(1)); }
