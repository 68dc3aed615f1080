#include "aethergraph/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;

namespace {

ag::task<int> value_of(int x) { co_return x; }

ag::task<int> failing() {
  throw std::runtime_error("from the body");
  co_return 0;
}

struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};

struct throwing_copy {
  throwing_copy() = default;
  throwing_copy(const throwing_copy&) { throw std::runtime_error("copied"); }
  throwing_copy(throwing_copy&&) noexcept = default;
  throwing_copy& operator=(const throwing_copy&) = default;
  throwing_copy& operator=(throwing_copy&&) noexcept = default;
  int value = 5;
};

struct counted {
  explicit counted(int& alive) : alive_(&alive) { ++*alive_; }
  counted(const counted& o) : alive_(o.alive_) { ++*alive_; }
  counted& operator=(const counted&) = delete;
  ~counted() { --*alive_; }
  int* alive_;
};

ag::task<int> nested(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await nested(depth - 1);
}

static_assert(std::is_move_constructible_v<ag::task<int>> && std::is_move_assignable_v<ag::task<int>>);
static_assert(!std::is_copy_constructible_v<ag::task<int>>);
static_assert(std::is_same_v<ag::task<>, ag::task<void>>);

}  // namespace

TEST_CASE("a task gives what it returns") { CHECK(ag::run(value_of(7)) == 7); }

TEST_CASE("a task does not start before it is awaited") {
  bool started = false;
  auto body = [&]() -> ag::task<> {
    started = true;
    co_return;
  };
  {
    ag::task<> t = body();
    CHECK_FALSE(started);
  }
  CHECK_FALSE(started);
}

TEST_CASE("a task that is dropped before it starts destroys its arguments") {
  int alive = 0;
  auto body = [](counted) -> ag::task<> { co_return; };
  {
    ag::task<> t = body(counted{alive});
    CHECK(alive == 1);
  }
  CHECK(alive == 0);
}

TEST_CASE("a task of void runs to its end") {
  bool ended = false;
  auto body = [&]() -> ag::task<> {
    co_await value_of(1);
    ended = true;
  };
  ag::run(body());
  CHECK(ended);
}

TEST_CASE("a task of a reference gives the very object") {
  int object = 1;
  auto inner = [&]() -> ag::task<int&> { co_return object; };
  auto outer = [&]() -> ag::task<> {
    int& same = co_await inner();
    same = 9;
  };
  ag::run(outer());
  CHECK(object == 9);
}

TEST_CASE("a task of a reference can be run") {
  int object = 1;
  auto inner = [&]() -> ag::task<int&> { co_return object; };
  int& same = ag::run(inner());
  CHECK(&same == &object);
}

TEST_CASE("a task of a reference to const gives the very object") {
  const std::string object = "text";
  const std::string* seen = nullptr;
  auto inner = [&]() -> ag::task<const std::string&> { co_return object; };
  auto outer = [&]() -> ag::task<> {
    const std::string& same = co_await inner();
    seen = &same;
  };
  ag::run(outer());
  CHECK(seen == &object);
}

TEST_CASE("a task gives a move-only result") {
  auto body = []() -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  auto outer = [&]() -> ag::task<std::unique_ptr<int>> { co_return co_await body(); };
  CHECK(*ag::run(outer()) == 3);
}

TEST_CASE("a task gives a result that has no default constructor") {
  auto body = []() -> ag::task<no_default> { co_return no_default{4}; };
  CHECK(ag::run(body()).value == 4);
}

TEST_CASE("a task constructs its result from what co_return names") {
  auto body = []() -> ag::task<no_default> { co_return 6; };
  CHECK(ag::run(body()).value == 6);
}

TEST_CASE("the copy of a returned value that throws fails the task") {
  static throwing_copy source;
  auto body = []() -> ag::task<throwing_copy> { co_return source; };
  CHECK_THROWS_WITH(ag::run(body()), "copied");
}

TEST_CASE("a result whose copy throws is moved all the way") {
  auto body = []() -> ag::task<throwing_copy> { co_return throwing_copy{}; };
  auto outer = [&]() -> ag::task<throwing_copy> { co_return co_await body(); };
  CHECK(ag::run(outer()).value == 5);
}

TEST_CASE("what a task throws reaches the one who awaits it") {
  std::string message;
  auto body = [&]() -> ag::task<> {
    try {
      co_await failing();
    } catch (const std::runtime_error& e) {
      message = e.what();
    }
  };
  ag::run(body());
  CHECK(message == "from the body");
}

TEST_CASE("what a task throws passes through tasks that do not catch it") {
  auto middle = []() -> ag::task<int> { co_return co_await failing(); };
  CHECK_THROWS_WITH(ag::run(middle()), "from the body");
}

TEST_CASE("a failed task destroys its locals before its failure is seen") {
  int alive = 0;
  int alive_when_caught = -1;
  auto inner = [&]() -> ag::task<> {
    counted local{alive};
    co_await ag::sleep_for(std::chrono::nanoseconds{0});
    throw std::runtime_error("failed");
  };
  auto outer = [&]() -> ag::task<> {
    try {
      co_await inner();
    } catch (const std::runtime_error&) {
      alive_when_caught = alive;
    }
  };
  ag::run(outer());
  CHECK(alive_when_caught == 0);
}

TEST_CASE("a task awaited a second time throws error") {
  auto body = []() -> ag::task<> {
    ag::task<int> t = value_of(1);
    co_await std::move(t);
    co_await std::move(t);
  };
  CHECK_THROWS_WITH(ag::run(body()), "this task was awaited before; a task can be awaited once");
}

TEST_CASE("a task that was moved from throws error when awaited") {
  auto body = []() -> ag::task<> {
    ag::task<int> t = value_of(1);
    ag::task<int> u = std::move(t);
    co_await std::move(u);
    co_await std::move(t);
  };
  CHECK_THROWS_AS(ag::run(body()), ag::error);
}

TEST_CASE("a task run a second time throws error") {
  ag::task<int> t = value_of(1);
  CHECK(ag::run(std::move(t)) == 1);
  CHECK_THROWS_AS(ag::run(std::move(t)), ag::error);
}

TEST_CASE("a task assigned over another runs the new one") {
  ag::task<int> t = value_of(1);
  t = value_of(2);
  CHECK(ag::run(std::move(t)) == 2);
}

TEST_CASE("a moved task is the same task") {
  ag::task<int> t = value_of(1);
  ag::task<int> u = std::move(t);
  CHECK(ag::run(std::move(u)) == 1);
}

TEST_CASE("tasks nest ten thousand deep") { CHECK(ag::run(nested(10'000)) == 10'000); }

TEST_CASE("a task awaits a hundred thousand others in a loop") {
  auto body = []() -> ag::task<int> {
    int sum = 0;
    for (int i = 0; i < 100'000; ++i) sum += co_await value_of(1);
    co_return sum;
  };
  CHECK(ag::run(body()) == 100'000);
}

TEST_CASE("co_await works in conditions and operands") {
  auto body = []() -> ag::task<int> {
    int rounds = 0;
    while (co_await value_of(rounds) < 3) ++rounds;
    if (co_await value_of(1) == 1) rounds += co_await value_of(10);
    switch (co_await value_of(2)) {
      case 2:
        co_return rounds;
      default:
        co_return -1;
    }
  };
  CHECK(ag::run(body()) == 13);
}

TEST_CASE("this_coro::executor gives an executor that runs what is posted to it") {
  auto body = []() -> ag::task<bool> {
    boost::asio::any_io_executor ex = co_await boost::asio::this_coro::executor;
    co_return static_cast<bool>(ex);
  };
  CHECK(ag::run(body()));
}

TEST_CASE("a task that has not started may be run on another thread") {
  ag::task<int> t = value_of(8);
  int got = 0;
  std::thread other([&] { got = ag::run(std::move(t)); });
  other.join();
  CHECK(got == 8);
}
