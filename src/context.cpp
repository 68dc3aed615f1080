#include "aethergraph/context.hpp"

#include <fmt/format.h>

namespace aethergraph {

std::string context::id() const {
  if (!tool_) return run_id();
  return fmt::format("{}#{}", tool_->name, surroundings_->current_call->number);
}

}  // namespace aethergraph
