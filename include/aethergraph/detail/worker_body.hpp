// The body of a call that is a plain function, on a worker thread.
#pragma once

#include <atomic>
#include <cstddef>

#include "aethergraph/detail/crew.hpp"
#include "aethergraph/detail/frame_allocator.hpp"
#include "aethergraph/detail/scheduler.hpp"

namespace aethergraph::detail {

/// To be asked to stop is no end: the body looks at the flag, and is awaited.
struct worker_body : crew_job, cancellable_wait {
  /// `r` runs the body, and keeps what comes of it in the call.
  worker_body(call_state& c, bool keeps, void (*r)(call_state& c, bool keeps_arguments) noexcept) noexcept;

  call_state& owner;
  const bool keeps_arguments;
  void (*const run)(call_state& c, bool keeps_arguments) noexcept;
  std::atomic<bool> stop_flag = false;

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* p, std::size_t size) noexcept { free_frame(p, size); }
};

}  // namespace aethergraph::detail
