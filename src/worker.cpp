#include "aethergraph/detail/worker.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "aethergraph/detail/host.hpp"

namespace aethergraph::detail {

boost::asio::thread_pool& workers_of(loop& l) {
  if (const host* h = l.host(); h && h->workers) return *h->workers;
  static boost::asio::thread_pool process_wide(std::max(1U, std::thread::hardware_concurrency()));
  return process_wide;
}

worker_list::stay::stay(std::shared_ptr<worker_list> list)
    : list_(std::move(list)), stop_flag_(std::make_shared<std::atomic<bool>>(false)) {
  if (!list_) return;
  const std::lock_guard lock(list_->mutex_);
  list_->stop_flags_.push_back(stop_flag_);
}

void worker_list::remove(const stay& s) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase(stop_flags_, s.stop_flag_);
  if (stop_flags_.empty()) has_left_.notify_all();
}

void worker_list::stop_and_wait() noexcept {
  std::unique_lock lock(mutex_);
  // relaxed: only the flag matters
  for (const auto& flag : stop_flags_) flag->store(true, std::memory_order_relaxed);
  has_left_.wait(lock, [this] { return stop_flags_.empty(); });
}

}  // namespace aethergraph::detail
