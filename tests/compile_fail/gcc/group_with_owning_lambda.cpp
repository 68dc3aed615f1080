// expect: aethergraph: g++ destroys the captures of this lambda twice when it is written inside a co_await expression; capture by reference, or give the lambda a name first
#include <aethergraph/aethergraph.hpp>
#include <string>

namespace ag = aethergraph;

ag::task<> f(std::string s) {
  co_await ag::with_group([s](ag::task_group&) -> ag::task<> { co_return; });
}
