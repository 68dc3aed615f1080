// expect: aethergraph: a parameter of a graphify must be a value or a const reference
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) { return 2 * x; }};
const ag::graphify g{"g", [](int& x) { return work(x); }};
