// expect: aethergraph: g++ destroys the captures of this lambda twice when it is written inside a co_await expression; give the view a name first
#include <aethergraph/aethergraph.hpp>
#include <ranges>
#include <string>
#include <vector>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
ag::task<> f(std::vector<int> xs, std::string s) {
  co_await ag::gather(xs | std::views::transform([s](int x) { return work(x + static_cast<int>(s.size())); }));
}
