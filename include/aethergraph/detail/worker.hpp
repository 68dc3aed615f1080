// Bodies that run on worker threads: plain functions that compute for long, or block.
#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <utility>

#include "aethergraph/use_task.hpp"

namespace aethergraph::detail {

/// The threads that bodies of this run go to: those of the runtime that hosts it, else a pool of the whole process.
[[nodiscard]] boost::asio::thread_pool& workers_of(loop& l);

/// One function on its way through a worker thread, and back to the strand. To be asked to stop is no end: the function
/// looks at `stop_flag`, and is awaited.
class worker_operation : public asio_wait {
 public:
  /// Errors: `std::bad_alloc`, and what starting a thread throws; then nothing was started.
  template <class Fn>
  void start(environment& e, receiver& r, Fn fn) {
    auto& pool = workers_of(e.cancellation->home());
    enter(e, r);
    on_cancel = [](cancellable_wait& w) noexcept {
      // relaxed: only the flag matters; results come back by way of the executor
      static_cast<worker_operation&>(static_cast<asio_wait&>(w)).stop_flag.store(true, std::memory_order_relaxed);
    };
    stop_flag.store(false, std::memory_order_relaxed);
    try {
      boost::asio::post(pool, [fn = std::move(fn), done = asio_handler<worker_operation, void()>(*this)]() mutable {
        fn();
        done();
      });
    } catch (...) {
      leave();
      throw;
    }
  }
  void complete() noexcept { end(); }

  std::atomic<bool> stop_flag = false;
};

}  // namespace aethergraph::detail
