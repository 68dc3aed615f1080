#include "aethergraph/detail/joined.hpp"

namespace aethergraph::detail {

std::string joined(const std::vector<std::string>& all, std::string_view between) {
  std::string text;
  for (const std::string& one : all) {
    if (&one != &all.front()) text += between;
    text += one;
  }
  return text;
}

}  // namespace aethergraph::detail
