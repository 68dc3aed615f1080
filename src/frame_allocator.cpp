// Coroutine frames come from a free list a thread and size class, so that steady work never meets the general
// allocator.

#include "aethergraph/detail/frame_allocator.hpp"

#include <array>
#include <cstddef>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define AETHERGRAPH_KEEPS_FRAMES 0  // so that AddressSanitizer sees a use after free
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AETHERGRAPH_KEEPS_FRAMES 0
#endif
#endif
#ifndef AETHERGRAPH_KEEPS_FRAMES
#define AETHERGRAPH_KEEPS_FRAMES 1
#endif

namespace aethergraph::detail {

#if AETHERGRAPH_KEEPS_FRAMES

namespace {

struct free_block {
  free_block* next;
};

constexpr std::size_t granularity = 64;
constexpr std::size_t classes = 32;                             // frames of up to 2 KiB
constexpr std::size_t kept_bytes_limit = std::size_t{8} << 20;  // a thread; what is beyond goes back at once

// Invariant: kept_bytes is the size of all blocks in `lists`; nothing is kept once `is_closed`.
struct frame_cache {
  std::array<free_block*, classes> lists;
  std::size_t kept_bytes;
  bool has_closer;
  bool is_closed;
};

// Trivially destructible, so that frames may still be freed while the thread's other objects go.
thread_local constinit frame_cache cache{};

struct cache_closer {
  ~cache_closer() {
    cache.is_closed = true;
    for (free_block*& list : cache.lists)
      while (list) {
        free_block* b = list;
        list = b->next;
        ::operator delete(b);
      }
  }
};

constexpr std::size_t class_of(std::size_t size) { return (size - 1) / granularity; }

void* allocate_new(std::size_t size) {
  const std::size_t c = class_of(size);
  return ::operator new(c < classes ? (c + 1) * granularity : size);
}

void register_closer() {
  thread_local cache_closer closer;
  static_cast<void>(closer);
  cache.has_closer = true;
}

}  // namespace

void* allocate_frame(std::size_t size) {
  const std::size_t c = class_of(size);
  frame_cache& mine = cache;
  if (c < classes && mine.lists[c]) [[likely]] {
    free_block* b = mine.lists[c];
    mine.lists[c] = b->next;
    mine.kept_bytes -= (c + 1) * granularity;
    return b;
  }
  return allocate_new(size);
}

void free_frame(void* p, std::size_t size) noexcept {
  const std::size_t c = class_of(size);
  frame_cache& mine = cache;
  if (c >= classes || mine.is_closed || mine.kept_bytes >= kept_bytes_limit) [[unlikely]] {
    ::operator delete(p);
    return;
  }
  if (!mine.has_closer) [[unlikely]]
    register_closer();
  auto* b = static_cast<free_block*>(p);
  b->next = mine.lists[c];
  mine.lists[c] = b;
  mine.kept_bytes += (c + 1) * granularity;
}

#else

void* allocate_frame(std::size_t size) { return ::operator new(size); }
void free_frame(void* p, std::size_t) noexcept { ::operator delete(p); }

#endif

}  // namespace aethergraph::detail
