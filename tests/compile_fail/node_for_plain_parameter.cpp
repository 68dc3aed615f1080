// expect: aethergraph: a plain parameter of a graphify is known while it is traced; give it a value, or make it an ag::node<T> parameter
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) { return 2 * x; }};
const ag::graphify inner{"inner", [](int n, ag::node<int> x) { return n > 1 ? work(x) : x; }};
const ag::graphify g{"g", [](ag::node<int> n, ag::node<int> x) { return inner(n, x); }};
