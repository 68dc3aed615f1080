// loopback aethergraph|asio N: N keep-alive connections over the loopback device to an echo server in a process of its
// own, each asking again as soon as it has its answer, until about 50,000 answers have come. It
// says "requests seconds 0 CPU-seconds", the last of the client alone.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aethergraph/aethergraph.hpp>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string_view>
#include <vector>

namespace ag = aethergraph;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr int answers = 50'000;
using message = std::array<char, 64>;

void allow_many_files() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

[[noreturn]] void fail(std::string_view what, const boost::system::error_code& e) {
  fmt::print(stderr, "loopback: {}: {}\n", what, e.message());
  std::exit(1);
}

// --- the server
struct echo : std::enable_shared_from_this<echo> {
  tcp::socket socket;
  message text{};

  explicit echo(tcp::socket s) : socket(std::move(s)) {}
  void go_on() {
    asio::async_read(socket, asio::buffer(text), [self = shared_from_this()](boost::system::error_code e, std::size_t) {
      if (e) return;
      asio::async_write(self->socket, asio::buffer(self->text), [self](boost::system::error_code failure, std::size_t) {
        if (!failure) self->go_on();
      });
    });
  }
};
void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](boost::system::error_code e, tcp::socket s) {
    if (e) fail("accept", e);
    s.set_option(tcp::no_delay(true));
    std::make_shared<echo>(std::move(s))->go_on();
    accept(acceptor);
  });
}

// --- the client on callbacks
struct asker {
  tcp::socket& socket;
  int left;
  message text{};

  void ask() {
    asio::async_write(socket, asio::buffer(text), [this](boost::system::error_code e, std::size_t) {
      if (e) fail("write", e);
      asio::async_read(socket, asio::buffer(text), [this](boost::system::error_code failure, std::size_t) {
        if (failure) fail("read", failure);
        if (--left > 0) ask();
      });
    });
  }
};
void ask_by_callbacks(asio::io_context& io, std::vector<tcp::socket>& sockets, int rounds) {
  std::vector<asker> askers;
  askers.reserve(sockets.size());
  for (tcp::socket& s : sockets) askers.push_back({s, rounds});
  for (asker& a : askers) a.ask();
  io.run();
}

// --- the client as agents, a tool call for each request
const ag::tool request{"request", [](tcp::socket* s, message* text) -> ag::task<> {
  co_await asio::async_write(*s, asio::buffer(*text), ag::use_task);
  co_await asio::async_read(*s, asio::buffer(*text), ag::use_task);
}};
const ag::graph_fn agent{"agent", [](tcp::socket* s, int rounds) -> ag::task<> {
  message text{};
  for (int i = 0; i < rounds; ++i) co_await request(s, &text);
}};
void ask_by_agents(asio::io_context& io, std::vector<tcp::socket>& sockets, int rounds) {
  ag::runtime rt(io);
  std::vector<ag::run_handle<void>> runs;
  for (tcp::socket& s : sockets) runs.push_back(ag::start(rt, agent(&s, rounds)));
  io.run();
  for (const auto& run : runs) run.get();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view who = argc == 3 ? argv[1] : "";
  const int connections = argc == 3 ? std::atoi(argv[2]) : 0;
  if ((who != "aethergraph" && who != "asio") || connections < 1) {
    fmt::print(stderr, "usage: loopback aethergraph|asio CONNECTIONS\n");
    return 2;
  }
  allow_many_files();

  asio::io_context io(1);
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  acceptor.listen(4096);
  const tcp::endpoint server = acceptor.local_endpoint();
  io.notify_fork(asio::execution_context::fork_prepare);
  const pid_t child = ::fork();
  if (child == 0) {
    io.notify_fork(asio::execution_context::fork_child);
    accept(acceptor);
    io.run();
    return 0;
  }
  io.notify_fork(asio::execution_context::fork_parent);
  acceptor.close();

  std::vector<tcp::socket> sockets;
  for (int i = 0; i < connections; ++i) {
    boost::system::error_code e;
    sockets.emplace_back(io).connect(server, e);
    if (e) fail(fmt::format("connection {} of {}", i + 1, connections), e);
    sockets.back().set_option(tcp::no_delay(true));
  }
  const int rounds = std::max(1, answers / connections);
  const std::clock_t used = std::clock();
  const auto start = std::chrono::steady_clock::now();
  (who == "asio" ? ask_by_callbacks : ask_by_agents)(io, sockets, rounds);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  const double cpu_seconds = static_cast<double>(std::clock() - used) / CLOCKS_PER_SEC;
  fmt::print("{} {} 0 {}\n", rounds * connections, time.count(), cpu_seconds);

  ::kill(child, SIGTERM);
  ::waitpid(child, nullptr, 0);
}
