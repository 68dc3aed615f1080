// expect: aethergraph: ag::map needs a node of a range, such as a std::vector
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) { return 2 * x; }};
const ag::graphify g{"g", [](ag::node<int> x) { return ag::map(work, x); }};
