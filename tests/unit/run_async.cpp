// The initiating function of run.hpp, and runs nested by it.
#include "aethergraph/run.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

const ag::tool doubled{"doubled", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::tool nap{"nap", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(1ms);
  co_return x;
}};
const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return co_await doubled(x); }};
const ag::graph_fn fails{"fails", [](int) -> ag::task<int> {
  co_await ag::sleep_for(0s);
  throw std::runtime_error("the run failed");
}};
std::string message_of(const std::exception_ptr& e) {
  try {
    if (e) std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  }
  return "";
}

}  // namespace

TEST_CASE("run_async awaited in a task gives what the nested run gives") {
  auto body = []() -> ag::task<int> { co_return co_await ag::run_async(agent(4), {.max_concurrency = 2}); };
  CHECK(ag::run(body()) == 8);
}

TEST_CASE("run_async awaited in a task takes a call and a task") {
  auto value = []() -> ag::task<int> { co_return 1; };
  auto body = [&]() -> ag::task<int> {
    co_return co_await ag::run_async(doubled(4)) + co_await ag::run_async(value());
  };
  CHECK(ag::run(body()) == 9);
}

TEST_CASE("a nested run refuses a cap of zero") {
  auto body = []() -> ag::task<int> { co_return co_await ag::run_async(agent(4), {.max_concurrency = 0}); };
  CHECK_THROWS_AS(ag::run(body()), ag::option_error);
}

TEST_CASE("a nested run's deadline ends it, and not the run around it") {
  auto forever = []() -> ag::task<> { co_await ag::sleep_for(24h); };
  auto body = [&]() -> ag::task<int> {
    auto r = co_await ag::as_result(ag::run_async(forever(), {.deadline = 5ms}));
    co_return r ? 0 : co_await nap(3);
  };
  CHECK(ag::testing::simulation(1).run(body()) == 3);
}

TEST_CASE("use_future gets the value of a run") {
  asio::io_context io;
  auto future = ag::run_async(io.get_executor(), agent(4), {}, asio::use_future);
  io.run();
  CHECK(future.get() == 8);
}

TEST_CASE("use_future gets the exception of a run") {
  asio::io_context io;
  auto future = ag::run_async(io.get_executor(), fails(4), {}, asio::use_future);
  io.run();
  CHECK_THROWS_WITH(future.get(), "the run failed");
}

TEST_CASE("an execution context stands for its executor") {
  asio::io_context io;
  auto future = ag::run_async(io, agent(4), {}, asio::use_future);
  io.run();
  CHECK(future.get() == 8);
}

TEST_CASE("bad options reach the handler as an exception") {
  asio::io_context io;
  auto future = ag::run_async(io, agent(4), {.max_concurrency = 0}, asio::use_future);
  io.run();
  CHECK_THROWS_AS(future.get(), ag::option_error);
}

TEST_CASE("a task and a call can be handed to Asio") {
  asio::io_context io;
  auto value = []() -> ag::task<int> { co_return 1; };
  auto a = ag::run_async(io, value(), {}, asio::use_future);
  auto b = ag::run_async(io, doubled(4), {}, asio::use_future);
  io.run();
  CHECK(a.get() == 1);
  CHECK(b.get() == 8);
}

TEST_CASE("a callback gets a null exception_ptr and the value") {
  asio::io_context io;
  int got = 0;
  std::exception_ptr error;
  ag::run_async(io, agent(4), {}, [&](std::exception_ptr e, int x) {
    error = e;
    got = x;
  });
  io.run();
  CHECK_FALSE(error);
  CHECK(got == 8);
}

TEST_CASE("a callback of a void run gets the exception_ptr alone") {
  asio::io_context io;
  std::string message = "not called";
  auto body = []() -> ag::task<> {
    co_await ag::sleep_for(0s);
    throw std::runtime_error("void failed");
  };
  ag::run_async(io, body(), {}, [&](std::exception_ptr e) { message = message_of(e); });
  io.run();
  CHECK(message == "void failed");
}

TEST_CASE("nothing runs before the initiation has returned") {
  asio::io_context io;
  bool ran = false;
  auto body = [&]() -> ag::task<> {
    ran = true;
    co_return;
  };
  asio::post(io, [&] {
    ag::run_async(io, body(), {}, [](std::exception_ptr) {});
    CHECK_FALSE(ran);
  });
  io.run();
  CHECK(ran);
}

TEST_CASE("detached runs the run") {
  asio::io_context io;
  bool ran = false;
  auto body = [&]() -> ag::task<> {
    ran = true;
    co_return;
  };
  ag::run_async(io, body(), {}, asio::detached);
  io.run();
  CHECK(ran);
}

TEST_CASE("a detached run that fails is dropped") {
  asio::io_context io;
  ag::run_async(io, fails(1), {}, asio::detached);
  CHECK(io.run() > 0);
}

TEST_CASE("use_awaitable gives the value to a coroutine of Asio's") {
  asio::io_context io;
  auto body = [&]() -> asio::awaitable<int> {
    co_return co_await ag::run_async(io, agent(4), {}, asio::use_awaitable);
  };
  auto future = asio::co_spawn(io, body(), asio::use_future);
  io.run();
  CHECK(future.get() == 8);
}

TEST_CASE("use_awaitable throws the exception in a coroutine of Asio's") {
  asio::io_context io;
  auto body = [&]() -> asio::awaitable<int> {
    co_return co_await ag::run_async(io, fails(4), {}, asio::use_awaitable);
  };
  auto future = asio::co_spawn(io, body(), asio::use_future);
  io.run();
  CHECK_THROWS_WITH(future.get(), "the run failed");
}

TEST_CASE("as_tuple gives the exception as a value") {
  asio::io_context io;
  auto body = [&]() -> asio::awaitable<std::string> {
    auto r = co_await ag::run_async(io, fails(4), {}, asio::as_tuple(asio::use_awaitable));
    co_return message_of(std::get<0>(r));
  };
  auto future = asio::co_spawn(io, body(), asio::use_future);
  io.run();
  CHECK(future.get() == "the run failed");
}

TEST_CASE("a deferred run starts when it is launched") {
  asio::io_context io;
  int got = 0;
  auto operation = ag::run_async(io, agent(4), {}, asio::deferred);
  io.run();
  CHECK(got == 0);
  std::move(operation)([&](std::exception_ptr, int x) { got = x; });
  io.restart();
  io.run();
  CHECK(got == 8);
}

TEST_CASE("a move-only result reaches a callback") {
  asio::io_context io;
  int got = 0;
  auto body = []() -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  ag::run_async(io, body(), {}, [&](std::exception_ptr, std::unique_ptr<int> p) { got = *p; });
  io.run();
  CHECK(got == 3);
}

TEST_CASE("the handler may only move") {
  asio::io_context io;
  int got = 0;
  ag::run_async(io, agent(4), {}, [&, p = std::make_unique<int>(1)](std::exception_ptr, int x) { got = x + *p; });
  io.run();
  CHECK(got == 9);
}

TEST_CASE("the handler is called on its own executor") {
  asio::io_context io;
  asio::io_context other;
  auto work = asio::make_work_guard(other);
  bool was_called = false;
  ag::run_async(io, agent(4), {}, asio::bind_executor(other, [&](std::exception_ptr, int) { was_called = true; }));
  io.run();
  CHECK_FALSE(was_called);
  work.reset();
  other.run();
  CHECK(was_called);
}

TEST_CASE("a run on a strand may be started from many threads") {
  asio::thread_pool pool(2);
  auto strand = asio::make_strand(pool);
  std::vector<std::future<int>> futures;
  for (int i = 0; i < 100; ++i) futures.push_back(ag::run_async(strand, agent(i), {}, asio::use_future));
  int sum = 0;
  for (auto& f : futures) sum += f.get();
  CHECK(sum == 9900);
}

TEST_CASE("runs on a thread pool need no locks within themselves") {
  asio::thread_pool pool(4);
  auto body = []() -> ag::task<int> {
    int unguarded = 0;
    auto step = [&]() -> ag::task<> {
      for (int i = 0; i < 20; ++i) {
        ++unguarded;
        co_await ag::sleep_for(std::chrono::microseconds{1});
      }
    };
    std::vector<ag::task<>> steps;
    for (int i = 0; i < 10; ++i) steps.push_back(step());
    co_await ag::gather(std::move(steps));
    co_return unguarded;
  };
  std::vector<std::future<int>> futures;
  for (int i = 0; i < 8; ++i) futures.push_back(ag::run_async(pool, body(), {}, asio::use_future));
  int sum = 0;
  for (auto& f : futures) sum += f.get();
  CHECK(sum == 1600);
}

TEST_CASE("a run keeps the io_context busy until it has ended") {
  asio::io_context io;
  bool has_ended = false;
  ag::run_async(io, nap(1), {}, [&](std::exception_ptr, int) { has_ended = true; });
  io.run();
  CHECK(has_ended);
}

TEST_CASE("a future is made ready by the thread that runs the io_context") {
  asio::io_context io;
  auto thread_of = [](std::exception_ptr, int) { return std::this_thread::get_id(); };
  auto future = ag::run_async(io, agent(4), {}, asio::use_future(thread_of));
  io.run();
  CHECK(future.get() == std::this_thread::get_id());
}

TEST_CASE("an io_context that goes away destroys the runs on it") {
  auto watch = std::make_shared<int>(1);
  std::weak_ptr<int> weak = watch;
  {
    asio::io_context io;
    auto body = [](std::shared_ptr<int>) -> ag::task<> { co_await ag::sleep_for(24h); };
    ag::run_async(io, body(std::move(watch)), {}, asio::detached);
    io.poll();
  }
  CHECK(weak.expired());
}

TEST_CASE("an argument whose move throws fails the initiation, and leaves nothing behind") {
  struct brittle {
    explicit brittle(int moves) : moves_left(moves) {}
    brittle(brittle&& o) : moves_left(o.moves_left - 1), watch(o.watch) {
      if (moves_left == 0) throw std::runtime_error("no more moves");
    }
    int moves_left;
    std::shared_ptr<int> watch = std::make_shared<int>(0);
  };
  const ag::graph_fn takes{"takes", [](brittle b) -> ag::task<int> { co_return b.moves_left; }};
  for (int moves = 1;; ++moves) {
    REQUIRE(moves < 100);
    asio::io_context io;
    bool was_called = false;
    std::weak_ptr<int> weak;
    try {
      brittle b(moves);
      weak = b.watch;
      ag::run_async(io, takes(std::move(b)), {}, [&](std::exception_ptr, int) { was_called = true; });
    } catch (const std::runtime_error&) {
      CHECK(weak.expired());
      io.run();
      CHECK(!was_called);
      continue;
    }
    io.run();
    CHECK(was_called);
    CHECK(weak.expired());
    if (moves > 20) break;
  }
}

TEST_CASE("when a handler is called, the arguments of the run are gone") {
  asio::io_context io;
  auto argument = std::make_shared<int>(1);
  std::weak_ptr<int> weak = argument;
  const ag::graph_fn holds{"holds", [](std::shared_ptr<int> p) -> ag::task<int> { co_return *p; }};
  bool were_gone = false;
  ag::run_async(io, holds(std::move(argument)), {}, [&](std::exception_ptr, int) { were_gone = weak.expired(); });
  io.run();
  CHECK(were_gone);
}

TEST_CASE("run inside a run that Asio drives throws, naming run_async") {
  asio::io_context io;
  auto body = []() -> ag::task<int> { co_return ag::run(agent(1)); };
  auto future = ag::run_async(io, body(), {}, asio::use_future);
  io.run();
  CHECK_THROWS_WITH(future.get(), Catch::Matchers::Matches(".*run_async.*"));
}

TEST_CASE("a deadline ends a run that Asio drives") {
  asio::io_context io;
  auto future = ag::run_async(
      io, [](ag::duration d) -> ag::task<> { co_await ag::sleep_for(d); }(24h), {.deadline = 2ms}, asio::use_future);
  io.run();
  CHECK_THROWS_AS(future.get(), ag::timed_out);
}
