// Bodies that run on worker threads: plain functions that compute for long, or block.
#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "aethergraph/use_task.hpp"

namespace aethergraph::detail {

/// The threads that bodies of this run go to: those of the runtime that hosts it, else a pool of the whole process.
[[nodiscard]] boost::asio::thread_pool& workers_of(loop& l);

/// What is on worker threads for the runs of one execution context, which must not go before it is back: the bodies
/// refer to the runs, and their results go to its executor. Any thread.
class worker_list {
 public:
  /// Stands for one body, from before it is handed to a thread until that thread has nothing left to do for it.
  class stay {
   public:
    /// `list` may be null: of a run that nothing can break off.
    explicit stay(std::shared_ptr<worker_list> list);
    stay(stay&&) noexcept = default;
    stay& operator=(stay&&) = delete;
    ~stay() {
      if (list_) list_->remove(*this);
    }
    [[nodiscard]] const std::shared_ptr<std::atomic<bool>>& stop_flag() const noexcept { return stop_flag_; }

   private:
    friend worker_list;
    std::shared_ptr<worker_list> list_;
    std::shared_ptr<std::atomic<bool>> stop_flag_;
  };

  /// Asks all of them to stop, and waits until they are gone.
  void stop_and_wait() noexcept;

 private:
  void remove(const stay& s) noexcept;

  std::mutex mutex_;
  std::condition_variable has_left_;
  std::vector<std::shared_ptr<std::atomic<bool>>> stop_flags_;
};

/// One function on its way through a worker thread, and back to the strand. To be asked to stop is no end: the function
/// looks at `stop_flag`, and is awaited.
class worker_operation : public asio_wait {
 public:
  /// Errors: `std::bad_alloc`, and what starting a thread throws; then nothing was started.
  template <class Fn>
  void start(environment& e, receiver& r, Fn fn) {
    loop& home_loop = e.cancellation->home();
    auto& pool = workers_of(home_loop);
    worker_list::stay here(home_loop.workers());
    stop_flag = here.stop_flag();
    enter(e, r);
    on_cancel = [](cancellable_wait& w) noexcept {
      // relaxed: only the flag matters; results come back by way of the executor
      static_cast<worker_operation&>(static_cast<asio_wait&>(w)).stop_flag->store(true, std::memory_order_relaxed);
    };
    try {
      boost::asio::post(pool, job<Fn>{std::move(here), std::move(fn), asio_handler<worker_operation, void()>(*this)});
    } catch (...) {
      leave();
      throw;
    }
  }
  void complete() noexcept { end(); }

  std::shared_ptr<std::atomic<bool>> stop_flag;  // from `start` on

 private:
  template <class Fn>
  struct job {
    worker_list::stay here;  // goes last: only then the executor may
    Fn fn;
    asio_handler<worker_operation, void()> done;
    void operator()() {
      fn();
      done();
    }
  };
};

}  // namespace aethergraph::detail
