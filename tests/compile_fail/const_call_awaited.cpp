// expect: aethergraph: awaiting uses this up; write `co_await std::move(it)`, of nothing const
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};

ag::task<> f() {
  const auto c = work(1);
  co_await std::move(c);
}
