// Memory for coroutine frames, and for whatever else comes and goes as often: from a free list of the calling thread
// and the size, so that steady work never meets the general allocator.
#pragma once

#include <array>
#include <cstddef>

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

// Blocks of any of these may be freed by any other: all come from the general allocator, rounded up to their class.
[[nodiscard]] void* allocate_new_frame(std::size_t size);
void free_frame_slowly(void* p, std::size_t size) noexcept;

struct frame_cache {
  struct free_block {
    free_block* next;
  };
  // As fine as the general allocator's own, whose header of a word is beside the sizes that it likes best.
  static constexpr std::size_t granularity = 16;
  static constexpr std::size_t classes = 128;                            // frames of up to 2 KiB
  static constexpr std::size_t kept_bytes_limit = std::size_t{8} << 20;  // a thread; what is beyond goes back at once

  static constexpr std::size_t class_of(std::size_t size) { return (size + sizeof(void*) - 1) / granularity; }
  static constexpr bool is_kept(std::size_t size) { return class_of(size) < classes; }
  static constexpr std::size_t rounded(std::size_t size) { return (class_of(size) + 1) * granularity - sizeof(void*); }

  // Invariant: room is what may be kept beyond the blocks in `lists`: 0 before the thread's first block is freed, and
  // once the thread is ending.
  std::array<free_block*, classes> lists;
  std::size_t room;
};

// Trivially destructible, so that frames may still be freed while the thread's other objects go.
inline thread_local constinit frame_cache frames_of_thread{};

// Always inlined: the size is mostly a constant, which leaves a handful of instructions.
[[nodiscard, gnu::always_inline]] inline void* allocate_frame(std::size_t size) {
#if AETHERGRAPH_KEEPS_FRAMES
  if (const std::size_t c = frame_cache::class_of(size); c < frame_cache::classes) {
    frame_cache& mine = frames_of_thread;
    if (frame_cache::free_block* b = mine.lists[c]) [[likely]] {
      mine.lists[c] = b->next;
      mine.room += frame_cache::rounded(size);
      return b;
    }
  }
#endif
  return allocate_new_frame(size);
}

[[gnu::always_inline]] inline void free_frame(void* p, std::size_t size) noexcept {
#if AETHERGRAPH_KEEPS_FRAMES
  if (const std::size_t c = frame_cache::class_of(size); c < frame_cache::classes) {
    frame_cache& mine = frames_of_thread;
    if (mine.room >= frame_cache::rounded(size)) [[likely]] {
      auto* b = static_cast<frame_cache::free_block*>(p);
      b->next = mine.lists[c];
      mine.lists[c] = b;
      mine.room -= frame_cache::rounded(size);
      return;
    }
  }
#endif
  free_frame_slowly(p, size);
}

/// Memory for something that may be large, such as the children of a gather: of large pages, where the system has them.
/// For the first touch of a small one it takes as long as for several calls.
[[nodiscard]] void* allocate_block(std::size_t size);
void free_block(void* p, std::size_t size) noexcept;

/// The same for containers.
template <class T>
struct frame_cached {
  using value_type = T;
  frame_cached() noexcept = default;
  template <class U>
  frame_cached(const frame_cached<U>&) noexcept {}

  [[nodiscard]] T* allocate(std::size_t n) { return static_cast<T*>(allocate_frame(n * sizeof(T))); }
  void deallocate(T* p, std::size_t n) noexcept { free_frame(p, n * sizeof(T)); }
  template <class U>
  bool operator==(const frame_cached<U>&) const noexcept {
    return true;
  }
};

}  // namespace aethergraph::detail
