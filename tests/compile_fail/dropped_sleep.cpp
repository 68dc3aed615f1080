// expect: a sleep that is not awaited takes no time
#include <aethergraph/aethergraph.hpp>
#include <chrono>

namespace ag = aethergraph;

ag::task<> f() {
  ag::sleep_for(std::chrono::seconds(1));
  co_return;
}
