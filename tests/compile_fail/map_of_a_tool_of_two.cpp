// expect: aethergraph: the elements of the range do not convert to the parameter of the mapped tool
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool minus{"minus", [](int a, int b) { return a - b; }};
const ag::graphify g{"g", [](ag::node<std::vector<int>> v) { return ag::map(minus, v); }};
