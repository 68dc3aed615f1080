// expect: what is gathered runs only when this is awaited
#include <aethergraph/aethergraph.hpp>
#include <utility>
#include <vector>

namespace ag = aethergraph;

ag::task<> f(std::vector<ag::task<>> tasks) {
  ag::gather(std::move(tasks));
  co_return;
}
