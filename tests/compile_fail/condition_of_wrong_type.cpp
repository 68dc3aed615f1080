// expect: aethergraph: the condition of ag::when must be a node of bool
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) { return 2 * x; }};
const ag::graphify g{"g", [](ag::node<int> x) { return ag::when(x, work(x)); }};
