// What few static graphs have: failures, attempts that have failed, times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <vector>

#include "aethergraph/detail/graph_executor.hpp"

namespace aethergraph::detail {

struct graph_executor::rarities {
  static constexpr std::size_t no_element = static_cast<std::size_t>(-1);
  struct failed_entry {
    std::uint32_t entry;
    std::size_t element;  // of a map; no_element: of the entry itself
    std::exception_ptr cause;
  };
  std::vector<failed_entry> failures;
  std::vector<declared_states::failure> causes;
  std::map<std::uint32_t, std::vector<std::exception_ptr>> failed_attempts;
  std::vector<declared_states::times> times;  // an element an entry, or empty
};

}  // namespace aethergraph::detail
