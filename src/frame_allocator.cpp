#include "aethergraph/detail/frame_allocator.hpp"

#include <cstdlib>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace aethergraph::detail {

#ifdef MADV_HUGEPAGE
namespace {
constexpr std::size_t large_page = std::size_t{2} << 20;
constexpr std::size_t least_of_large_pages = 2 * large_page;
}  // namespace

void* allocate_block(std::size_t size) {
  if (size < least_of_large_pages || size > static_cast<std::size_t>(-1) - large_page) return ::operator new(size);
  const std::size_t whole = (size + large_page - 1) / large_page * large_page;
  void* const p = std::aligned_alloc(large_page, whole);
  if (!p) throw std::bad_alloc();
  static_cast<void>(::madvise(p, whole, MADV_HUGEPAGE));  // a wish
  return p;
}
void free_block(void* p, std::size_t size) noexcept {
  if (size < least_of_large_pages) ::operator delete(p);
  else std::free(p);
}
#else
void* allocate_block(std::size_t size) { return ::operator new(size); }
void free_block(void* p, std::size_t) noexcept { ::operator delete(p); }
#endif

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
