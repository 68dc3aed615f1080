// The threads that crews consist of.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstddef>

namespace aethergraph::detail {

/// Threads for bodies that are plain functions.
struct worker_pool {
  explicit worker_pool(std::size_t n) : threads(n), pool(n) {}
  const std::size_t threads;
  boost::asio::thread_pool pool;
};

}  // namespace aethergraph::detail
