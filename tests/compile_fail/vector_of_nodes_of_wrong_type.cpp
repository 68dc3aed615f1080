// expect: aethergraph: argument 2 of this call does not convert to parameter 2
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool minus{"minus", [](int a, std::vector<int> b) { return a - static_cast<int>(b.size()); }};
const ag::graphify g{"g", [](ag::node<int> x) { return minus(x, std::vector<ag::node<std::string>>{}); }};
