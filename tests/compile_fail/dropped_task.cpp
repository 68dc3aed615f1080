// expect: a task that is not awaited never runs
#include <aethergraph/aethergraph.hpp>

namespace ag = aethergraph;

ag::task<> f();
ag::task<> g() {
  f();
  co_return;
}
