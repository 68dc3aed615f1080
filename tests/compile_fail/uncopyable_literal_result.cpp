// expect: aethergraph: a literal result of a graph is copied for each run, so its type must be copyable
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::graphify g{"g", [] { return std::make_unique<int>(1); }};
int x = *ag::run(g());
