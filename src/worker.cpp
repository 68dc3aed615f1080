#include "aethergraph/detail/worker.hpp"

#include <algorithm>
#include <thread>

#include "aethergraph/detail/host.hpp"

namespace aethergraph::detail {

boost::asio::thread_pool& workers_of(loop& l) {
  if (const host* h = l.host(); h && h->workers) return *h->workers;
  static boost::asio::thread_pool process_wide(std::max(1U, std::thread::hardware_concurrency()));
  return process_wide;
}

}  // namespace aethergraph::detail
