// fault_server GATE RATE SEED: an HTTP server on the loopback interface as others run them, for 23_http_agent. It
// answers a request for /item/N with N squared, after a while; or, as SEED says, it answers slowly, too late or never,
// resets the connection, refuses with 429 and Retry-After, or stops reading. No item has more than two such faults, and
// none has one before GATE requests have been open at one time: until then it answers nobody. A request for /figures is
// answered with what it saw itself.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

enum class fault : std::uint8_t { slow, late, silent, reset, refused, deaf, none };
constexpr std::array<std::string_view, 6> names{"slow", "late", "silent", "reset", "refused", "deaf"};

class server {
 public:
  server(int gate, double rate, unsigned seed) : gate_(gate), rate_(rate), seed_(seed) {}

  asio::awaitable<void> listen(tcp::acceptor& acceptor) {
    for (;;) {
      tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
      asio::co_spawn(acceptor.get_executor(), serve(std::move(socket)), asio::detached);
    }
  }

 private:
  /// A request that has been read and not been answered, as long as its client waits for the answer.
  class open_request {
   public:
    explicit open_request(server& s) noexcept : server_(s) {}
    open_request(const open_request&) = delete;
    open_request& operator=(const open_request&) = delete;
    ~open_request() { leave(); }

    void enter() {
      is_open_ = true;
      if (++server_.open_ <= server_.peak_) return;
      server_.peak_ = server_.open_;
      fmt::print("{} open\n", server_.peak_);
      std::fflush(stdout);
    }
    /// Before the client can know that it has its answer, so that what it does next finds this one gone.
    void leave() noexcept {
      if (std::exchange(is_open_, false)) --server_.open_;
    }

   private:
    server& server_;
    bool is_open_ = false;
  };

  class connection {
   public:
    explicit connection(server& s) noexcept : server_(s) { ++server_.connections_; }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection() { --server_.connections_; }

   private:
    server& server_;
  };

  asio::awaitable<void> serve(tcp::socket socket) {
    const connection counted(*this);
    beast::flat_buffer buffer;
    buffer.reserve(65536);  // else long bodies are read in small pieces
    http::request_parser<http::string_body> parser;
    parser.body_limit(std::uint64_t{64} << 20);
    co_await http::async_read_header(socket, buffer, parser, asio::use_awaitable);
    const std::string target = parser.get().target();
    if (target == "/figures") {
      co_await respond(socket, http::status::ok, figures());
    } else if (target.starts_with("/item/")) {
      note_arrival();
      const int item = std::stoi(target.substr(6));
      const fault f = next_fault(item);
      if (f == fault::deaf) {
        co_await sleep(1s);
        co_await hang_up(socket);
      } else {
        co_await http::async_read(socket, buffer, parser, asio::use_awaitable);
        open_request request(*this);
        co_await (answer(socket, request, item, f) || give_up(socket, request));
      }
    } else {
      co_await respond(socket, http::status::not_found, "no such thing\n");
    }
  }

  asio::awaitable<void> answer(tcp::socket& socket, open_request& request, int item, fault f) {
    // A client that gives up closes one connection and then opens another one; which of these is seen first is up to
    // the network. A little later both have been seen: only then the new request counts.
    co_await sleep(20ms);
    request.enter();
    while (peak_ < gate_) co_await sleep(5ms);
    switch (f) {
      case fault::slow:
        co_await sleep(200ms);
        break;
      case fault::late:
        co_await sleep(3s);
        break;
      case fault::silent:
        co_await sleep(24h);
        break;
      default:
        co_await sleep(std::chrono::milliseconds(random_() % 30));
    }
    request.leave();
    if (f == fault::reset) {
      socket.set_option(asio::socket_base::linger(true, 0));
      socket.close();
    } else if (f == fault::refused) {
      co_await respond(socket, http::status::too_many_requests, "later\n", item % 2 == 0 ? "0" : "1");
    } else {
      co_await respond(socket, http::status::ok, std::to_string(item * item));
    }
  }

  static asio::awaitable<void> respond(
      tcp::socket& socket, http::status status, std::string body, const char* retry_after = nullptr) {
    http::response<http::string_body> response(status, 11);
    response.body() = std::move(body);
    response.keep_alive(false);
    if (retry_after) response.set(http::field::retry_after, retry_after);
    response.prepare_payload();
    co_await http::async_write(socket, response, asio::use_awaitable);
  }

  asio::awaitable<void> give_up(tcp::socket& socket, open_request& request) {
    const bool has_hung_up = co_await hang_up(socket);
    if (has_hung_up) ++given_up_;
    request.leave();
  }

  /// Ends when the client has hung up; reads what it sends before. False: it has been cancelled.
  static asio::awaitable<bool> hang_up(tcp::socket& socket) {
    std::array<char, 65536> unread{};
    boost::system::error_code error;
    while (!error)
      co_await socket.async_read_some(asio::buffer(unread), asio::redirect_error(asio::use_awaitable, error));
    co_return error != asio::error::operation_aborted;
  }

  static asio::awaitable<void> sleep(steady_clock::duration d) {
    asio::steady_timer timer(co_await asio::this_coro::executor, d);
    co_await timer.async_wait(asio::use_awaitable);
  }

  /// The same for the nth request of an item, whatever the order of the others.
  fault next_fault(int item) {
    if (peak_ < gate_) return fault::none;
    std::seed_seq seeds{seed_, static_cast<unsigned>(item)};
    std::mt19937 random(seeds);
    const auto all = random() % 3;
    const unsigned nth = faults_of_[item]++;
    if (nth >= all) return fault::none;
    random.discard(nth);
    const std::size_t f = random() % names.size();
    ++faults_[f];
    return static_cast<fault>(f);
  }

  // Whoever keeps to RATE a second and a burst of b has, at any time, sent so many requests at most: b, and RATE for
  // each second since any moment before the first of them. So this is the least b that it can have; and that holds
  // however late the requests arrive.
  void note_arrival() {
    ++requests_;
    const std::chrono::duration<double> time = steady_clock::now() - start_;
    burst_ = std::max(burst_, requests_ - rate_ * time.count());
  }

  [[nodiscard]] std::string figures() const {
    std::string text = fmt::format("peak {}\nrequests {}\nburst {:.1f}\n", peak_, requests_, burst_);
    for (std::size_t f = 0; f < names.size(); ++f) text += fmt::format("{} {}\n", names[f], faults_[f]);
    return text + fmt::format("given_up {}\nconnections {}\n", given_up_, connections_ - 1);  // but for who asks
  }

  const int gate_;
  const double rate_;
  const unsigned seed_;
  const steady_clock::time_point start_ = steady_clock::now();
  std::mt19937 random_{seed_};
  std::map<int, unsigned> faults_of_;  // of each item, so far
  std::array<int, names.size()> faults_{};
  int connections_ = 0;
  int open_ = 0;
  int peak_ = 0;
  int requests_ = 0;
  int given_up_ = 0;
  double burst_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 4) throw std::runtime_error("usage: fault_server GATE RATE SEED");
    server faulty(std::stoi(argv[1]), std::stod(argv[2]), static_cast<unsigned>(std::stoul(argv[3])));
    asio::io_context io;
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    // A window that does not grow: a client soon feels that nobody reads.
    acceptor.set_option(asio::socket_base::receive_buffer_size(1 << 18));
    asio::co_spawn(io, faulty.listen(acceptor), asio::detached);
    asio::signal_set signals(io, SIGTERM, SIGINT);
    signals.async_wait([&io](boost::system::error_code, int) { io.stop(); });
    fmt::print("listening on {}\n", acceptor.local_endpoint().port());
    std::fflush(stdout);
    io.run();
  } catch (const std::exception& e) {
    fmt::print(stderr, "fault_server: {}\n", e.what());
    return 1;
  }
}
