// compiles: the same things, done right
#include <aethergraph/aethergraph.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::tool echo{"echo", [](const std::string& s) { return s; }};
const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x; }};

ag::task<int> all(std::vector<ag::task<int>> tasks, ag::task<int> one) {
  const auto several = co_await ag::gather(std::move(tasks));
  const std::string said = co_await echo("abc");
  co_return several.at(0) + co_await std::move(one) + co_await work(static_cast<int>(said.size()));
}

int main() { return ag::run(agent(1)); }
