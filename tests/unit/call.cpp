#include "aethergraph/call.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <memory>
#include <stdexcept>
#include <string>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};

const ag::tool doubled{"doubled", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::tool failing{"failing", [](int) -> ag::task<int> {
  co_await ag::sleep_for(0s);
  throw std::runtime_error("failed in immediate mode");
}};

// Runs a coroutine of Asio's to its end, and gives what it gives.
template <class T>
T run_asio(asio::awaitable<T> a) {
  asio::io_context io;
  auto future = asio::co_spawn(io, std::move(a), asio::use_future);
  io.run();
  return future.get();
}

}  // namespace

TEST_CASE("a call names its tool") { CHECK(doubled(1).tool_name() == "doubled"); }

TEST_CASE("a call that is dropped runs nothing") {
  bool ran = false;
  const ag::tool t{"t", [&](int) { ran = true; }};
  {
    [[maybe_unused]] auto call = t(1);
  }
  CHECK_FALSE(ran);
}

TEST_CASE("a moved call is the same call") {
  auto a = doubled(4);
  auto b = std::move(a);
  CHECK(ag::run(std::move(b)) == 8);
}

TEST_CASE("a call may be assigned over one of its type") {
  auto a = doubled(4);
  a = doubled(5);
  CHECK(ag::run(std::move(a)) == 10);
}

TEST_CASE("a call owns its arguments until its body has ended") {
  std::weak_ptr<int> watch;
  bool alive_in_body = false;
  const ag::tool t{"t", [&](const std::shared_ptr<int>&) -> ag::task<> {
    co_await ag::sleep_for(0s);
    alive_in_body = !watch.expired();
  }};
  auto make = [&] {
    auto p = std::make_shared<int>(1);
    watch = p;
    return t(p);
  };
  ag::run(make());
  CHECK(alive_in_body);
  CHECK(watch.expired());
}

TEST_CASE("a call awaited from a coroutine of Asio's runs at once, in no run") {
  auto body = []() -> asio::awaitable<int> { co_return co_await doubled(21); };
  CHECK(run_asio(body()) == 42);
}

TEST_CASE("a call in immediate mode may suspend") {
  const ag::tool slow{"slow", [](int x) -> ag::task<int> {
    co_await ag::sleep_for(1ms);
    co_return x;
  }};
  auto body = [&]() -> asio::awaitable<int> { co_return co_await slow(3); };
  CHECK(run_asio(body()) == 3);
}

TEST_CASE("what a call throws in immediate mode reaches the coroutine of Asio's") {
  auto body = []() -> asio::awaitable<int> { co_return co_await failing(1); };
  CHECK_THROWS_WITH(run_asio(body()), "failed in immediate mode");
}

TEST_CASE("a plain-function tool runs in immediate mode") {
  const ag::tool t{"t", [](int x) { return x + 1; }};
  auto body = [&]() -> asio::awaitable<int> { co_return co_await t(1); };
  CHECK(run_asio(body()) == 2);
}

TEST_CASE("a call of void runs in immediate mode") {
  int got = 0;
  const ag::tool t{"t", [&](int x) -> ag::task<> {
    got = x;
    co_return;
  }};
  auto body = [&]() -> asio::awaitable<int> {
    co_await t(4);
    co_return got;
  };
  CHECK(run_asio(body()) == 4);
}

TEST_CASE("a result without default constructor comes out of immediate mode") {
  const ag::tool t{"t", [](int x) -> ag::task<no_default> { co_return no_default{x}; }};
  auto body = [&]() -> asio::awaitable<int> {
    no_default d = co_await t(6);
    co_return d.value;
  };
  CHECK(run_asio(body()) == 6);
}

TEST_CASE("a failure with a result without default constructor comes out of immediate mode") {
  const ag::tool t{"t", [](int x) -> ag::task<no_default> {
    if (x > 0) throw std::runtime_error("no value");
    co_return no_default{x};
  }};
  auto body = [&]() -> asio::awaitable<int> {
    no_default d = co_await t(6);
    co_return d.value;
  };
  CHECK_THROWS_WITH(run_asio(body()), "no value");
}

TEST_CASE("a move-only result comes out of immediate mode") {
  const ag::tool t{"t", [](int x) -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(x); }};
  auto body = [&]() -> asio::awaitable<int> {
    std::unique_ptr<int> p = co_await t(6);
    co_return *p;
  };
  CHECK(run_asio(body()) == 6);
}

TEST_CASE("a tool that awaits tools runs in immediate mode") {
  const ag::tool outer{"outer", [](int x) -> ag::task<int> { co_return co_await doubled(co_await doubled(x)); }};
  auto body = [&]() -> asio::awaitable<int> { co_return co_await outer(1); };
  CHECK(run_asio(body()) == 4);
}

TEST_CASE("a coroutine of Asio's may await a thousand calls, one after another") {
  auto body = []() -> asio::awaitable<int> {
    int sum = 0;
    for (int i = 0; i < 1000; ++i) sum += co_await doubled(1);
    co_return sum;
  };
  CHECK(run_asio(body()) == 2000);
}

TEST_CASE("a call with bad options fails in immediate mode too") {
  const ag::tool nameless{"", [](int x) { return x; }};
  auto body = [&]() -> asio::awaitable<int> { co_return co_await nameless(1); };
  CHECK_THROWS_AS(run_asio(body()), ag::option_error);
}

TEST_CASE("a tool of Asio's kind may call another tool in immediate mode") {
  const ag::tool outer{"outer", [](int x) -> asio::awaitable<int> { co_return co_await doubled(x); }};
  CHECK(ag::run(outer(4)) == 8);
}

TEST_CASE("a call in immediate mode is cancelled with the coroutine of Asio's that awaits it") {
  bool was_cancelled = false;
  const ag::tool slow{"slow", [&](int x) -> ag::task<int> {
    auto r = co_await ag::as_result(ag::sleep_for(1h));
    was_cancelled = !r.has_value();
    co_return x;
  }};
  auto body = [&]() -> asio::awaitable<void> { co_await slow(3); };
  asio::io_context io;
  asio::cancellation_signal signal;
  asio::co_spawn(io, body(), asio::bind_cancellation_slot(signal.slot(), asio::detached));
  asio::post(io, [&] { signal.emit(asio::cancellation_type::terminal); });
  io.run();
  CHECK(was_cancelled);
}

TEST_CASE("a call that is awaited a second time is an error that names the tool") {
  const ag::tool next{"next", [](int x) { return x + 1; }};
  auto twice = [&]() -> ag::task<int> {
    auto c = next(1);
    co_await std::move(c);
    co_return co_await std::move(c);
  };
  CHECK_THROWS_WITH(
      ag::run(twice()), "this call of tool 'next' was awaited or moved from before; a call can be awaited once");
}
