// expect: aethergraph: what makes the invocations to explore is called with nothing, with the seed (std::uint64_t) or with the simulation (ag::testing::simulation&)
#include <aethergraph/aethergraph.hpp>
#include <string>

int main() {
  aethergraph::testing::explore(10, [](std::string name) { return name; });
}
