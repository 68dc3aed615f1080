#include "aethergraph/error.hpp"

#include <utility>

namespace aethergraph {

graph_error::graph_error(const std::string& what, std::vector<node_failure> failures)
    : error(what), failures_(std::make_shared<const std::vector<node_failure>>(std::move(failures))) {}

}  // namespace aethergraph
