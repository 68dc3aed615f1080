// Cancelling a run from outside: the slot of the token of run_async.
#include "aethergraph/run.hpp"

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto terminal = asio::cancellation_type::terminal;

ag::task<int> sleeps() {
  co_await ag::sleep_for(24h);
  co_return 1;
}

// What became of a run: "value", "cancelled", "timed_out" or "other".
template <class T>
std::string outcome(std::future<T>& f) {
  try {
    f.get();
    return "value";
  } catch (const ag::cancelled&) {
    return "cancelled";
  } catch (const ag::timed_out&) {
    return "timed_out";
  } catch (...) {
    return "other";
  }
}

// Starts a run whose handler listens to a signal.
template <class A>
auto start(asio::io_context& io, A a, asio::cancellation_signal& signal, const ag::run_options& o = {}) {
  std::promise<typename A::value_type> p;
  auto future = p.get_future();
  ag::run_async(io, std::move(a), o,
      asio::bind_cancellation_slot(signal.slot(), [p = std::move(p)](std::exception_ptr e, auto... v) mutable {
    if (e) p.set_exception(e);
    else p.set_value(std::move(v)...);
  }));
  return future;
}

}  // namespace

TEST_CASE("a run that is cancelled while it sleeps ends with cancelled") {
  asio::io_context io;
  asio::cancellation_signal signal;
  auto future = start(io, sleeps(), signal);
  asio::steady_timer later(io, 1ms);
  later.async_wait([&](auto) { signal.emit(terminal); });
  io.run();
  CHECK(outcome(future) == "cancelled");
}

TEST_CASE("any type of cancellation stops a run") {
  for (auto type :
      {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
    asio::io_context io;
    asio::cancellation_signal signal;
    auto future = start(io, sleeps(), signal);
    asio::post(io, [&] { signal.emit(type); });
    io.run();
    CHECK(outcome(future) == "cancelled");
  }
}

TEST_CASE("a run that is cancelled before it started ends with cancelled") {
  asio::io_context io;
  asio::cancellation_signal signal;
  auto future = start(io, sleeps(), signal);
  signal.emit(terminal);
  io.run();
  CHECK(outcome(future) == "cancelled");
}

TEST_CASE("cancelling after the end is harmless") {
  asio::io_context io;
  asio::cancellation_signal signal;
  auto value = []() -> ag::task<int> { co_return 1; };
  auto future = start(io, value(), signal);
  io.run();
  signal.emit(terminal);
  io.restart();
  io.run();
  CHECK(outcome(future) == "value");
}

TEST_CASE("cancelling twice is harmless") {
  asio::io_context io;
  asio::cancellation_signal signal;
  auto future = start(io, sleeps(), signal);
  asio::post(io, [&] {
    signal.emit(terminal);
    signal.emit(terminal);
  });
  io.run();
  signal.emit(terminal);
  CHECK(outcome(future) == "cancelled");
}

TEST_CASE("a run may be cancelled from another thread") {
  for (int i = 0; i < 50; ++i) {
    asio::io_context io;
    asio::cancellation_signal signal;
    auto future = start(io, sleeps(), signal);
    std::thread runner([&] { io.run(); });
    signal.emit(terminal);
    runner.join();
    CHECK(outcome(future) == "cancelled");
  }
}

TEST_CASE("a cancelled run's value is given when its body returns one all the same") {
  asio::io_context io;
  asio::cancellation_signal signal;
  auto body = []() -> ag::task<int> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_return 5;
  };
  auto future = start(io, body(), signal);
  asio::post(io, [&] { signal.emit(terminal); });
  io.run();
  CHECK(future.get() == 5);
}

TEST_CASE("cancellation is sticky") {
  asio::io_context io;
  asio::cancellation_signal signal;
  int throws = 0;
  const ag::tool tool{"tool", [](int x) { return x; }};
  auto body = [&]() -> ag::task<> {
    auto note = [&](const auto& r) { throws += !r.has_value(); };
    note(co_await ag::as_result(ag::sleep_for(24h)));
    note(co_await ag::as_result(ag::sleep_for(0s)));
    note(co_await ag::as_result(tool(1)));
    note(co_await ag::as_result(ag::gather(tool(1), tool(2))));
  };
  auto future = start(io, body(), signal);
  asio::post(io, [&] { signal.emit(terminal); });
  io.run();
  CHECK(throws == 4);
}

TEST_CASE("queued calls never start when their run is cancelled") {
  asio::io_context io;
  asio::cancellation_signal signal;
  int started = 0;
  const ag::tool tool{"tool", [&](int) -> ag::task<> {
    ++started;
    co_await ag::sleep_for(24h);
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(tool(1), tool(2), tool(3), tool(4)); };
  auto future = start(io, body(), signal, {.max_concurrency = 2});
  asio::post(io, [&] { asio::post(io, [&] { signal.emit(terminal); }); });
  io.run();
  CHECK(outcome(future) == "cancelled");
  CHECK(started == 2);
}

TEST_CASE("a cancelled run ends only when the clean-up of its bodies has") {
  asio::io_context io;
  asio::cancellation_signal signal;
  int cleaned = 0;
  const ag::tool tool{"tool", [&](int) -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::shielded(ag::sleep_for(1ms));
    ++cleaned;
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(tool(1), tool(2)); };
  auto future = start(io, body(), signal);
  asio::post(io, [&] { signal.emit(terminal); });
  io.run();
  CHECK(cleaned == 2);
}

TEST_CASE("cancelling a run cancels its nested runs") {
  asio::io_context io;
  asio::cancellation_signal signal;
  bool inner_cancelled = false;
  const ag::graph_fn inner{"inner", [&](int) -> ag::task<> {
    auto r = co_await ag::as_result(ag::sleep_for(24h));
    inner_cancelled = !r.has_value();
  }};
  auto body = [&]() -> ag::task<> { co_await inner(1); };
  auto future = start(io, body(), signal);
  asio::post(io, [&] { signal.emit(terminal); });
  io.run();
  CHECK(inner_cancelled);
}

TEST_CASE("a body learns of the request to stop by its context") {
  asio::io_context io;
  asio::cancellation_signal signal;
  bool before = true;
  bool after = false;
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<> {
    before = ctx.stop_requested();
    co_await ag::as_result(ag::sleep_for(24h));
    after = ctx.stop_requested();
  }};
  auto future = start(io, agent(), signal);
  asio::post(io, [&] { signal.emit(terminal); });
  io.run();
  CHECK_FALSE(before);
  CHECK(after);
}

TEST_CASE("one signal after another cancels runs on a pool, each of which ends once") {
  asio::thread_pool pool(2);
  std::atomic<int> ended = 0;
  for (int i = 0; i < 100; ++i) {
    asio::cancellation_signal signal;
    std::promise<void> done;
    ag::run_async(pool, sleeps(), {}, asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr, int) {
      ++ended;
      done.set_value();
    }));
    signal.emit(terminal);
    done.get_future().wait();
  }
  CHECK(ended == 100);
}

TEST_CASE("a request to stop made by a loop of plain calls reaches the loop") {
  asio::io_context io;
  asio::cancellation_signal signal;
  const ag::tool tool{"tool", [](int x) { return x; }};
  auto body = [&]() -> ag::task<> {
    for (;;) co_await tool(1);
  };
  auto future = start(io, body(), signal);
  asio::post(io, [&] { signal.emit(terminal); });
  io.run();
  CHECK(outcome(future) == "cancelled");
}
