// message_of: what an exception says.
#pragma once

#include <exception>
#include <string>

namespace aethergraph::detail {

/// Its `what()`, or "an exception that is no std::exception".
[[nodiscard]] std::string message_of(const std::exception_ptr& e);

}  // namespace aethergraph::detail
