// expect: the elements of a queue must move without exceptions, so that none is lost on its way
#include <aethergraph/aethergraph.hpp>

struct heavy {
  heavy();
  heavy(const heavy&);
};

aethergraph::queue<heavy> q{1};
