#include "aethergraph/node_state.hpp"

#include <array>
#include <cstddef>

namespace aethergraph {

std::string_view to_string(node_state s) noexcept {
  constexpr std::array<std::string_view, 7> names{
      "waiting", "running", "stopping", "done", "failed", "cancelled", "skipped"};
  return names[static_cast<std::size_t>(s)];
}
std::string_view to_string(node_phase p) noexcept {
  constexpr std::array<std::string_view, 8> names{
      "dependencies", "slot", "permit", "pool", "rate", "delay", "failed_attempt", "body"};
  return names[static_cast<std::size_t>(p)];
}
std::string_view to_string(node_kind k) noexcept {
  constexpr std::array<std::string_view, 3> names{"call", "run", "map"};
  return names[static_cast<std::size_t>(k)];
}

}  // namespace aethergraph
