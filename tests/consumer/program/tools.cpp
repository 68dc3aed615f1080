#include "tools.hpp"

#include <utility>

int total_in_other_unit(std::vector<int> xs) { return aethergraph::run(doubled_total(std::move(xs))); }

const void* address_of_twice_in_other_unit() { return &twice; }
