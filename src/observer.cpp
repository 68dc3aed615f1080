#include "aethergraph/observer.hpp"

#include <array>

#include "aethergraph/detail/run_state.hpp"

namespace aethergraph {

std::string_view to_string(event_kind k) noexcept {
  constexpr std::array<std::string_view, 7> names{
      "run_started", "node_made", "node_started", "node_stopping", "node_ended", "run_ended", "node_attempt_failed"};
  return names[static_cast<std::size_t>(k)];
}

std::string event::run_id() const { return run_.identity(); }
std::string_view event::run_name() const noexcept { return run_.name(); }
std::uint64_t event::root_number() const noexcept { return run_.book().id(); }
std::string event::id() const { return is_node_event() ? run_.root_node_id(number_, tool_) : run_id(); }
std::string event::path() const { return is_node_event() ? run_.log()->path(number_) : std::string(); }

}  // namespace aethergraph
