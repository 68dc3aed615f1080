// expect: aethergraph: running this uses it up; pass std::move(it)
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x; }};
int main() {
  auto i = agent(1);
  return ag::run(i);
}
