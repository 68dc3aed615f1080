// expect: aethergraph: an ag::node is a value to come of a graph and cannot be awaited; pass it to a tool, or return it from the graphify body
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

ag::task<std::string> f(ag::node<std::string> n) { co_return co_await std::move(n); }
