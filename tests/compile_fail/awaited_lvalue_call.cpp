// expect: aethergraph: awaiting uses this up; write `co_await std::move(it)`
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
ag::task<int> f() {
  auto c = work(1);
  co_return co_await c;
}
