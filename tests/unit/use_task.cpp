#include "aethergraph/use_task.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
using boost::system::error_code;
using boost::system::system_error;
using socket_type = asio::local::stream_protocol::socket;
using namespace std::chrono_literals;

namespace {

// An operation of one's own with any completion signature, which completes with these values.
template <class Signature, class Token, class... V>
auto async_give(Token&& token, V... v) {
  return asio::async_initiate<Token, Signature>([](auto handler, auto... values) {
    auto ex = asio::get_associated_executor(handler);
    asio::post(ex, [h = std::move(handler), t = std::make_tuple(std::move(values)...)]() mutable {
      std::apply([&](auto&... a) { std::move(h)(std::move(a)...); }, t);
    });
  }, token, std::move(v)...);
}

// One that completes on a thread of its own, and never asks for the handler's executor.
template <class Token>
auto async_give_from_a_thread(int v, Token&& token) {
  return asio::async_initiate<Token, void(int)>([](auto handler, int value) {
    std::thread([h = std::move(handler), value]() mutable { std::move(h)(value); }).detach();
  }, token, v);
}

// One that ends when it is cancelled, from inside the emission.
template <class Token>
auto async_until_cancelled(Token&& token) {
  return asio::async_initiate<Token, void(error_code)>([](auto handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    slot.assign([h = std::make_shared<decltype(handler)>(std::move(handler))](
                    asio::cancellation_type) { std::move (*h)(asio::error::operation_aborted); });
  }, token);
}

struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};

static_assert(std::is_empty_v<ag::use_task_t>);

}  // namespace

TEST_CASE("use_task awaits a timer") {
  auto body = []() -> ag::task<int> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    co_await timer.async_wait(ag::use_task);
    co_return 1;
  };
  CHECK(ag::run(body()) == 1);
}

TEST_CASE("deferred operations are awaited") {
  auto body = []() -> ag::task<int> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    co_await timer.async_wait(asio::deferred);
    co_return 1;
  };
  CHECK(ag::run(body()) == 1);
}

TEST_CASE("one value comes as itself, several as a tuple, none as void") {
  auto body = []() -> ag::task<int> {
    static_assert(std::is_void_v<decltype(ag::run(std::declval<ag::task<>>()))>);
    co_await async_give<void()>(ag::use_task);
    int one = co_await async_give<void(int)>(ag::use_task, 1);
    std::tuple<int, std::string> two = co_await async_give<void(int, std::string)>(ag::use_task, 2, std::string("abc"));
    co_return one + std::get<0>(two) + static_cast<int>(std::get<1>(two).size());
  };
  CHECK(ag::run(body()) == 6);
}

TEST_CASE("a leading error_code that is set is thrown as system_error") {
  auto body = []() -> ag::task<> {
    co_await async_give<void(error_code, int)>(ag::use_task, error_code(asio::error::eof), 1);
  };
  CHECK_THROWS_AS(ag::run(body()), system_error);
}

TEST_CASE("a leading error_code that is not set is dropped") {
  auto body = []() -> ag::task<int> {
    co_return co_await async_give<void(error_code, int)>(ag::use_task, error_code(), 4);
  };
  CHECK(ag::run(body()) == 4);
}

TEST_CASE("a leading exception_ptr is rethrown") {
  auto body = []() -> ag::task<int> {
    auto e = std::make_exception_ptr(std::out_of_range("given"));
    co_return co_await async_give<void(std::exception_ptr, int)>(ag::use_task, e, 4);
  };
  CHECK_THROWS_AS(ag::run(body()), std::out_of_range);
}

TEST_CASE("a null exception_ptr is dropped") {
  auto body = []() -> ag::task<int> {
    co_return co_await async_give<void(std::exception_ptr, int)>(ag::use_task, std::exception_ptr(), 4);
  };
  CHECK(ag::run(body()) == 4);
}

TEST_CASE("a deferred operation throws its error_code too") {
  auto body = []() -> ag::task<> {
    co_await async_give<void(error_code)>(asio::deferred, error_code(asio::error::eof));
  };
  CHECK_THROWS_AS(ag::run(body()), system_error);
}

TEST_CASE("as_tuple gives the error_code as a value") {
  auto body = []() -> ag::task<bool> {
    auto r = co_await async_give<void(error_code, int)>(asio::as_tuple(ag::use_task), error_code(asio::error::eof), 1);
    co_return std::get<0>(r) == asio::error::eof&& std::get<1>(r) == 1;
  };
  CHECK(ag::run(body()));
}

TEST_CASE("as_tuple of deferred gives the error_code as a value") {
  auto body = []() -> ag::task<bool> {
    auto r =
        co_await async_give<void(error_code, int)>(asio::as_tuple(asio::deferred), error_code(asio::error::eof), 1);
    co_return std::get<0>(r) == asio::error::eof;
  };
  CHECK(ag::run(body()));
}

TEST_CASE("an operation gives what only moves, and what has no default constructor") {
  auto body = []() -> ag::task<int> {
    auto p = co_await async_give<void(std::unique_ptr<int>)>(ag::use_task, std::make_unique<int>(2));
    no_default d = co_await async_give<void(error_code, no_default)>(ag::use_task, error_code(), no_default{3});
    co_return *p + d.value;
  };
  CHECK(ag::run(body()) == 5);
}

TEST_CASE("a run stays on its strand after an operation of another context") {
  asio::io_context io;
  asio::io_context other;
  auto guard = asio::make_work_guard(other);
  std::thread elsewhere([&] { other.run(); });
  auto body = [&]() -> ag::task<bool> {
    const auto before = std::this_thread::get_id();
    asio::steady_timer timer(other, 1ms);
    co_await timer.async_wait(ag::use_task);
    co_return std::this_thread::get_id() == before;
  };
  auto future = ag::run_async(io, body(), {}, asio::use_future);
  io.run();
  guard.reset();
  elsewhere.join();
  CHECK(future.get());
}

TEST_CASE("a blocking run goes on with its thread after an operation of another context") {
  asio::io_context other;
  auto guard = asio::make_work_guard(other);
  std::thread elsewhere([&] { other.run(); });
  auto body = [&]() -> ag::task<bool> {
    const auto before = std::this_thread::get_id();
    asio::steady_timer timer(other, 1ms);
    co_await timer.async_wait(ag::use_task);
    co_return std::this_thread::get_id() == before;
  };
  CHECK(ag::run(body()));
  guard.reset();
  elsewhere.join();
}

TEST_CASE("an operation that completes on a thread of its own, whatever the associated executor, is awaited") {
  const auto rounds = [](int n) -> ag::task<int> {
    int sum = 0;
    for (int i = 0; i < n; ++i) sum += co_await async_give_from_a_thread(i, ag::use_task);
    co_return sum;
  };
  CHECK(ag::run(rounds(200)) == 199 * 100);
  asio::io_context io;
  auto future = ag::run_async(io, rounds(200), {}, asio::use_future);
  io.run();
  CHECK(future.get() == 199 * 100);
}

TEST_CASE("a run may end while the thread that completed its last operation still holds its executor") {
  auto elsewhere = []() -> asio::awaitable<int> { co_return 1; };
  const ag::tool tool{"tool", [&]() -> ag::task<int> {
    co_return co_await asio::co_spawn(asio::system_executor(), elsewhere(), ag::use_task);
  }};
  int sum = 0;
  for (int i = 0; i < 500; ++i) sum += ag::run(tool());
  CHECK(sum == 500);
}

TEST_CASE("an operation that completes from inside its cancellation ends with cancelled") {
  auto body = []() -> ag::task<> { co_await async_until_cancelled(ag::use_task); };
  ag::testing::simulation sim(1);
  auto all = [&]() -> ag::task<> {
    const auto all_of_them = co_await ag::as_result(ag::timeout(ag::gather(body(), body(), body()), 1ms));
    CHECK(!all_of_them.has_value());
  };
  sim.run(all());
  asio::io_context io;
  auto future = ag::run_async(io, body(), {.deadline = 1ms}, asio::use_future);
  io.run();
  CHECK_THROWS_AS(future.get(), ag::timed_out);
}

TEST_CASE("what an operation completes with is converted to its completion signature") {
  auto start = [](auto handler) {
    auto ex = asio::get_associated_executor(handler);
    asio::post(ex, [h = std::move(handler)]() mutable { std::move(h)(error_code(), "text"); });
  };
  auto body = [&]() -> ag::task<std::string> {
    co_return co_await asio::async_initiate<const ag::use_task_t, void(error_code, std::string)>(start, ag::use_task);
  };
  CHECK(ag::run(body()) == "text");
}

TEST_CASE("sockets are awaited") {
  auto body = []() -> ag::task<std::string> {
    auto ex = co_await asio::this_coro::executor;
    socket_type a(ex);
    socket_type b(ex);
    asio::local::connect_pair(a, b);
    std::array<char, 5> got{};
    const std::string text = "hello";
    co_await ag::gather(
        asio::async_write(a, asio::buffer(text), ag::use_task), asio::async_read(b, asio::buffer(got), asio::deferred));
    co_return std::string(got.begin(), got.end());
  };
  CHECK(ag::run(body()) == "hello");
}

TEST_CASE("what is asked to stop cancels the socket that it awaits, and throws cancelled") {
  bool was_cancelled = false;
  auto reads = [&]() -> ag::task<> {
    auto ex = co_await asio::this_coro::executor;
    socket_type a(ex);
    socket_type b(ex);
    asio::local::connect_pair(a, b);
    std::array<char, 5> got{};
    try {
      co_await asio::async_read(b, asio::buffer(got), ag::use_task);
    } catch (const ag::cancelled&) {
      was_cancelled = true;
    }
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(reads(), ag::sleep_for(1ms)); };
  ag::run(body());
  CHECK(was_cancelled);
}

TEST_CASE("as_tuple gives operation_aborted to what is asked to stop") {
  bool was_aborted = false;
  auto waits = [&]() -> ag::task<> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 24h);
    auto r = co_await timer.async_wait(asio::as_tuple(ag::use_task));
    was_aborted = std::get<0>(r) == asio::error::operation_aborted;
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(waits(), ag::sleep_for(1ms)); };
  ag::run(body());
  CHECK(was_aborted);
}

TEST_CASE("a timer that its owner cancels throws system_error, not cancelled") {
  auto body = []() -> ag::task<> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 24h);
    auto cancels = [&]() -> ag::task<> {
      co_await ag::sleep_for(1ms);
      timer.cancel();
    };
    co_await ag::gather(timer.async_wait(ag::use_task), cancels());
  };
  CHECK_THROWS_AS(ag::run(body()), system_error);
}

TEST_CASE("an operation that is not awaited never starts") {
  bool started = false;
  auto start = [&](auto&& token) {
    return asio::async_initiate<decltype(token), void()>([&](auto) { started = true; }, token);
  };
  {
    [[maybe_unused]] auto operation = start(ag::use_task);
  }
  CHECK_FALSE(started);
}

TEST_CASE("what an initiation throws reaches the co_await") {
  auto start = [](auto&& token) {
    return asio::async_initiate<decltype(token), void()>(
        [](auto) { throw std::runtime_error("not initiated"); }, token);
  };
  auto body = [&]() -> ag::task<> { co_await start(ag::use_task); };
  CHECK_THROWS_WITH(ag::run(body()), "not initiated");
}

TEST_CASE("a coroutine of Asio's is awaited") {
  auto spawned = [](int x) -> asio::awaitable<int> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    co_await timer.async_wait(asio::use_awaitable);
    co_return x;
  };
  auto body = [&]() -> ag::task<int> { co_return co_await spawned(3); };
  CHECK(ag::run(body()) == 3);
}

TEST_CASE("what a coroutine of Asio's throws reaches the co_await") {
  auto spawned = []() -> asio::awaitable<int> {
    co_await asio::post(asio::use_awaitable);
    throw std::runtime_error("of Asio's");
  };
  auto body = [&]() -> ag::task<int> { co_return co_await spawned(); };
  CHECK_THROWS_WITH(ag::run(body()), "of Asio's");
}

TEST_CASE("a coroutine of Asio's gives a result without default constructor, and what only moves") {
  auto strict = []() -> asio::awaitable<no_default> { co_return no_default{3}; };
  auto pointer = []() -> asio::awaitable<std::unique_ptr<int>> { co_return std::make_unique<int>(4); };
  auto body = [&]() -> ag::task<int> {
    no_default d = co_await strict();
    auto p = co_await pointer();
    co_return d.value + *p;
  };
  CHECK(ag::run(body()) == 7);
}

TEST_CASE("what is asked to stop cancels the coroutine of Asio's that it awaits") {
  bool was_cancelled = false;
  auto spawned = []() -> asio::awaitable<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 24h);
    co_await timer.async_wait(asio::use_awaitable);
  };
  auto waits = [&]() -> ag::task<> {
    try {
      co_await spawned();
    } catch (const ag::cancelled&) {
      was_cancelled = true;
    }
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(waits(), ag::sleep_for(1ms)); };
  ag::run(body());
  CHECK(was_cancelled);
}

TEST_CASE("a coroutine of Asio's that ends just when it is asked to stop leaves nothing behind that refers to it") {
  // When the race is lost, the coroutine has ended, and its completion is under way already.
  auto ends_at_once = []() -> asio::awaitable<void> { co_return; };
  auto body = [&]() -> ag::task<std::size_t> {
    const auto first = co_await ag::race(ends_at_once(), async_give<void()>(ag::use_task));
    co_return first.index();
  };
  CHECK(ag::run(body()) == 1);
  asio::io_context io;
  auto future = ag::run_async(io, body(), {}, asio::use_future);
  io.run();
  CHECK(future.get() <= 1);
}

TEST_CASE("a coroutine of Asio's that is asked to stop before it has begun does not begin") {
  bool has_begun = false;
  auto spawned = [&]() -> asio::awaitable<void> {
    has_begun = true;
    co_return;
  };
  auto stops = []() -> ag::task<> { co_return; };
  auto body = [&]() -> ag::task<std::size_t> {
    const auto first = co_await ag::race(spawned(), stops());
    co_return first.index();
  };
  CHECK(ag::run(body()) == 1);
  CHECK_FALSE(has_begun);
}

TEST_CASE("a tool that is a coroutine of Asio's is cancelled") {
  int cleaned = 0;
  const ag::tool tool{"tool", [&](int) -> asio::awaitable<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 24h);
    auto r = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    cleaned += std::get<0>(r) == asio::error::operation_aborted;
  }};
  auto body = [&]() -> ag::task<> { co_await ag::race(ag::gather(tool(1), tool(2)), ag::sleep_for(1ms)); };
  ag::run(body());
  CHECK(cleaned == 2);
}

TEST_CASE("the executor of a run is the one that it was started on") {
  asio::io_context io;
  auto body = [&]() -> ag::task<bool> {
    asio::any_io_executor ex = co_await asio::this_coro::executor;
    co_return &asio::query(ex, asio::execution::context) == &io;
  };
  auto future = ag::run_async(io, body(), {}, asio::use_future);
  io.run();
  CHECK(future.get());
}

TEST_CASE("who keeps a handler's executor keeps the event loop of its run, and what that refers to") {
  // The usual way of an operation that ends on a thread of its own, which holds the executor a little longer.
  std::thread other;
  std::atomic<bool> has_let_go = false;
  auto body = [&]() -> ag::task<int> {
    co_return co_await asio::async_initiate<const ag::use_task_t&, void(int)>([&](auto handler) {
      other = std::thread([&has_let_go, h = std::move(handler)]() mutable {
        auto executor = asio::get_associated_executor(h);
        auto work = asio::make_work_guard(executor);
        asio::post(executor, [h = std::move(h)]() mutable { std::move(h)(7); });
        std::this_thread::sleep_for(50ms);
        has_let_go = true;
      });
    }, ag::use_task);
  };
  int result = 0;
  {
    asio::io_context io;
    ag::run_async(io, body(), {}, [&](std::exception_ptr, int x) { result = x; });
    io.run();
    CHECK(has_let_go);
    other.join();
  }
  CHECK(result == 7);
}
