// joined: texts, one after the other.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace aethergraph::detail {

/// `fmt::join`, which would instantiate fmt's formatting of strings in each object.
[[nodiscard]] std::string joined(const std::vector<std::string>& all, std::string_view between);

}  // namespace aethergraph::detail
