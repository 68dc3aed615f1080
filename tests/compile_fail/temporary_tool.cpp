// expect: aethergraph: the callable of this temporary tool owns something, which g++ destroys twice inside a co_await expression; give the tool a name first
#include <aethergraph/aethergraph.hpp>
#include <string>

namespace ag = aethergraph;

ag::task<std::size_t> f(std::string s) {
  const auto said = co_await ag::tool{"say", [s](int) { return s; }}(1);
  co_return said.size();
}
