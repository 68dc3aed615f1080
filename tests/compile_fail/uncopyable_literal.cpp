// expect: aethergraph: a literal in a graph is copied for each run, so its type must be copyable; make it a parameter of type ag::node<T>
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool adds{"adds", [](int a, std::unique_ptr<int> b) { return a + *b; }};
const ag::graphify g{"g", [](ag::node<int> x) { return adds(x, std::make_unique<int>(1)); }};
