// expect: what is gathered runs only when this is awaited
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
ag::task<> f() {
  ag::gather(work(1), work(2));
  co_return;
}
