// expect: aethergraph: argument 1 of this call does not convert to parameter 1
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) { return 2 * x; }};
const ag::graphify inner{"inner", [](ag::node<int> x) { return work(x); }};
const ag::graphify g{"g", [](ag::node<std::string> s) { return inner(s); }};
