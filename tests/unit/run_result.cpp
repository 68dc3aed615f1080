#include "aethergraph/run_result.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool fails_above{"fails_above", [](int x) -> ag::task<int> {
  if (x > 1) throw std::runtime_error(fmt::format("{} is above 1", x));
  co_return x;
}};
const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return co_await fails_above(x); }};

}  // namespace

TEST_CASE("a run that returned is ok") {
  auto r = ag::try_run(agent(1));
  CHECK(r.ok());
  CHECK(static_cast<bool>(r));
  CHECK_FALSE(r.error());
}

TEST_CASE("a run that returned has its value") { CHECK(ag::try_run(agent(1)).value() == 1); }

TEST_CASE("a run that threw is not ok, and has the exception") {
  auto r = ag::try_run(agent(2));
  CHECK_FALSE(r.ok());
  CHECK(r.error());
}

TEST_CASE("the value of a run that threw rethrows, as often as asked") {
  auto r = ag::try_run(agent(2));
  CHECK_THROWS_WITH(r.value(), "2 is above 1");
  CHECK_THROWS_WITH(r.value(), "2 is above 1");
}

TEST_CASE("the value of a const result rethrows") {
  const auto r = ag::try_run(agent(2));
  CHECK_THROWS_WITH(r.value(), "2 is above 1");
}

TEST_CASE("a run of void has a value that is nothing") {
  auto body = []() -> ag::task<> { co_return; };
  auto r = ag::try_run(body());
  CHECK(r.ok());
  CHECK_NOTHROW(r.value());
}

TEST_CASE("a failed run of void rethrows") {
  auto body = []() -> ag::task<> { co_await fails_above(2); };
  auto r = ag::try_run(body());
  CHECK_THROWS_WITH(r.value(), "2 is above 1");
}

TEST_CASE("a run of a reference gives the very object") {
  int object = 1;
  auto body = [&]() -> ag::task<int&> { co_return object; };
  auto r = ag::try_run(body());
  CHECK(&r.value() == &object);
}

TEST_CASE("a move-only value is moved out of the result of a run") {
  auto body = []() -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  CHECK(*ag::try_run(body()).value() == 3);
}

TEST_CASE("a failed call is among the failures with tool, node and cause") {
  auto r = ag::try_run(agent(2));
  REQUIRE(r.failures().size() == 1);
  CHECK(r.failures()[0].tool == "fails_above");
  CHECK(r.failures()[0].node == "fails_above#1");
  CHECK_THROWS_WITH(std::rethrow_exception(r.failures()[0].cause), "2 is above 1");
}

TEST_CASE("a failure that was caught is among the failures of a run that is ok") {
  auto body = []() -> ag::task<int> {
    co_await ag::as_result(fails_above(2));
    co_return 1;
  };
  auto r = ag::try_run(body());
  CHECK(r.ok());
  CHECK(r.failures().size() == 1);
}

TEST_CASE("every failure of a gather is kept, oldest first") {
  const ag::tool fails{"fails", [](int x) -> ag::task<int> {
    co_await ag::sleep_for(std::chrono::milliseconds{x});
    throw std::runtime_error(std::to_string(x));
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather_results(fails(3), fails(1), fails(2)); };
  auto r = ag::testing::simulation(1).try_run(body());
  std::vector<std::string> messages;
  for (const auto& f : r.failures()) try {
      std::rethrow_exception(f.cause);
    } catch (const std::exception& e) {
      messages.push_back(e.what());
    }
  CHECK(messages == std::vector<std::string>{"1", "2", "3"});
}

TEST_CASE("a call that was cancelled is no failure") {
  const ag::tool sleeps{"sleeps", [](int) -> ag::task<> { co_await ag::sleep_for(24h); }};
  const ag::tool fails{"fails", [](int) -> ag::task<> {
    co_await ag::sleep_for(1ms);
    throw std::runtime_error("failed");
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(sleeps(1), fails(1)); };
  auto r = ag::testing::simulation(1).try_run(body());
  REQUIRE(r.failures().size() == 1);
  CHECK(r.failures()[0].tool == "fails");
}

TEST_CASE("the first thousand failures are kept") {
  auto body = []() -> ag::task<> {
    for (int i = 0; i < 1500; ++i) co_await ag::as_result(fails_above(2));
  };
  CHECK(ag::try_run(body()).failures().size() == 1000);
}

TEST_CASE("a run without calls held no slot") {
  auto body = []() -> ag::task<> { co_await ag::sleep_for(0s); };
  CHECK(ag::try_run(body()).peak_concurrency() == 0);
}

TEST_CASE("one call after another holds one slot") {
  auto body = []() -> ag::task<> {
    for (int i = 0; i < 10; ++i) co_await fails_above(1);
  };
  CHECK(ag::try_run(body()).peak_concurrency() == 1);
}
