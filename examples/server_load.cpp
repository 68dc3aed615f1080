// server_load PORT REQUESTS [MEBIBYTES]: drives 14_server. A third of the clients hang up midway. In the end the server
// must have no live run but those that answer, no permit held, and, where MEBIBYTES is given, hardly more memory than
// after a tenth of the requests: so much more at most.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace ag = aethergraph;
namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

std::uint16_t port = 0;

void check(bool is_right, const std::string& what) {
  if (!is_right) throw std::runtime_error("server_load: " + what);
}

ag::task<tcp::socket> connect() {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(tcp::endpoint(asio::ip::address_v4::loopback(), port), ag::use_task);
  co_return std::move(socket);
}

ag::task<std::string> read_line(tcp::socket& socket, std::string& buffer) {
  const std::size_t size = co_await asio::async_read_until(socket, asio::dynamic_buffer(buffer), '\n', ag::use_task);
  std::string line = buffer.substr(0, size - 1);
  buffer.erase(0, size);
  co_return line;
}

std::string expected_result(int words, int number) {
  std::uint32_t sum = 0;
  for (int w = 0; w < words; ++w) {
    std::uint32_t hash = 2166136261;
    for (const char c : fmt::format("word{}of{}", w, number)) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
    sum ^= hash;
  }
  return fmt::format("result {:08x}", sum);
}

const ag::tool request{"request", [](int number) -> ag::task<> {
  const int words = 1 + number % 7;
  std::string line = "digest";
  for (int w = 0; w < words; ++w) line += fmt::format(" word{}of{}", w, number);
  line += '\n';
  tcp::socket socket = co_await connect();
  co_await asio::async_write(socket, asio::buffer(line), ag::use_task);
  std::string buffer;
  if (number % 3 == 0) {  // hangs up midway
    for (int lines = number % 5; lines > 0; --lines) co_await read_line(socket, buffer);
    co_return;
  }
  int ended = 0;
  for (;;) {
    const std::string answer = co_await read_line(socket, buffer);
    if (answer.starts_with("node_ended")) ++ended;
    if (!answer.starts_with("result")) continue;
    check(answer == expected_result(words, number), fmt::format("'{}' for request {}", answer, number));
    check(ended == words, fmt::format("{} of {} calls ended before the result of request {}", ended, words, number));
    co_return;
  }
}};

struct statistics {
  std::size_t live = 0, permits = 0, pages = 0;
};

ag::task<statistics> ask() {
  tcp::socket socket = co_await connect();
  co_await asio::async_write(socket, asio::buffer(std::string_view("statistics\n")), ag::use_task);
  std::string buffer, word;
  statistics s;
  std::istringstream answer(co_await read_line(socket, buffer));
  answer >> word >> s.live >> word >> s.permits >> word >> s.pages;
  check(!answer.fail(), "no statistics");
  co_return s;
}

/// Clients that hung up are gone here a little before they are gone there.
ag::task<statistics> ask_until_quiet() {
  for (int attempt = 0;; ++attempt) {
    const statistics s = co_await ask();
    if (s.live == 2 && s.permits == 0) co_return s;  // the one that accepts, and the one that answers
    check(attempt < 1000, fmt::format("{} live runs and {} permits held are left", s.live, s.permits));
    co_await ag::sleep_for(10ms);
  }
}

const ag::graph_fn load{"load", [](int requests, std::optional<std::size_t> mebibytes) -> ag::task<> {
  const int warm = requests / 10;
  co_await ag::gather(std::views::iota(0, warm) | std::views::transform(request));
  const statistics before = co_await ask_until_quiet();
  co_await ag::gather(std::views::iota(warm, requests) | std::views::transform(request));
  const statistics after = co_await ask_until_quiet();
  fmt::print("{} requests; resident pages after {}: {}, in the end: {}\n", requests, warm, before.pages, after.pages);
  if (mebibytes)
    check(after.pages <= before.pages + *mebibytes * 256,
        fmt::format("memory has grown from {} to {} pages of 4 KiB", before.pages, after.pages));
}};

}  // namespace

int main(int argc, char** argv) {
  try {
    check(argc == 3 || argc == 4, "usage: server_load PORT REQUESTS [MEBIBYTES]");
    port = static_cast<std::uint16_t>(std::stoi(argv[1]));
    std::optional<std::size_t> mebibytes;
    if (argc == 4) mebibytes = std::stoul(argv[3]);
    ag::run(load(std::stoi(argv[2]), mebibytes), {.max_concurrency = 64});
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
