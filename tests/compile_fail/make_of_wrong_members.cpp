// expect: aethergraph: ag::make<S>(…) takes what the members of S are initialised with, in order and without narrowing
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

struct size {
  int width;
  int height;
};
const ag::graphify g{"g", [](ag::node<std::string> s) { return ag::make<size>(1, s); }};
