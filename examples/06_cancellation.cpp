// Four reasons to stop: another was faster, too slow, the run is out of time, somebody pressed a button.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <string>

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

// Cancellation arrives as an exception at the co_await where a body stands: here, at its sleep. So destructors clean
// up, and nobody has to ask.
const ag::tool mirror{"mirror", [](ag::context& ctx, std::string name, ag::duration delay) -> ag::task<std::string> {
  const auto slept = co_await ag::as_result(ag::sleep_for(delay));
  if (!slept) co_await ag::shielded(ctx.channel().send_text(name + " was cancelled"));
  co_return name;
}};

// snippet race
// The first to end wins; the others are cancelled, and awaited, before race gives its result.
const ag::graph_fn fastest{"fastest", []() -> ag::task<std::string> {
  auto winner = co_await ag::race(mirror("near", 1ms), mirror("far", 1h));
  co_return winner.index() == 0 ? std::get<0>(winner) : std::get<1>(winner);
}};
// end snippet

// A timeout caps one awaitable, the queueing for a slot included.
const ag::graph_fn impatient{"impatient", []() -> ag::task<std::string> {
  auto answer = co_await ag::as_result(ag::timeout(ag::sleep_for(1h), 2ms));
  co_return answer ? "slept" : "gave up";
}};

const ag::graph_fn endless{"endless", []() -> ag::task<> {
  for (;;) co_await ag::sleep_for(1h);
}};

int main() {
  fmt::print("fastest: {}\n", ag::run(fastest()));
  fmt::print("impatient: {}\n", ag::run(impatient()));

  // A deadline counts from the start of the run.
  try {
    ag::run(endless(), {.deadline = 2ms});
  } catch (const ag::timed_out&) {
    fmt::print("deadline: timed out\n");
  }

  // snippet signal
  // Asio's own means: a signal, bound to the completion token. Whatever cancels Asio operations cancels runs.
  asio::io_context io;
  asio::cancellation_signal button;
  ag::run_async(io, endless(), {}, asio::bind_cancellation_slot(button.slot(), [](std::exception_ptr e) {
    try {
      if (e) std::rethrow_exception(e);
    } catch (const ag::cancelled&) {
      fmt::print("button: cancelled\n");
    }
  }));
  asio::post(io, [&button] { button.emit(asio::cancellation_type::terminal); });
  io.run();
  // end snippet
}
