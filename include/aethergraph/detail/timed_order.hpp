// What whoever looks at a timed_run asks first: who belongs to whom, and what came last before what.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "aethergraph/timed_run.hpp"

namespace aethergraph::detail {

/// No position: nothing, or the body of the run itself.
inline constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

/// Of each node that whose body made it. `nowhere` also if it is not listed before it.
[[nodiscard]] std::vector<std::size_t> parents_of(const timed_run& r);

/// When the last attempt of its body started, or null.
[[nodiscard]] const timed_phase* body_phase_of(const timed_node& n) noexcept;

/// Of each node and join, when it ended, and the node that ended last of all that it comes after.
// Those of equal end: one whose body ran before one that never started, then the later one.
struct order_in_time {
  std::vector<duration> end;
  std::vector<std::size_t> latest;
};
/// Errors: `option_error` for a position that is not there. What comes after itself comes after nothing.
[[nodiscard]] order_in_time order_in_time_of(const timed_run& r);

/// As people read it: "12.5ms".
[[nodiscard]] std::string short_text(duration d);

}  // namespace aethergraph::detail
