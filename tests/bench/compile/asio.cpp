// The same as aethergraph.cpp, on Asio alone.
#include <fmt/format.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

namespace asio = boost::asio;
using permits = asio::experimental::channel<void(boost::system::error_code)>;

asio::awaitable<void> work(permits& taken, int x, int& sum) {
  co_await taken.async_send(boost::system::error_code(), asio::use_awaitable);
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(1));
  co_await timer.async_wait(asio::use_awaitable);
  sum += 2 * x;
  taken.try_receive([](boost::system::error_code) {});
}

int main() {
  asio::io_context io(1);
  permits taken(io, 8);
  int sum = 0;
  for (int i = 0; i < 100; ++i) asio::co_spawn(io, work(taken, i, sum), asio::detached);
  io.run();
  fmt::print("{}\n", sum);
}
