// expect: a value is pushed only when this is awaited
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

ag::task<> f(ag::queue<int>& q) {
  q.push(1);
  co_return;
}
