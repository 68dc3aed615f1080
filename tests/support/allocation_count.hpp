// How often the program has called the general allocator.
#pragma once

#include <cstddef>

namespace test {
[[nodiscard]] std::size_t allocations() noexcept;
}
