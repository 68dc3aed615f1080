// expect: aethergraph: argument 1 of this call does not convert to parameter 1
#include <aethergraph/aethergraph.hpp>
#include <ranges>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
ag::task<int> f(std::vector<std::string> words) {
  const std::vector<int> all = co_await ag::gather(words | std::views::transform(work));
  co_return static_cast<int>(all.size());
}
