#include "aethergraph/as_result.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool odd_only{"odd_only", [](int x) {
  if (x % 2 == 0) throw std::runtime_error("even");
  return x;
}};

}  // namespace

TEST_CASE("as_result of what succeeds holds the value") {
  auto body = []() -> ag::task<ag::result<int>> { co_return co_await ag::as_result(odd_only(3)); };
  CHECK(ag::run(body()).value() == 3);
}

TEST_CASE("as_result of what fails holds the exception") {
  auto body = []() -> ag::task<ag::result<int>> { co_return co_await ag::as_result(odd_only(2)); };
  CHECK_THROWS_WITH(ag::run(body()).value(), "even");
}

TEST_CASE("as_result of void tells success from failure") {
  auto fails = []() -> ag::task<> {
    co_await ag::sleep_for(0s);
    throw std::runtime_error("void failed");
  };
  auto body = [&]() -> ag::task<std::string> {
    auto good = co_await ag::as_result(ag::sleep_for(0s));
    auto bad = co_await ag::as_result(fails());
    co_return std::string(good ? "good" : "bad") + (bad ? "good" : "bad");
  };
  CHECK(ag::run(body()) == "goodbad");
}

TEST_CASE("as_result of a reference holds the very object") {
  int object = 1;
  auto refer = [&]() -> ag::task<int&> { co_return object; };
  auto body = [&]() -> ag::task<bool> {
    auto r = co_await ag::as_result(refer());
    co_return &r.value() == &object;
  };
  CHECK(ag::run(body()));
}

TEST_CASE("as_result of what only moves holds it") {
  auto pointer = []() -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  auto body = [&]() -> ag::task<std::unique_ptr<int>> {
    auto r = co_await ag::as_result(pointer());
    co_return std::move(r).value();
  };
  CHECK(*ag::run(body()) == 3);
}

TEST_CASE("as_result of a combinator holds its outcome") {
  auto body = []() -> ag::task<bool> {
    auto r = co_await ag::as_result(ag::gather(odd_only(1), odd_only(2)));
    co_return r.has_value();
  };
  CHECK_FALSE(ag::run(body()));
}

TEST_CASE("as_result in a scope that was asked to stop holds cancelled, and starts nothing") {
  bool started = false;
  bool held_cancelled = false;
  const ag::tool tool{"tool", [&](int) { started = true; }};
  auto losing = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    auto r = co_await ag::as_result(tool(1));
    try {
      r.value();
    } catch (const ag::cancelled&) {
      held_cancelled = true;
    }
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(losing(), ag::sleep_for(1ms)); };
  ag::testing::simulation(1).run(body());
  CHECK(held_cancelled);
  CHECK_FALSE(started);
}

TEST_CASE("after an as_result that holds cancelled, the next await throws it") {
  bool threw = false;
  auto losing = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    try {
      co_await ag::sleep_for(0s);
    } catch (const ag::cancelled&) {
      threw = true;
    }
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(losing(), ag::sleep_for(1ms)); };
  ag::testing::simulation(1).run(body());
  CHECK(threw);
}

TEST_CASE("as_result of a task awaited before holds error") {
  auto body = []() -> ag::task<bool> {
    auto t = []() -> ag::task<int> { co_return 1; }();
    co_await std::move(t);
    auto r = co_await ag::as_result(std::move(t));
    co_return r.has_value();
  };
  CHECK_FALSE(ag::run(body()));
}

TEST_CASE("as_result of an as_result holds a value") {
  auto body = []() -> ag::task<bool> {
    auto r = co_await ag::as_result(ag::as_result(odd_only(2)));
    co_return r.has_value() && !r.value().has_value();
  };
  CHECK(ag::run(body()));
}

TEST_CASE("what is made a result may be gathered") {
  auto body = []() -> ag::task<bool> {
    auto both = co_await ag::gather(ag::as_result(odd_only(1)), ag::as_result(odd_only(2)));
    co_return std::get<0>(both).has_value() && !std::get<1>(both).has_value();
  };
  CHECK(ag::run(body()));
}
