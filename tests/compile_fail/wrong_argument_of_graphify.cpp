// expect: aethergraph: argument 1 of this call does not convert to parameter 1
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool size{"size", [](std::vector<int> v) { return static_cast<int>(v.size()); }};
const ag::graphify g{"g", [](ag::node<std::vector<int>> v) { return size(v); }};
int x = ag::run(g(3.5));
