// expect: aethergraph: too few arguments in this call
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool minus{"minus", [](int a, int b) { return a - b; }};
const ag::graphify g{"g", [](ag::node<int> a, ag::node<int> b) { return minus(a, b); }};
const auto graph = g.build();
int x = ag::run(graph(1));
