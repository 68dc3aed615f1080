// expect: aethergraph: a recorded failure is a std::exception
#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>

namespace ag = aethergraph;

inline const ag::recorded_failure<int> recorded{"int"};
