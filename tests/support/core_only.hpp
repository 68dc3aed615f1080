// An agent in a translation unit that includes nothing but the umbrella, and so has no codecs.
#pragma once

#include <aethergraph/aethergraph.hpp>

namespace test {

[[nodiscard]] aethergraph::task<int> core_only_agent(int x);

}  // namespace test
