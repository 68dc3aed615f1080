// expect: aethergraph: the check of an exploration is called with the result of the run, or with its ag::run_result, which also one that failed has
#include <aethergraph/aethergraph.hpp>
#include <string>

aethergraph::task<int> body() { co_return 1; }

int main() {
  aethergraph::testing::explore(10, body, [](const std::string& result) { return result == "1"; });
}
