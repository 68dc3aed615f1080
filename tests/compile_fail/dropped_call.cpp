// expect: a call does nothing until it is awaited
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
ag::task<> f() {
  work(1);
  co_return;
}
