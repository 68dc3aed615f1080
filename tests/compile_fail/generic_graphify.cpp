// expect: aethergraph: the parameters of a generic or overloaded callable cannot be deduced; give graphify a function with one signature
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::graphify g{"g", [](auto x) { return x; }};
