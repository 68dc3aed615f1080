// expect: aethergraph: a durable run records results, and there is no codec for this type
#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>

namespace ag = aethergraph;

struct opaque {
  int* handle = nullptr;
};
inline const ag::graph_fn agent{"agent", []() -> ag::task<opaque> { co_return opaque{}; }};
int main() { return ag::run(agent()).handle != nullptr; }
