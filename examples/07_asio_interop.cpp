// Agents inside an existing Asio program: its event loop, its sockets, its ways to be told of an end.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <string>

namespace ag = aethergraph;
namespace asio = boost::asio;
using asio::ip::tcp;

// What the program had before: an echo server, as a coroutine of Asio's. It answers one client.
asio::awaitable<void> serve_echo(tcp::acceptor& acceptor) {
  tcp::socket peer = co_await acceptor.async_accept(asio::use_awaitable);
  std::string text(64, '\0');
  text.resize(co_await peer.async_read_some(asio::buffer(text), asio::use_awaitable));
  co_await asio::async_write(peer, asio::buffer(text), asio::use_awaitable);
}

// snippet ask
// A tool awaits any Asio operation with use_task. Its objects are made with the executor of the run.
const ag::tool ask{"ask", [](tcp::endpoint server, std::string text) -> ag::task<std::string> {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(server, ag::use_task);
  co_await asio::async_write(socket, asio::buffer(text), ag::use_task);
  text.resize(co_await socket.async_read_some(asio::buffer(text), ag::use_task));
  co_return text;
}};
// end snippet

// snippet nap
// A tool may also be a coroutine of Asio's as it stands.
const ag::tool nap{"nap", []() -> asio::awaitable<int> {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(1));
  co_await timer.async_wait(asio::use_awaitable);
  co_return 1;
}};
// end snippet

const ag::graph_fn talk{"talk", [](tcp::endpoint server) -> ag::task<std::string> {
  auto both = co_await ag::gather(ask(server, "echo me"), nap());
  co_return fmt::format("'{}' after {} ms", std::get<0>(both), std::get<1>(both));
}};

// snippet from_asio
// A coroutine of Asio's awaits a run, as any other operation.
asio::awaitable<void> talk_from_asio(tcp::endpoint server) {
  const auto executor = co_await asio::this_coro::executor;
  fmt::print("use_awaitable: {}\n", co_await ag::run_async(executor, talk(server), {}, asio::use_awaitable));
}
// end snippet

int main() {
  asio::io_context io;
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const tcp::endpoint server = acceptor.local_endpoint();
  const auto next_client = [&] {
    asio::co_spawn(io, serve_echo(acceptor), asio::detached);
    return server;
  };

  asio::co_spawn(io, talk_from_asio(next_client()), asio::detached);
  io.run();
  io.restart();

  // snippet tokens
  ag::run_async(io, talk(next_client()), {},
      [](std::exception_ptr e, std::string answer) { fmt::print("callback: {}\n", e ? "failed" : answer); });
  io.run();
  io.restart();

  auto answer = ag::run_async(io, talk(next_client()), {}, asio::use_future);
  io.run();
  fmt::print("use_future: {}\n", answer.get());
  // end snippet
}
