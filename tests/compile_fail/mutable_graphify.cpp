// expect: aethergraph: a graphify body must not be `mutable`, because it may be traced by several threads at once
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::graphify g{"g", [n = 0](int) mutable { return ++n; }};
