// expect: aethergraph: the branches of ag::any_of must convert to the type of the first
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) { return 2 * x; }};
const ag::graphify g{"g", [](ag::node<std::string> s) { return ag::any_of(work(1), s); }};
