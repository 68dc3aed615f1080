// expect: aethergraph: the elements of the range do not convert to the parameter of the mapped tool
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) { return 2 * x; }};
const ag::graphify g{"g", [](ag::node<std::vector<std::string>> v) { return ag::map(work, v); }};
