// expect: aethergraph: argument 1 of this call does not convert to parameter 1
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x; }};
const ag::graphify g{"g", [](ag::node<std::string> s) { return agent(s); }};
