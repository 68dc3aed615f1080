// expect: aethergraph: ag::get<I>(call) needs a tool that returns a tuple, pair or array
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) { return 2 * x; }};
const ag::graphify g{"g", [] { return ag::get<0>(work(1)); }};
