// expect: aethergraph: a graphify body is a plain function that returns nodes; a coroutine is a graph_fn
#include <aethergraph/aethergraph.hpp>
#include <memory>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::graphify g{"g", [](int x) -> boost::asio::awaitable<int> { co_return x; }};
