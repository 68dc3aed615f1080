#include "aethergraph/detail/frame_allocator.hpp"

#include <new>

namespace aethergraph::detail {

void* allocate_new_frame(std::size_t size) {
  return ::operator new(frame_cache::is_kept(size) ? frame_cache::rounded(size) : size);
}

#if AETHERGRAPH_KEEPS_FRAMES

namespace {

enum class cache_phase : unsigned char { unused, used, closed };
thread_local constinit cache_phase phase = cache_phase::unused;

struct cache_closer {
  ~cache_closer() {
    phase = cache_phase::closed;
    frames_of_thread.room = 0;
    for (frame_cache::free_block*& list : frames_of_thread.lists)
      while (list) {
        frame_cache::free_block* b = list;
        list = b->next;
        ::operator delete(b);
      }
  }
};

void open_cache() {
  thread_local cache_closer closer;
  static_cast<void>(closer);
  phase = cache_phase::used;
  frames_of_thread.room = frame_cache::kept_bytes_limit;
}

}  // namespace

void free_frame_slowly(void* p, std::size_t size) noexcept {
  if (phase == cache_phase::unused) {
    open_cache();
    if (frame_cache::is_kept(size)) return free_frame(p, size);
  }
  ::operator delete(p);
}

#else

void free_frame_slowly(void* p, std::size_t) noexcept { ::operator delete(p); }

#endif

}  // namespace aethergraph::detail
