#include "aethergraph/map.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::tool plus{"plus", [](int a, int b) { return a + b; }};
const ag::tool total{"total", [](std::vector<int> xs) { return std::accumulate(xs.begin(), xs.end(), 0); }};
/// The later ones are quicker.
const ag::tool sleeps{"sleeps", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{100 - x});
  co_return x;
}};
const ag::tool fails_from{"work", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{x});
  if (x >= 17) throw std::runtime_error("at " + std::to_string(x));
  co_return x;
}};

template <class Body>
auto built(Body body) {
  return ag::graphify{"g", std::move(body)}.build();
}

std::vector<int> numbers(int n) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

std::vector<std::string> failed_nodes(const std::exception_ptr& e) {
  std::vector<std::string> all;
  try {
    std::rethrow_exception(e);
  } catch (const ag::graph_error& g) {
    for (const auto& f : g.failures()) all.push_back(f.node);
  }
  return all;
}

/// Counts the values, and so the calls, that exist.
struct counted {
  static inline int alive = 0;
  static inline int most = 0;
  counted(int v) : value(v) { come(); }  // NOLINT(google-explicit-constructor): from an element
  counted(const counted& o) : value(o.value) { come(); }
  counted& operator=(const counted&) = default;
  ~counted() { --alive; }
  int value;

 private:
  static void come() { most = std::max(most, ++alive); }
};

}  // namespace

TEST_CASE("the results of a map stand in the order of the range, whichever ended first") {
  const auto graph = built([](ag::node<std::vector<int>> v) { return ag::map(sleeps, v); });
  CHECK(ag::testing::simulation(1).run(graph(numbers(50)), {.max_concurrency = 7}) == numbers(50));
}

TEST_CASE("the width of a map is that of the value at each run") {
  const auto graph = built([](ag::node<std::vector<int>> v) { return total(ag::map(work, v)); });
  CHECK(ag::run(graph({1, 2, 3})) == 12);
  CHECK(ag::run(graph({4})) == 8);
  CHECK(graph.spec().nodes().size() == 2);
  CHECK(graph.spec().nodes()[0].kind == ag::node_kind::map);
}

TEST_CASE("a map of an empty range gives nothing, and is done") {
  const auto graph = built([](ag::node<std::vector<int>> v) { return ag::map(work, v); });
  auto r = ag::try_run(graph({}));
  CHECK(r.value().empty());
  CHECK(r.graph().nodes().at(0).state == ag::node_state::done);
}

TEST_CASE("maps follow one another") {
  const auto graph = built([](ag::node<std::vector<int>> v) { return total(ag::map(work, ag::map(work, v))); });
  CHECK(ag::run(graph({1, 2})) == 12);
}

TEST_CASE("a tool of every kind is mapped") {
  const ag::tool plain{"plain", [](int x) { return x + 1; }};
  const ag::tool with_context{"with_context", [](ag::context&, const int& x) { return x + 2; }};
  const ag::tool asio_tool{"asio_tool", [](int x) -> boost::asio::awaitable<int> { co_return x + 3; }};
  const auto graph = built([&](ag::node<std::vector<int>> v) {
    return std::tuple{ag::map(plain, v), ag::map(with_context, v), ag::map(asio_tool, v)};
  });
  CHECK(ag::run(graph({1, 2})) == std::tuple{std::vector{2, 3}, std::vector{3, 4}, std::vector{4, 5}});
}

TEST_CASE("an element of a map is converted to the parameter") {
  const ag::tool halves{"halves", [](double x) { return x / 2; }};
  CHECK(ag::run(built([&](ag::node<std::vector<int>> v) { return ag::map(halves, v); })({1, 2})) ==
        std::vector<double>{0.5, 1});
}

TEST_CASE("ranges of other kinds are mapped: array, set, map, string, vector of bool") {
  const ag::tool same{"same", [](int x) { return x; }};
  const ag::tool second{"second", [](std::pair<const int, std::string> p) { return p.second; }};
  const ag::tool up{"up", [](char c) { return static_cast<char>(c + 1); }};
  const ag::tool no{"no", [](bool b) { return !b; }};
  CHECK(ag::run(built([&](ag::node<std::array<int, 2>> v) { return ag::map(same, v); })({3, 4})) == std::vector{3, 4});
  CHECK(ag::run(built([&](ag::node<std::set<int>> v) { return ag::map(same, v); })({4, 3})) == std::vector{3, 4});
  CHECK(ag::run(built([&](ag::node<std::map<int, std::string>> v) { return ag::map(second, v); })(
            {{2, "b"}, {1, "a"}})) == std::vector<std::string>{"a", "b"});
  CHECK(ag::run(built([&](ag::node<std::string> v) { return ag::map(up, v); })("ab")) == std::vector{'b', 'c'});
  CHECK(ag::run(built([&](ag::node<std::vector<bool>> v) { return ag::map(no, v); })({true, false})) ==
        std::vector<bool>{false, true});
}

TEST_CASE("a map of void gives void, after all") {
  int sum = 0;
  const ag::tool adds{"adds", [&sum](int x) -> ag::task<> {
    co_await ag::sleep_for(1ms);
    sum += x;
  }};
  const auto graph = built([&](ag::node<std::vector<int>> v) {
    auto all = ag::map(adds, v);
    static_assert(std::is_same_v<decltype(all), ag::node<void>>);
    return plus(1, 2).after(all);
  });
  CHECK(ag::testing::simulation(1).run(graph({1, 2, 3, 4, 5, 6})) == 3);
  CHECK(sum == 21);
}

TEST_CASE("move-only elements are moved into their calls") {
  using owned = std::vector<std::unique_ptr<int>>;
  const ag::tool make{"make", [](int n) {
    owned all;
    for (int i = 0; i < n; ++i) all.push_back(std::make_unique<int>(i));
    return all;
  }};
  const ag::tool opens{"opens", [](std::unique_ptr<int> p) { return *p; }};
  const ag::tool wraps{"wraps", [](int x) -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(x); }};
  CHECK(ag::run(built([&] { return ag::map(opens, make(4)); })()) == numbers(4));
  CHECK(ag::run(built([&](ag::node<std::vector<int>> v) { return ag::map(opens, ag::map(wraps, v)); })(numbers(5))) ==
        numbers(5));
}

TEST_CASE("results that are not default-constructible are gathered") {
  struct rigid {
    explicit rigid(int v) : value(v) {}
    int value;
  };
  const ag::tool make{"make", [](int x) { return rigid(x); }};
  const auto all = ag::run(built([&](ag::node<std::vector<int>> v) { return ag::map(make, v); })({1, 2}));
  REQUIRE(all.size() == 2);
  CHECK(all[1].value == 2);
}

TEST_CASE("a range with another reader is not changed by the map") {
  const ag::tool takes{"takes", [](std::string s) { return s.size(); }};
  const ag::tool joins{"joins", [](std::vector<std::string> v) { return v.at(0) + v.at(1); }};
  const std::string a(100, 'a');
  const std::string b(100, 'b');
  const auto graph = built([&](ag::node<std::vector<std::string>> v) {
    auto sizes = ag::map(takes, v);
    return std::tuple{sizes, joins(v).after(sizes)};
  });
  const auto r = ag::run(graph({a, b}));
  CHECK(std::get<0>(r) == std::vector<std::size_t>{100, 100});
  CHECK(std::get<1>(r) == a + b);
}

TEST_CASE("agents are mapped: nested runs, as many at a time as the run has slots") {
  int in_flight = 0;
  int most = 0;
  const ag::graph_fn agent{"agent", [&](int x) -> ag::task<int> {
    most = std::max(most, ++in_flight);
    co_await ag::sleep_for(1ms);
    const int y = co_await work(x);
    --in_flight;
    co_return y;
  }};
  const auto graph = built([&](ag::node<std::vector<int>> v) { return total(ag::map(agent, v)); });
  CHECK(ag::testing::simulation(1).run(graph(numbers(20)), {.max_concurrency = 3}) == 380);
  CHECK(most == 3);
}

// --- the window

TEST_CASE("no more element calls exist at a time than the run has slots") {
  for (const int cap : {1, 3, 8}) {
    counted::alive = counted::most = 0;
    const ag::tool takes{"takes", [](const counted& c) -> ag::task<int> {
      co_await ag::sleep_for(std::chrono::milliseconds{c.value % 7});
      co_return c.value;
    }};
    const auto graph = built([&](ag::node<std::vector<int>> v) { return ag::map(takes, v); });
    auto r = ag::testing::simulation(1).try_run(graph(numbers(100)), {.max_concurrency = cap});
    CHECK(r.value() == numbers(100));
    CHECK(counted::most <= cap + 1);  // and the one that is on its way into a call
    CHECK(counted::most >= cap);
    CHECK(counted::alive == 0);
    CHECK(r.peak_concurrency() == static_cast<std::size_t>(cap));
  }
}

TEST_CASE("a range of a million ints is mapped with four calls at a time") {
  int in_flight = 0;
  int most = 0;
  const ag::tool counts{"counts", [&](int x) -> ag::task<int> {
    most = std::max(most, ++in_flight);
    if (x % 100'000 == 0) co_await ag::sleep_for(0s);
    --in_flight;
    co_return x;
  }};
  const ag::tool sums{"sums", [](const std::vector<int>& v) { return std::accumulate(v.begin(), v.end(), 0LL); }};
  const auto graph = built([&](ag::node<std::vector<int>> v) { return sums(ag::map(counts, v)); });
  auto r = ag::try_run(graph(numbers(1'000'000)), {.max_concurrency = 4, .record = false});
  CHECK(r.value() == 499'999'500'000LL);
  CHECK(most <= 4);
  CHECK(r.peak_concurrency() <= 4);
}

TEST_CASE("a map shares the slots with what runs beside it") {
  int in_flight = 0;
  int most = 0;
  const ag::tool busy{"busy", [&](int x) -> ag::task<int> {
    most = std::max(most, ++in_flight);
    co_await ag::sleep_for(1ms);
    --in_flight;
    co_return x;
  }};
  const auto graph = built(
      [&](ag::node<std::vector<int>> v) { return std::tuple{ag::map(busy, v), ag::map(busy, v), busy(1), busy(2)}; });
  auto r = ag::testing::simulation(3).try_run(graph(numbers(30)), {.max_concurrency = 5});
  CHECK(std::get<0>(r.value()) == numbers(30));
  CHECK(std::get<1>(r.value()) == numbers(30));
  CHECK(most == 5);
  CHECK(r.peak_concurrency() == 5);
}

// --- failures

TEST_CASE("a failure stops a map, and is named by its position") {
  auto r = ag::testing::simulation(1).try_run(
      built([](ag::node<std::vector<int>> v) { return total(ag::map(fails_from, v)); })(numbers(100)),
      {.max_concurrency = 1});
  REQUIRE_FALSE(r.ok());
  CHECK_THROWS_WITH(r.value(), "graph 'g' failed: work#1[17]: at 17");
  CHECK(failed_nodes(r.error()) == std::vector<std::string>{"work#1[17]"});
  CHECK(r.graph().find("work#1")->state == ag::node_state::failed);
  CHECK(r.graph().find("total#2")->state == ag::node_state::skipped);
  REQUIRE(r.failures().size() == 1);
  CHECK(r.failures()[0].node == "work#1[17]");
  CHECK(r.failures()[0].tool == "work");
}

TEST_CASE("a failure in a map starts no further element, and cancels those that run") {
  int started = 0;
  int ended = 0;
  const ag::tool fails_third{"fails_third", [&](int x) -> ag::task<int> {
    ++started;
    co_await ag::sleep_for(std::chrono::milliseconds{x == 2 ? 1 : 1000});
    if (x == 2) throw std::runtime_error("third");
    ++ended;
    co_return x;
  }};
  ag::testing::simulation sim(1);
  auto r = sim.try_run(built([&](ag::node<std::vector<int>> v) { return ag::map(fails_third, v); })(numbers(100)),
      {.max_concurrency = 4});
  CHECK_THROWS_WITH(r.value(), "graph 'g' failed: fails_third#1[2]: third");
  CHECK(started == 4);
  CHECK(ended == 0);
  CHECK(sim.elapsed() == 1ms);
}

TEST_CASE("with skip_dependents the other elements of a map go on, and every failure is named") {
  int ended = 0;
  const ag::tool odd{"odd", [&](int x) -> ag::task<int> {
    co_await ag::sleep_for(1ms);
    if (x % 2 == 0) throw std::runtime_error(std::to_string(x));
    ++ended;
    co_return x;
  }};
  auto r = ag::testing::simulation(1).try_run(
      built([&](ag::node<std::vector<int>> v) { return std::tuple{total(ag::map(odd, v)), work(1)}; })(numbers(6)),
      {.max_concurrency = 1, .on_error = ag::on_error::skip_dependents});
  CHECK(failed_nodes(r.error()) == std::vector<std::string>{"odd#1[0]", "odd#1[2]", "odd#1[4]"});
  CHECK(ended == 3);
  CHECK(r.graph().find("work#3")->state == ag::node_state::done);
  CHECK(r.graph().find("total#2")->state == ag::node_state::skipped);
  CHECK(r.graph().find("odd#1")->state == ag::node_state::failed);
}

TEST_CASE("a map is named by its elements only, whatever else fails meanwhile") {
  const ag::tool fails{"fails", [](int ms) -> ag::task<int> {
    co_await ag::sleep_for(std::chrono::milliseconds{ms});
    throw std::runtime_error("beside");
  }};
  const ag::tool first_fails{"first_fails", [](int x) -> ag::task<int> {
    co_await ag::sleep_for(std::chrono::milliseconds{x == 0 ? 1 : 10});
    if (x == 0) throw std::runtime_error("first");
    co_return x;
  }};
  auto r = ag::testing::simulation(1).try_run(
      built([&](ag::node<std::vector<int>> v) { return std::tuple{ag::map(first_fails, v), fails(5)}; })(numbers(3)),
      {.on_error = ag::on_error::skip_dependents});
  CHECK(failed_nodes(r.error()) == std::vector<std::string>{"first_fails#1[0]", "fails#2"});
}

TEST_CASE("elements that fail at once are named, under both policies") {
  const ag::tool fails{"fails", [](int x) -> int { throw std::runtime_error(std::to_string(x)); }};
  const auto graph = built([&](ag::node<std::vector<int>> v) { return ag::map(fails, v); });
  auto stop = ag::try_run(graph(numbers(5)));
  CHECK(failed_nodes(stop.error()) == std::vector<std::string>{"fails#1[0]"});
  auto skip = ag::try_run(graph(numbers(3)), {.on_error = ag::on_error::skip_dependents});
  CHECK(failed_nodes(skip.error()) == std::vector<std::string>{"fails#1[0]", "fails#1[1]", "fails#1[2]"});
}

TEST_CASE("a failure in a mapped agent is named by its position") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> {
    if (x == 3) throw std::runtime_error("third");
    co_return co_await work(x);
  }};
  auto r = ag::try_run(built([&](ag::node<std::vector<int>> v) { return ag::map(agent, v); })(numbers(5)));
  CHECK_THROWS_WITH(r.value(), "graph 'g' failed: agent#1[3]: third");
}

TEST_CASE("a map in a sub-graph is named with the prefix") {
  const ag::graphify sub{"sub", [](ag::node<std::vector<int>> v) { return total(ag::map(fails_from, v)); }};
  auto r = ag::testing::simulation(1).try_run(
      built([&](ag::node<std::vector<int>> v) { return plus(sub(v), 1); })(numbers(20)), {.max_concurrency = 1});
  CHECK_THROWS_WITH(r.value(), "graph 'g' failed: sub#1/work#1[17]: at 17");
}

TEST_CASE("an element whose copy throws is a failure of that element") {
  struct no_copy {
    explicit no_copy(bool t) : throws(t) {}
    no_copy(const no_copy& o) : throws(o.throws) {
      if (throws) throw std::runtime_error("no copy");
    }
    no_copy(no_copy&&) noexcept = default;
    bool throws;
  };
  const ag::tool makes{"makes", [](int n) {
    std::vector<no_copy> all;
    all.reserve(static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i) all.emplace_back(i == 1);
    return all;
  }};
  const ag::tool takes{"takes", [](no_copy) { return 1; }};
  const ag::tool size{"size", [](const std::vector<no_copy>& v) { return static_cast<int>(v.size()); }};
  auto r = ag::try_run(built([&] {
    const ag::node<std::vector<no_copy>> v = makes(3);
    auto all = ag::map(takes, v);
    return std::tuple{all, size(v).after(all)};  // a second reader, so that elements are copied
  })());
  CHECK_THROWS_WITH(r.value(), "graph 'g' failed: takes#2[1]: no copy");
}

TEST_CASE("the body of an element sees the id that it has in the graph of the run") {
  std::vector<std::string> seen;
  const ag::tool sees{"sees", [&](ag::context& ctx, int) { seen.push_back(ctx.id()); }};
  auto r = ag::try_run(
      built([&](ag::node<std::vector<int>> v) { return ag::map(sees, v); })({7, 8}), {.max_concurrency = 1});
  REQUIRE(seen.size() == 2);
  CHECK(seen[0] != seen[1]);
  for (const std::string& id : seen) {
    REQUIRE(r.graph().find(id));
    CHECK(r.graph().find(id)->parent == "sees#1");
  }
}

TEST_CASE("the elements of a map stand below it, each with an id of its own") {
  auto r = ag::try_run(built([](ag::node<std::vector<int>> v) { return total(ag::map(work, v)); })({1, 2, 3}));
  const auto g = r.graph();
  std::set<std::string> ids;
  int below = 0;
  for (const auto& n : g.nodes()) {
    CHECK(ids.insert(n.id).second);
    below += n.parent == "work#1";
  }
  CHECK(below == 3);
}

TEST_CASE("a deadline ends a map midway, with nothing left running") {
  int started = 0;
  int in_flight = 0;
  const ag::tool waits{"waits", [&](int) -> ag::task<int> {
    struct leave {
      int& n;
      ~leave() { --n; }
    } guard{++in_flight};
    ++started;
    co_await ag::sleep_for(10ms);
    co_return 1;
  }};
  ag::testing::simulation sim(1);
  auto r = sim.try_run(built([&](ag::node<std::vector<int>> v) { return total(ag::map(waits, v)); })(numbers(1000)),
      {.max_concurrency = 4, .deadline = 35ms});
  CHECK_THROWS_AS(r.value(), ag::timed_out);
  CHECK(started == 16);
  CHECK(in_flight == 0);
  CHECK(r.graph().find("waits#1")->state == ag::node_state::cancelled);
  CHECK(r.graph().find("total#2")->state == ag::node_state::skipped);
  CHECK(r.failures().empty());
}

TEST_CASE("a long map of calls that end at once is reached by a deadline") {
  int started = 0;
  const ag::tool quick{"quick", [&](int) { ++started; }};
  auto r = ag::try_run(built([&](ag::node<std::vector<int>> v) { return ag::map(quick, v); })(numbers(10'000'000)),
      {.deadline = 5ms, .record = false});
  CHECK_THROWS_AS(r.value(), ag::timed_out);
  CHECK(started < 10'000'000);
}

TEST_CASE("a map of nodes outside of tracing is refused") {
  ag::node<std::vector<int>> kept;
  static_cast<void>(built([&](ag::node<std::vector<int>> v) {
    kept = v;
    return v;
  }));
  CHECK_THROWS_WITH(ag::map(work, kept),
      "'ag::map' was called with a node while no graph was traced; nodes are nothing "
      "outside the body of a graphify");
}
