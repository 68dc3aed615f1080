// expect: aethergraph: a durable run records results, and there is no codec for this type
#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>

namespace ag = aethergraph;

struct opaque {
  int* handle = nullptr;
};
inline const ag::tool open_it{"open_it", [](int) { return opaque{}; }};
inline const ag::graph_fn agent{"agent", []() -> ag::task<int> {
  const opaque o = co_await open_it(1);
  co_return o.handle != nullptr;
}};
int main() { return ag::run(agent()); }
