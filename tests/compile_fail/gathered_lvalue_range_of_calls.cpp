// expect: aethergraph: this consumes its awaitables: pass std::move(range)
#include <aethergraph/aethergraph.hpp>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
ag::task<int> f(std::vector<decltype(work)::call_type> calls) {
  const auto all = co_await ag::gather(calls);
  co_return all.at(0);
}
