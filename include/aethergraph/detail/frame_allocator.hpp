// Memory for coroutine frames, and for whatever else comes and goes as often: from a free list of the calling thread.
#pragma once

#include <cstddef>

namespace aethergraph::detail {

[[nodiscard]] void* allocate_frame(std::size_t size);
void free_frame(void* p, std::size_t size) noexcept;

}  // namespace aethergraph::detail
