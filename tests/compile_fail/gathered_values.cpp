// expect: aethergraph: what is run side by side must be awaitable in an ag::task, or one range of such
#include <aethergraph/aethergraph.hpp>
#include <vector>

namespace ag = aethergraph;

ag::task<> f(std::vector<int> numbers) { co_await ag::gather(numbers); }
