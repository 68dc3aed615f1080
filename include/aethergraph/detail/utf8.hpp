// Text of unknown origin, such as the messages of exceptions, on its way into documents that are UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace aethergraph::detail {

/// The text, with U+FFFD in place of each byte that is no part of well-formed UTF-8.
[[nodiscard]] std::string valid_utf8(std::string_view text);

}  // namespace aethergraph::detail
