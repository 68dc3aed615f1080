// expect: aethergraph: a parameter of type ag::node<void> would bring nothing into the graph; leave it out
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) { return 2 * x; }};
const ag::graphify g{"g", [](ag::node<void> before) { return work(1).after(before); }};
