// expect: aethergraph: the fallback of ag::value_or does not convert to the type of the branch
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) { return 2 * x; }};
const ag::graphify g{"g", [](ag::node<bool> c) { return ag::value_or(ag::when(c, work(1)), std::string("none")); }};
