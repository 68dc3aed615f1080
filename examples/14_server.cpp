// 14_server [PORT [THREADS]]: agents behind a socket. A client sends a line, `digest WORD...`, and gets a line for each
// thing that the agent does, then its result. A client that hangs up cancels its agent. SIGUSR1 tells on standard error
// who waits for what; SIGTERM ends the server.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace ag = aethergraph;
namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

// --- the work: any agent would do

const ag::tool digest_word{"digest_word", [](std::string word) -> ag::task<std::uint32_t> {
  co_await ag::sleep_for(1ms);  // say, a request to a model
  std::uint32_t hash = 2166136261;
  for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  co_return hash;
}};

const ag::graph_fn digest{"digest", [](std::vector<std::string> words) -> ag::task<std::uint32_t> {
  std::uint32_t sum = 0;
  for (const std::uint32_t hash : co_await ag::gather(words | std::views::transform(digest_word))) sum ^= hash;
  co_return sum;
}};

// --- a client

// snippet outbox
/// What goes to one client: its observer of the agent's run puts lines in, on the strand of the session.
class outbox final : public ag::observer {
 public:
  explicit outbox(tcp::socket& s) : socket_(s), news_(s.get_executor(), ag::duration::max()) {}

  void on_event(const ag::event& e) override {
    if (e.is_node_event()) put(fmt::format("{} {} {}\n", to_string(e.kind()), e.id(), to_string(e.state())));
  }
  void put(std::string line) {
    lines_ += line;
    news_.cancel();
  }
  /// After the last line.
  void close() {
    is_closed_ = true;
    news_.cancel();
  }

  /// Sends lines as they come, until it is closed.
  ag::task<> send_all() {
    while (!is_closed_ || !lines_.empty()) {
      const std::string now = std::exchange(lines_, {});
      if (now.empty()) co_await news_.async_wait(asio::as_tuple(ag::use_task));
      else co_await asio::async_write(socket_, asio::buffer(now), ag::use_task);
    }
  }

 private:
  tcp::socket& socket_;
  asio::steady_timer news_;  // never expires: cancelled when there is news
  std::string lines_;
  bool is_closed_ = false;
};
// end snippet

/// Ends when the client has hung up, or sends what nobody asked for.
ag::task<> hang_up(tcp::socket& socket) {
  char c = 0;
  co_await socket.async_read_some(asio::buffer(&c, 1), asio::as_tuple(ag::use_task));
}

std::string statistics(const ag::runtime& rt) {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return fmt::format("live {} permits {} pages {}\n", rt.runs().size(), rt.permits_held(), resident);
}

// snippet session
ag::task<> answer(tcp::socket& socket, outbox& out, std::vector<std::string> words) {
  auto agent = ag::run_async(digest(std::move(words)), {.observer = &out});
  auto first = co_await ag::race(std::move(agent), hang_up(socket));  // whoever is second is cancelled
  if (const std::uint32_t* sum = std::get_if<0>(&first)) out.put(fmt::format("result {:08x}\n", *sum));
  out.close();
}

const ag::graph_fn session{"session", [](ag::context& ctx, std::shared_ptr<tcp::socket> socket) -> ag::task<> {
  std::string line;
  co_await ag::timeout(asio::async_read_until(*socket, asio::dynamic_buffer(line, 65536), '\n', ag::use_task), 10s);
  std::istringstream request(line);
  std::string verb;
  request >> verb;
  outbox out(*socket);
  if (verb == "digest") {
    std::vector<std::string> words(std::istream_iterator<std::string>(request), {});
    co_await ag::gather(answer(*socket, out, std::move(words)), out.send_all());
  } else {
    out.put(verb == "statistics" ? statistics(ctx.service<ag::runtime>()) : fmt::format("error no verb '{}'\n", verb));
    out.close();
    co_await out.send_all();
  }
}};
// end snippet

// snippet serve
const ag::graph_fn serve{"serve", [](ag::context& ctx, std::shared_ptr<tcp::acceptor> acceptor) -> ag::task<> {
  auto& rt = ctx.service<ag::runtime>();
  for (;;) {
    auto socket = std::make_shared<tcp::socket>(co_await acceptor->async_accept(ag::use_task));
    ag::start(rt, session(std::move(socket)));  // detached: the runtime owns it
  }
}};
// end snippet

int main(int argc, char** argv) {
  try {
    asio::io_context io;
    const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 0);
    const int thread_count = argc > 2 ? std::stoi(argv[2]) : 2;
    auto acceptor = std::make_shared<tcp::acceptor>(io, tcp::endpoint(asio::ip::address_v4::loopback(), port));
    fmt::print("listening on {}\n", acceptor->local_endpoint().port());
    std::fflush(stdout);

    ag::runtime rt(io, {.max_concurrency = 64});
    rt.services().add(rt);
    ag::start(rt, serve(acceptor));

    asio::signal_set signals(io, SIGUSR1, SIGTERM, SIGINT);
    std::function<void(boost::system::error_code, int)> on_signal = [&](boost::system::error_code error, int number) {
      if (error) return;
      fmt::print(stderr, "{}", rt.dump());
      if (number == SIGUSR1) signals.async_wait(on_signal);
      else rt.cancel_all();  // nothing else is left to do: the threads come to an end
    };
    signals.async_wait(on_signal);

    std::vector<std::jthread> threads;
    for (int i = 0; i < thread_count; ++i) threads.emplace_back([&io] { io.run(); });
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "14_server: {}\n", e.what());
    return 1;
  }
}
