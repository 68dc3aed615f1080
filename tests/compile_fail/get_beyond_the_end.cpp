// expect: aethergraph: ag::get<I>(call) is beyond the end of the tuple, pair or array
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool both{"both", [](int x) { return std::pair(x, x); }};
const ag::graphify g{"g", [] { return ag::get<2>(both(1)); }};
