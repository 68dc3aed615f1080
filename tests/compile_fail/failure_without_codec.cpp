// expect: aethergraph: a recorded failure needs an ag::codec, or a constructor from a std::string
#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>

namespace ag = aethergraph;

struct broken_pipe : std::exception {
  explicit broken_pipe(int) {}
};
inline const ag::recorded_failure<broken_pipe> recorded{"broken_pipe"};
