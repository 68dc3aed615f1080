// expect: aethergraph: this consumes its awaitables: pass std::move(range)
#include <aethergraph/aethergraph.hpp>
#include <vector>

namespace ag = aethergraph;

ag::task<int> f(std::vector<ag::task<int>> tasks) {
  const auto all = co_await ag::gather(tasks);
  co_return all.at(0);
}
