// expect: aethergraph: only an invocation (a call of a graph_fn), a call of a tool or a task can be run
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) { return 2 * x; }};
const ag::graphify g{"g", [](ag::node<int> x) { return work(x); }};
int x = ag::run(g.build());
