#include "aethergraph/race.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

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

ag::task<int> after(int ms) {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  co_return ms;
}
ag::task<int> fails(int ms) {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  throw std::runtime_error("failed after " + std::to_string(ms));
}
ag::task<int> at_once(int x) { co_return x; }

const ag::tool slow{"slow", [](int ms) -> ag::task<int> { co_return co_await after(ms); }};
const ag::graph_fn agent{"agent", [](int ms) -> ag::task<int> { co_return co_await slow(ms); }};

}  // namespace

TEST_CASE("race gives the value of the first, at its index") {
  auto body = []() -> ag::task<std::variant<int, int, int>> {
    co_return co_await ag::race(after(30), after(10), after(20));
  };
  auto r = ag::testing::simulation(1).run(body());
  CHECK(r.index() == 1);
  CHECK(std::get<1>(r) == 10);
}

TEST_CASE("race takes the time of the first") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> { co_await ag::race(after(30), after(10)); };
  sim.run(body());
  CHECK(sim.elapsed() == 10ms);
}

TEST_CASE("void in a race is monostate") {
  auto body = []() -> ag::task<std::variant<int, std::monostate>> {
    co_return co_await ag::race(after(30), ag::sleep_for(1ms));
  };
  CHECK(ag::testing::simulation(1).run(body()).index() == 1);
}

TEST_CASE("an exception wins a race") {
  auto body = []() -> ag::task<> { co_await ag::race(after(30), fails(10)); };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), "failed after 10");
}

TEST_CASE("what fails after the first is dropped") {
  auto loser = []() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    throw std::runtime_error("too late");
  };
  auto body = [&]() -> ag::task<std::size_t> {
    auto r = co_await ag::race(after(10), loser());
    co_return r.index();
  };
  CHECK(ag::testing::simulation(1).run(body()) == 0);
}

TEST_CASE("the value of a loser that ignores the request to stop is dropped") {
  auto loser = []() -> ag::task<int> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_return 99;
  };
  auto body = [&]() -> ag::task<int> {
    auto r = co_await ag::race(loser(), after(10));
    co_return std::get<1>(r);
  };
  CHECK(ag::testing::simulation(1).run(body()) == 10);
}

TEST_CASE("the losers of a race are awaited before it ends") {
  bool cleaned_up = false;
  bool seen = false;
  auto loser = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::shielded(ag::sleep_for(50ms));
    cleaned_up = true;
  };
  ag::testing::simulation sim{1};
  auto body = [&]() -> ag::task<> {
    co_await ag::race(loser(), after(10));
    seen = cleaned_up;
  };
  sim.run(body());
  CHECK(seen);
  CHECK(sim.elapsed() == 60ms);
}

TEST_CASE("losers are asked to stop by cancelled") {
  bool was_cancelled = false;
  auto loser = [&]() -> ag::task<> {
    try {
      co_await ag::sleep_for(24h);
    } catch (const ag::cancelled&) {
      was_cancelled = true;
      throw;
    }
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(loser(), after(10)); };
  ag::testing::simulation(1).run(body());
  CHECK(was_cancelled);
}

TEST_CASE("what stands behind one that ends at once never starts") {
  bool started = false;
  auto behind = [&]() -> ag::task<> {
    started = true;
    co_return;
  };
  auto body = [&]() -> ag::task<std::size_t> {
    auto r = co_await ag::race(at_once(1), behind());
    co_return r.index();
  };
  CHECK(ag::run(body()) == 0);
  CHECK_FALSE(started);
}

TEST_CASE("one that ends at once wins over what was started before it") {
  auto body = []() -> ag::task<std::size_t> {
    auto r = co_await ag::race(after(10), at_once(1), after(0));
    co_return r.index();
  };
  CHECK(ag::testing::simulation(1).run(body()) == 1);
}

TEST_CASE("a race may be of mixed kinds") {
  auto body = []() -> ag::task<std::size_t> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 24h);
    asio::steady_timer other(timer.get_executor(), 24h);
    auto r = co_await ag::race(slow(1'000'000), after(1'000'000), agent(1'000'000), timer.async_wait(ag::use_task),
        other.async_wait(asio::deferred), ag::sleep_for(1ms));
    co_return r.index();
  };
  CHECK(ag::run(body()) == 5);
}

TEST_CASE("an operation of Asio's may win a race") {
  auto body = []() -> ag::task<std::size_t> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    auto r = co_await ag::race(ag::sleep_for(24h), timer.async_wait(ag::use_task));
    co_return r.index();
  };
  CHECK(ag::run(body()) == 1);
}

TEST_CASE("a race gives what only moves, and what has no default constructor") {
  auto pointer = []() -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(4); };
  auto strict = []() -> ag::task<no_default> {
    co_await ag::sleep_for(1ms);
    co_return no_default{1};
  };
  auto body = [&]() -> ag::task<int> {
    auto r = co_await ag::race(strict(), pointer());
    co_return *std::get<1>(r);
  };
  CHECK(ag::run(body()) == 4);
}

// A slot is handed over before the end of the first is seen, so that one call more begins.
TEST_CASE("calls that wait for a slot lose a race, and but the next never start") {
  int started = 0;
  const ag::tool counts{"counts", [&](int ms) -> ag::task<> {
    ++started;
    co_await ag::sleep_for(std::chrono::milliseconds{ms});
  }};
  auto body = [&]() -> ag::task<std::size_t> {
    auto r = co_await ag::race(counts(1), counts(1000), counts(1000), counts(1000));
    co_return r.index();
  };
  CHECK(ag::run(body(), {.max_concurrency = 1}) == 0);
  CHECK(started == 2);
}

TEST_CASE("a run goes on after a race that failed") {
  auto body = []() -> ag::task<int> {
    auto r = co_await ag::as_result(ag::race(after(1000), fails(10)));
    co_return r ? 0 : co_await after(5);
  };
  CHECK(ag::testing::simulation(1).run(body()) == 5);
}

TEST_CASE("a cancelled race throws cancelled when all of it has ended") {
  std::vector<std::string> order;
  auto cleans = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::shielded(ag::sleep_for(5ms));
    order.push_back("cleaned");
    co_await ag::sleep_for(1ms);
  };
  auto inner = [&]() -> ag::task<> {
    try {
      co_await ag::race(cleans(), cleans());
    } catch (const ag::cancelled&) {
      order.push_back("cancelled");
      throw;
    }
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(inner(), after(1)); };
  ag::testing::simulation(1).run(body());
  CHECK(order == std::vector<std::string>{"cleaned", "cleaned", "cancelled"});
}

TEST_CASE("a race of races ends with the first of all") {
  auto body = []() -> ag::task<int> {
    auto r = co_await ag::race(ag::race(after(30), after(20)), ag::race(after(40), after(10)));
    co_return std::get<1>(std::get<1>(r));
  };
  CHECK(ag::testing::simulation(1).run(body()) == 10);
}
