#include "aethergraph/context.hpp"

namespace aethergraph {

std::string context::id() const {
  if (!tool_) return run_id();
  return run().node_id(surroundings_->current_call->number, tool_->name);
}

}  // namespace aethergraph
