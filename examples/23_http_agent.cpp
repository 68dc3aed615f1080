// 23_http_agent PORT CAP ITEMS [DEADLINE [PROMPT]]: an agent that asks an HTTP server which is slow, resets
// connections, refuses with 429, or falls silent. DEADLINE: so many milliseconds for all of it, 0 for no limit; PROMPT:
// so many bytes go with each request.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <aethergraph/aethergraph.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ag = aethergraph;
namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using namespace std::chrono_literals;

// snippet ask
using request = http::request<http::string_body>;
using response = http::response<http::string_body>;

/// A connection of its own for each request. Whatever ends this, an answer, an error, a timeout or a cancellation, the
/// socket's destructor closes it.
ag::task<response> ask(tcp::endpoint server, request question) {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(server, ag::use_task);
  question.set(http::field::host, server.address().to_string());
  question.keep_alive(false);
  question.prepare_payload();
  co_await http::async_write(socket, question, ag::use_task);
  boost::beast::flat_buffer buffer;
  response answer;
  co_await http::async_read(socket, buffer, answer, ag::use_task);
  co_return answer;
}
// end snippet

// snippet fetch
/// The server has answered, with a status that is no success.
class http_error : public std::runtime_error {
 public:
  explicit http_error(const response& r)
      : std::runtime_error(fmt::format("{} {}", r.result_int(), std::string_view(r.reason()))),
        status(r.result_int()) {}
  const unsigned status;
};

/// Retry-After is in seconds; where it is a date, or missing, a second will do.
ag::duration wait_before_retry(const response& r) {
  const std::string_view text = r[http::field::retry_after];
  unsigned seconds = 1;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::chrono::seconds(seconds);
}

/// The server's own trouble may pass, and so may the network's; a request that is wrong remains so.
bool may_pass(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const http_error& answered) {
    return answered.status >= 500;
  } catch (...) {
    return true;  // timed out, refused for now, or the connection broke
  }
}

constexpr ag::retry patiently{.max_attempts = 12, .first_delay = 20ms, .jitter = 1, .seed = 7, .when = may_pass};
ag::rate_limit allowance{40, 20};  // what the server's owner allows: 40 a second, 20 at once

const ag::tool fetch{"fetch", [](tcp::endpoint server, std::string prompt, int n) -> ag::task<int> {
  request question(http::verb::post, fmt::format("/item/{}", n), 11);
  question.body() = std::move(prompt);
  const response answer = co_await ask(server, std::move(question));
  if (answer.result() == http::status::too_many_requests)
    throw ag::retry_after(wait_before_retry(answer), "429 Too Many Requests");
  if (answer.result() != http::status::ok) throw http_error(answer);
  co_return std::stoi(answer.body());
}, {.timeout = 500ms, .retry = patiently, .rate = &allowance}};
// end snippet

// snippet fetch_all
/// Ends when the user presses Ctrl-C.
ag::task<> interrupt() {
  asio::signal_set signals(co_await asio::this_coro::executor, SIGINT);
  co_await signals.async_wait(ag::use_task);
}

using answers = std::vector<int>;
const ag::graph_fn fetch_all{"fetch_all", [](tcp::endpoint server, std::string prompt, int items) -> ag::task<answers> {
  const auto fetch_one = [&](int n) { return fetch(server, prompt, n); };
  const auto calls = std::views::iota(0, items) | std::views::transform(fetch_one);
  auto first = co_await ag::race(ag::gather(calls), interrupt());  // whoever is second is cancelled
  if (first.index() == 1) throw std::runtime_error("interrupted");
  co_return std::get<0>(std::move(first));
}};
// end snippet

/// What the server saw, once it has seen the last connection closed, or does not seem to get there.
ag::task<std::string> ask_for_figures(tcp::endpoint server) {
  for (int attempt = 0;; ++attempt) {
    const response answer = co_await ask(server, request(http::verb::get, "/figures", 11));
    if (answer.body().ends_with("connections 0\n") || attempt == 1000) co_return answer.body();
    co_await ag::sleep_for(10ms);
  }
}

int main(int argc, char** argv) {
  try {
    if (argc < 4 || argc > 6) throw std::runtime_error("usage: 23_http_agent PORT CAP ITEMS [DEADLINE [PROMPT]]");
    const tcp::endpoint server(asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(std::stoi(argv[1])));
    ag::run_options options{.max_concurrency = std::stoi(argv[2])};
    if (argc > 4 && std::stoi(argv[4]) > 0) options.deadline = std::chrono::milliseconds(std::stoi(argv[4]));
    std::string prompt(argc > 5 ? std::stoul(argv[5]) : 0, '?');

    const auto outcome = ag::try_run(fetch_all(server, std::move(prompt), std::stoi(argv[3])), options);
    // However it has ended: nothing of it is still under way, and its sockets are closed.
    try {
      fmt::print("answers {}\n", fmt::join(outcome.value(), " "));
    } catch (const std::exception& e) {
      fmt::print("stopped: {}\n", e.what());
    }
    std::size_t answered = 0, failed = 0;
    int attempts = 0;
    for (const ag::task_graph::node_view& n : outcome.graph().nodes()) {
      answered += n.state == ag::node_state::done;
      attempts += n.attempts;
      failed += n.failed_attempts.size();
    }
    fmt::print("{} answers in {} attempts, {} of which failed; {} at a time\n", answered, attempts, failed,
        outcome.peak_concurrency());
    fmt::print("what the server saw:\n{}", ag::run(ask_for_figures(server)));
  } catch (const std::exception& e) {
    fmt::print(stderr, "23_http_agent: {}\n", e.what());
    return 1;
  }
}
