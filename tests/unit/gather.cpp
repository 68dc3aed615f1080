#include "aethergraph/gather.hpp"

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
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

const ag::tool doubled{"doubled", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::tool fails{"fails", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  throw std::runtime_error("failed after " + std::to_string(ms));
}};
const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x + 1; }};

ag::task<int> after(int ms) {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  co_return ms;
}
ag::task<> nothing() { co_return; }

// Counts the bodies that are alive.
struct in_flight {
  explicit in_flight(int& n) : count(n) { ++count; }
  in_flight(const in_flight&) = delete;
  in_flight& operator=(const in_flight&) = delete;
  ~in_flight() { --count; }
  int& count;
};

}  // namespace

TEST_CASE("gather of a pack gives a tuple in argument order") {
  auto body = []() -> ag::task<std::tuple<int, int, int>> {
    co_return co_await ag::gather(after(3), after(1), after(2));
  };
  CHECK(ag::testing::simulation(1).run(body()) == std::tuple{3, 1, 2});
}

TEST_CASE("gather of one gives a tuple of one") {
  auto body = []() -> ag::task<std::tuple<int>> { co_return co_await ag::gather(after(3)); };
  CHECK(ag::testing::simulation(1).run(body()) == std::tuple{3});
}

TEST_CASE("gather of a range gives a vector in the order of the range") {
  auto body = []() -> ag::task<std::vector<int>> {
    std::vector<ag::task<int>> tasks;
    for (int ms : std::vector{3, 1, 2}) tasks.push_back(after(ms));
    co_return co_await ag::gather(std::move(tasks));
  };
  CHECK(ag::testing::simulation(1).run(body()) == std::vector<int>{3, 1, 2});
}

TEST_CASE("gather runs its elements at the same time") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> { co_await ag::gather(after(30), after(20), after(10)); };
  sim.run(body());
  CHECK(sim.elapsed() == 30ms);
}

TEST_CASE("gather of an empty range gives an empty vector") {
  auto body = []() -> ag::task<std::vector<int>> { co_return co_await ag::gather(std::vector<ag::task<int>>()); };
  CHECK(ag::run(body()).empty());
}

TEST_CASE("gather of a range of one gives a vector of one") {
  auto body = []() -> ag::task<std::vector<int>> {
    co_return co_await ag::gather(std::views::single(4) | std::views::transform(doubled));
  };
  CHECK(ag::run(body()) == std::vector<int>{8});
}

TEST_CASE("gather of an empty range of void ends") {
  auto body = []() -> ag::task<> { co_await ag::gather(std::vector<ag::task<>>()); };
  CHECK_NOTHROW(ag::run(body()));
}

TEST_CASE("gather of a range of void gives nothing") {
  static_assert(std::is_void_v<decltype(ag::run(std::declval<ag::task<>>()))>);
  int ran = 0;
  auto step = [&]() -> ag::task<> {
    ++ran;
    co_return;
  };
  auto body = [&]() -> ag::task<> {
    std::list<ag::task<>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(step());
    co_await ag::gather(std::move(tasks));
  };
  ag::run(body());
  CHECK(ran == 3);
}

TEST_CASE("void in a gathered pack is monostate") {
  auto body = []() -> ag::task<std::tuple<std::monostate, int>> { co_return co_await ag::gather(nothing(), after(1)); };
  CHECK(std::get<1>(ag::testing::simulation(1).run(body())) == 1);
}

TEST_CASE("gather takes an input-only range") {
  std::istringstream numbers("1 2 3");
  auto body = [&]() -> ag::task<std::vector<int>> {
    co_return co_await ag::gather(std::views::istream<int>(numbers) | std::views::transform(doubled));
  };
  CHECK(ag::run(body()) == std::vector<int>{2, 4, 6});
}

TEST_CASE("gather takes a filtered view that is not const iterable") {
  auto body = []() -> ag::task<std::vector<int>> {
    auto odd = [](int x) { return x % 2 == 1; };
    co_return co_await ag::gather(std::views::iota(0, 6) | std::views::filter(odd) | std::views::transform(doubled));
  };
  CHECK(ag::run(body()) == std::vector<int>{2, 6, 10});
}

TEST_CASE("gather takes a named view") {
  auto body = []() -> ag::task<std::vector<int>> {
    auto calls = std::views::iota(0, 3) | std::views::transform(doubled);
    co_return co_await ag::gather(calls);
  };
  CHECK(ag::run(body()) == std::vector<int>{0, 2, 4});
}

TEST_CASE("gather takes a subrange of move iterators") {
  auto body = []() -> ag::task<std::vector<int>> {
    std::deque<ag::task<int>> tasks;
    for (int ms : std::vector{1, 2, 3}) tasks.push_back(after(ms));
    co_return co_await ag::gather(
        std::ranges::subrange(std::make_move_iterator(tasks.begin()), std::make_move_iterator(tasks.end())));
  };
  CHECK(ag::testing::simulation(1).run(body()) == std::vector<int>{1, 2, 3});
}

TEST_CASE("gather takes all its elements before it starts any") {
  std::string order;
  const ag::tool tool{"tool", [&](int) { order += 's'; }};
  auto body = [&]() -> ag::task<> {
    auto make = [&](int i) {
      order += 't';
      return tool(i);
    };
    co_await ag::gather(std::views::iota(0, 3) | std::views::transform(std::ref(make)));
  };
  ag::run(body());
  CHECK(order == "tttsss");
}

TEST_CASE("what a range throws while its elements are taken starts none") {
  int started = 0;
  const ag::tool tool{"tool", [&](int) { ++started; }};
  auto body = [&]() -> ag::task<> {
    auto make = [&](int i) {
      if (i == 2) throw std::runtime_error("no third");
      return tool(i);
    };
    co_await ag::gather(std::views::iota(0, 3) | std::views::transform(std::ref(make)));
  };
  CHECK_THROWS_WITH(ag::run(body()), "no third");
  CHECK(started == 0);
}

TEST_CASE("a gathered pack may be of mixed kinds") {
  auto body = []() -> ag::task<int> {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    auto spawned = []() -> asio::awaitable<int> { co_return 16; };
    auto all = co_await ag::gather(doubled(1), after(1), agent(3), ag::sleep_for(1ms), timer.async_wait(ag::use_task),
        asio::post(timer.get_executor(), asio::deferred), spawned(), ag::gather(after(1), doubled(16)),
        ag::timeout(after(1), 1h));
    co_return std::get<0>(all) + std::get<1>(all) + std::get<2>(all) + std::get<6>(all) + std::get<1>(std::get<7>(all));
  };
  CHECK(ag::run(body()) == 2 + 1 + 4 + 16 + 32);
}

TEST_CASE("gather gives what only moves, and what has no default constructor") {
  auto pointer = []() -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(1); };
  auto strict = []() -> ag::task<no_default> { co_return no_default{2}; };
  auto body = [&]() -> ag::task<int> {
    auto both = co_await ag::gather(pointer(), strict());
    co_return *std::get<0>(both) + std::get<1>(both).value;
  };
  CHECK(ag::run(body()) == 3);
}

TEST_CASE("gather of a range gives what only moves") {
  const ag::tool pointer{"pointer", [](int x) { return std::make_unique<int>(x); }};
  auto body = [&]() -> ag::task<int> {
    auto all = co_await ag::gather(std::views::iota(0, 3) | std::views::transform(pointer));
    co_return *all[0] + *all[1] + *all[2];
  };
  CHECK(ag::run(body()) == 3);
}

TEST_CASE("gather gives true and false") {
  const ag::tool odd{"odd", [](int x) { return x % 2 == 1; }};
  auto body = [&]() -> ag::task<std::vector<bool>> {
    co_return co_await ag::gather(std::views::iota(0, 3) | std::views::transform(odd));
  };
  CHECK(ag::run(body()) == std::vector<bool>{false, true, false});
}

TEST_CASE("gather gives a reference to the very object") {
  int object = 1;
  auto refer = [&]() -> ag::task<int&> { co_return object; };
  auto body = [&]() -> ag::task<> {
    auto both = co_await ag::gather(refer(), nothing());
    int& same = std::get<0>(both);
    same = 7;
  };
  ag::run(body());
  CHECK(object == 7);
}

TEST_CASE("gather throws the failure that came first in time") {
  auto body = []() -> ag::task<> { co_await ag::gather(fails(30), fails(10), fails(20)); };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), "failed after 10");
}

TEST_CASE("a failure in a gather cancels the rest at once") {
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> { co_await ag::gather(after(1000), fails(10)); };
  CHECK_THROWS_AS(sim.run(body()), std::runtime_error);
  CHECK(sim.elapsed() == 10ms);
}

TEST_CASE("gather throws only after all of its elements have ended") {
  int alive = 0;
  int alive_when_caught = -1;
  const ag::tool cleans{"cleans", [&](int ms) -> ag::task<> {
    in_flight here(alive);
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::shielded(ag::sleep_for(std::chrono::milliseconds{ms}));
  }};
  ag::testing::simulation sim{1};
  auto body = [&]() -> ag::task<> {
    try {
      co_await ag::gather(cleans(5), fails(10), cleans(50));
    } catch (const std::runtime_error&) {
      alive_when_caught = alive;
    }
  };
  sim.run(body());
  CHECK(alive_when_caught == 0);
  CHECK(sim.elapsed() == 60ms);
}

// A slot is handed over before the failure is seen, so that one call more begins.
TEST_CASE("a failure in a gather keeps queued calls but the next from starting") {
  int started = 0;
  const ag::tool counts{"counts", [&](int) -> ag::task<> {
    ++started;
    co_await ag::sleep_for(1ms);
    throw std::runtime_error("failed");
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(counts(1), counts(2), counts(3), counts(4)); };
  CHECK_THROWS_AS(ag::run(body(), {.max_concurrency = 1}), std::runtime_error);
  CHECK(started == 2);
}

TEST_CASE("a failure that comes while elements are started is thrown") {
  const ag::tool immediate{"immediate", [](int x) {
    if (x == 1) throw std::runtime_error("at once");
    return x;
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(std::views::iota(0, 100) | std::views::transform(immediate)); };
  CHECK_THROWS_WITH(ag::run(body()), "at once");
}

TEST_CASE("a run goes on after a gather that failed") {
  auto body = []() -> ag::task<int> {
    auto r = co_await ag::as_result(ag::gather(after(1000), fails(10)));
    co_return r ? 0 : co_await after(5);
  };
  CHECK(ag::testing::simulation(1).run(body()) == 5);
}

TEST_CASE("an element that ends by a cancelled of its own fails the gather with it") {
  auto throws = []() -> ag::task<> {
    co_await ag::sleep_for(1ms);
    throw ag::cancelled("my own");
  };
  auto body = [&]() -> ag::task<> { co_await ag::gather(throws(), after(5)); };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), "my own");
}

// --- many

TEST_CASE("results stand in the order of the range, whoever ends at once") {
  // None, the first, the last, or every seventh lets others go on first.
  for (const auto pauses : {+[](int) { return false; }, +[](int i) { return i == 0; }, +[](int i) { return i == 999; },
           +[](int i) { return i % 7 == 3; }, +[](int) { return true; }}) {
    const ag::tool work{"work", [pauses](int i) -> ag::task<std::unique_ptr<int>> {
      if (pauses(i)) co_await ag::sleep_for(0ns);
      co_return std::make_unique<int>(i);
    }};
    auto body = [&]() -> ag::task<> {
      auto calls = std::views::iota(0, 1000) | std::views::transform(work);
      const auto all = co_await ag::gather(calls);
      REQUIRE(all.size() == 1000);
      for (int i = 0; i < 1000; ++i) CHECK(*all[static_cast<std::size_t>(i)] == i);
      auto again = std::views::iota(0, 1000) | std::views::transform(work);
      const auto results = co_await ag::gather_results(again);
      REQUIRE(results.size() == 1000);
      for (int i = 0; i < 1000; ++i) CHECK(*results[static_cast<std::size_t>(i)].value() == i);
    };
    for (const int cap : {1, 4, 1000}) ag::run(body(), {.max_concurrency = cap});
  }
}

namespace {
/// Throws when it is moved for the second time.
struct throws_when_moved_on {
  explicit throws_when_moved_on(int v) : value(v) {}
  throws_when_moved_on(throws_when_moved_on&& o) : value(o.value), moves(o.moves + 1) {
    if (moves == 2) throw std::runtime_error("moved twice");
  }
  throws_when_moved_on& operator=(throws_when_moved_on&&) = default;
  int value;
  int moves = 0;
};
}  // namespace

TEST_CASE("what a result throws when it is moved reaches who gathers") {
  const ag::tool work{"work", [](int i) -> ag::task<throws_when_moved_on> { co_return throws_when_moved_on(i); }};
  auto body = [&]() -> ag::task<> {
    auto calls = std::views::iota(0, 3) | std::views::transform(work);
    co_await ag::gather(calls);
  };
  CHECK_THROWS_WITH(ag::run(body()), "moved twice");
}

TEST_CASE("a gather of many lets others have their turn meanwhile") {
  std::vector<int> order;
  const ag::tool note{"note", [&](int who, int) -> ag::task<> {
    order.push_back(who);
    co_return;
  }};
  auto many = [&](int who) -> ag::task<> {
    const auto one = [&](int i) { return note(who, i); };
    auto calls = std::views::iota(0, 1000) | std::views::transform(one);
    co_await ag::gather(calls);
  };
  auto body = [&]() -> ag::task<> { co_await ag::gather(many(1), many(2)); };
  ag::run(body());
  REQUIRE(order.size() == 2000);
  CHECK(std::ranges::find(order, 2) - order.begin() < 500);
}

TEST_CASE("of a gather that is cancelled when some have started, the others are skipped") {
  int bodies = 0;
  const ag::tool counted{"counted", [&](int) -> ag::task<> {
    ++bodies;
    co_return;
  }};
  auto many = [&]() -> ag::task<> {
    auto calls = std::views::iota(0, 1000) | std::views::transform(counted);
    co_await ag::gather(calls);
  };
  auto fails_soon = []() -> ag::task<> {
    co_await ag::sleep_for(0ns);
    throw std::runtime_error("soon");
  };
  auto body = [&]() -> ag::task<> { co_await ag::gather(many(), fails_soon()); };
  const auto result = ag::try_run(body());
  CHECK_THROWS_WITH(result.value(), "soon");
  CHECK(bodies > 0);
  CHECK(bodies < 1000);
  const ag::task_graph graph = result.graph();
  CHECK(std::ranges::count(graph.nodes(), ag::node_state::done, &ag::task_graph::node_view::state) == bodies);
  CHECK(std::ranges::count(graph.nodes(), ag::node_state::skipped, &ag::task_graph::node_view::state) == 1000 - bodies);
}

TEST_CASE("a result that cannot be taken, of what had ended already, reaches who gathers") {
  ag::runtime rt;
  const ag::graph_fn makes{
      "makes", [](int x) -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(x); }};
  std::vector<ag::run_handle<std::unique_ptr<int>>> handles;
  handles.push_back(ag::start(rt, makes(1)));
  static_cast<void>(handles.front().get());
  auto body = [&]() -> ag::task<> { co_await ag::gather(std::move(handles)); };
  CHECK_THROWS_AS(ag::run(body()), ag::error);
}

namespace {
struct throws_when_armed {
  explicit throws_when_armed(int v) : value(v) {}
  throws_when_armed(throws_when_armed&& o) : value(o.value) {
    if (is_armed) throw std::runtime_error("moved");
  }
  throws_when_armed& operator=(throws_when_armed&&) = default;
  int value;
  static inline bool is_armed = false;
};
}  // namespace

TEST_CASE("what is thrown when a gather is about to start reaches who awaits it, and nothing has started") {
  int bodies = 0;
  const ag::tool takes{"takes", [&](const throws_when_armed& x) -> ag::task<int> {
    ++bodies;
    co_return x.value;
  }};
  using call = decltype(takes(throws_when_armed(1)));
  using both = decltype(ag::gather(std::declval<call>(), std::declval<call>()));
  auto body = [&]() -> ag::task<> {
    std::vector<both> pairs;
    pairs.push_back(ag::gather(takes(throws_when_armed(1)), takes(throws_when_armed(2))));
    auto all = ag::gather(std::move(pairs));
    throws_when_armed::is_armed = true;
    co_await std::move(all);
  };
  CHECK_THROWS_WITH(ag::run(body()), "moved");
  throws_when_armed::is_armed = false;
  CHECK(bodies == 0);
}
