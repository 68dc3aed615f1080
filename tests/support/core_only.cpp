#include "support/core_only.hpp"

namespace test {

namespace {
const aethergraph::tool doubled{"doubled", [](int x) { return 2 * x; }};
}  // namespace

aethergraph::task<int> core_only_agent(int x) { co_return co_await doubled(x); }

}  // namespace test
