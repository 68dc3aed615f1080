// expect: aethergraph: awaiting uses this up; pass std::move(it), and nothing const
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

void f(ag::task_group& g, ag::task<> t) { g.spawn(t); }
