// Depth and size of static graphs: nothing recurses with the work.

#include <aethergraph/aethergraph.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <numeric>
#include <optional>

#include "support/catch.hpp"
#include "support/sanitized.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

constexpr int million = 1'000'000;
// What is slow under sanitizers is done with less there, though with far more than any stack could hold.
constexpr int many = test::is_sanitized ? 200'000 : million;
constexpr int failing = test::is_sanitized ? 20'000 : 100'000;
constexpr int listed = 50'000;  // where each node is looked at, which costs far more than running it

const ag::tool increment{"increment", [](int x) { return x + 1; }};
const ag::tool increment_task{"increment_task", [](int x) -> ag::task<int> { co_return x + 1; }};
const ag::tool nap{"nap", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(1us);
  co_return x + 1;
}};
const ag::tool lengthen{"lengthen", [](std::string s) { return s + "a string that is kept on the heap"; }};
const ag::tool shorten{"shorten", [](std::string s) {
  s.resize(10);
  return s;
}};
const ag::tool add{"add", [](int a, int b) { return (a + b) % 1'000'003; }};
const ag::tool sum{"sum", [](const std::vector<int>& all) { return std::accumulate(all.begin(), all.end(), 0L); }};
const ag::tool fail{"fail", [](int) -> int { throw std::runtime_error("on purpose"); }};
const ag::tool hang{"hang", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(1h);
  co_return x;
}};
const ag::tool count_up{"count_up", [](int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}};

template <class Tool>
ag::node<int> chain(const Tool& t, ag::node<int> x, int length) {
  for (int i = 0; i < length; ++i) x = t(x);
  return x;
}
template <class Tool>
ag::node<long> fan(const Tool& t, ag::node<int> x, int width) {
  std::vector<ag::node<int>> all;
  all.reserve(static_cast<std::size_t>(width));
  for (int i = 0; i < width; ++i) all.push_back(t(x));
  return sum(all);
}

const ag::graphify plain_chain{"plain_chain", [](int n, ag::node<int> x) { return chain(increment, x, n); }};
const ag::graphify task_chain{"task_chain", [](int n, ag::node<int> x) { return chain(increment_task, x, n); }};
const ag::graphify napping_chain{"napping_chain", [](int n, ag::node<int> x) { return chain(nap, x, n); }};
const ag::graphify chain_of_strings{"chain_of_strings", [](int n, ag::node<std::string> x) {
  for (int i = 0; i < n; ++i) x = shorten(lengthen(x));
  return x;
}};
const ag::graphify plain_fan{"plain_fan", [](int n, ag::node<int> x) { return fan(increment, x, n); }};
const ag::graphify task_fan{"task_fan", [](int n, ag::node<int> x) { return fan(increment_task, x, n); }};
const ag::graphify napping_fan{"napping_fan", [](int n, ag::node<int> x) { return fan(nap, x, n); }};
const ag::graphify grid{"grid", [](int side, ag::node<int> x) {
  std::vector<ag::node<int>> row(static_cast<std::size_t>(side), x);
  for (int i = 0; i < side; ++i)
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = add(row[j], j > 0 ? row[j - 1] : x);
  return row.back();
}};
/// A binary tree with so many leaves.
const ag::graphify tree{"tree", [](int leaves, ag::node<int> x) {
  std::vector<ag::node<int>> level;
  for (int i = 0; i < leaves; ++i) level.push_back(increment(x));
  while (level.size() > 1) {
    std::vector<ag::node<int>> next;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) next.push_back(add(level[i], level[i + 1]));
    if (level.size() % 2 == 1) next.push_back(level.back());
    level = std::move(next);
  }
  return level.front();
}};
const ag::graphify mapped{"mapped", [](ag::node<int> n) { return sum(ag::map(increment, count_up(n))); }};
const ag::graphify mapped_tasks{
    "mapped_tasks", [](ag::node<int> n) { return sum(ag::map(increment_task, count_up(n))); }};
const ag::graphify mapped_naps{"mapped_naps", [](ag::node<int> n) { return sum(ag::map(nap, count_up(n))); }};
const ag::graphify failing_chain{"failing_chain", [](int n, ag::node<int> x) { return chain(increment, fail(x), n); }};
const ag::graphify failing_fan{"failing_fan", [](int n, ag::node<int> x) { return fan(fail, x, n); }};
const ag::graphify conditional_chain{"conditional_chain", [](int n, ag::node<bool> is_wanted, ag::node<int> x) {
  return ag::value_or(chain(increment, ag::when(is_wanted, increment(x)), n), -1);
}};
const ag::graphify hanging_chain{"hanging_chain", [](int n, ag::node<int> x) { return chain(increment, hang(x), n); }};
const ag::graphify hanging_fan{"hanging_fan", [](int n, ag::node<int> x) { return fan(hang, x, n); }};

/// A sub-graph in a sub-graph, and so on.
extern const ag::graphify<ag::node<int> (*)(int, ag::node<int>)> levels;
ag::node<int> next_level(int depth, ag::node<int> x) {
  return depth == 0 ? increment(x) : levels(depth - 1, increment(x));
}
const ag::graphify<ag::node<int> (*)(int, ag::node<int>)> levels{"levels", &next_level};

std::size_t count(const ag::task_graph& g, ag::node_state s) {
  return static_cast<std::size_t>(std::ranges::count(g.nodes(), s, &ag::task_graph::node_view::state));
}

}  // namespace

TEST_CASE("a chain of a million nodes") {
  CHECK(ag::run(plain_chain(million, 0)) == million);
  CHECK(ag::run(task_chain(many, 0)) == many);
}

TEST_CASE("a chain of 100,000 nodes that suspend") { CHECK(ag::run(napping_chain(100'000, 0)) == 100'000); }

TEST_CASE("a chain of strings holds a few of them at a time, and is torn down") {
  CHECK(ag::run(chain_of_strings(many / 2, std::string("0123456789"))) == "0123456789");
}

TEST_CASE("a million nodes that read one, and are read by one") {
  CHECK(ag::run(plain_fan(million, 1)) == 2L * million);
  CHECK(ag::run(task_fan(many, 1)) == 2L * many);
}

TEST_CASE("100,000 nodes that suspend beside one another, under caps from 1 to more than there are") {
  const auto g = napping_fan.build(100'000);
  ag::testing::simulation sim(1);
  for (const int cap : {1, 100, 200'000}) {
    const auto r = sim.try_run(g(1), {.max_concurrency = cap});
    CHECK(r.value() == 200'000);
    CHECK(r.peak_concurrency() == static_cast<std::size_t>(std::min(cap, 100'000)));
  }
}

TEST_CASE("a grid of 316 x 316, and a binary tree with a million leaves") {
  const auto g = grid.build(316);
  const int once = ag::run(g(1));
  CHECK(ag::run(g(1), {.max_concurrency = 1}) == once);
  CHECK(ag::run(tree(1 << 10, 1)) == (2 << 10));
  CHECK(ag::run(tree(many, 0)) == many % 1'000'003);
}

TEST_CASE("a map over a million elements") {
  CHECK(ag::run(mapped(million)) == 1L * million * (million + 1) / 2);
  CHECK(ag::run(mapped_tasks(many)) == 1L * many * (many + 1) / 2);
  CHECK(ag::run(mapped_naps(100'000), {.max_concurrency = 1000}) == 100'000L * 100'001 / 2);
}

TEST_CASE("a failure skips a million nodes that depend on it") {
  for (const auto policy : {ag::on_error::skip_dependents, ag::on_error::stop}) {
    const auto r = ag::try_run(failing_chain(many, 1), {.on_error = policy});
    CHECK(!r.ok());
    CHECK(r.failures().size() == 1);

    const ag::task_graph g = ag::try_run(failing_chain(listed, 1), {.on_error = policy}).graph();
    CHECK(count(g, ag::node_state::failed) == 1);
    CHECK(count(g, ag::node_state::skipped) == std::size_t{listed});
  }
}

TEST_CASE("a false condition skips a million nodes") {
  const auto g = conditional_chain.build(million);
  CHECK(ag::run(g(false, 1)) == -1);
  CHECK(ag::run(g(true, 1)) == million + 2);
}

TEST_CASE("very many failures are all named") {
  const auto r = ag::try_run(failing_fan(failing, 1), {.on_error = ag::on_error::skip_dependents});
  try {
    std::rethrow_exception(r.error());
  } catch (const ag::graph_error& e) {
    CHECK(e.failures().size() == failing);
  }
}

TEST_CASE("a graph of a million waiting nodes is cancelled") {
  ag::testing::simulation sim(1);
  CHECK_THROWS_AS(sim.run(hanging_chain(many, 1), {.deadline = 1ms}), ag::timed_out);
  CHECK_THROWS_AS(sim.run(hanging_fan(many, 1), {.max_concurrency = 1000, .deadline = 1ms}), ag::timed_out);

  const auto chained = sim.try_run(hanging_chain(listed, 1), {.deadline = 1ms});
  CHECK(count(chained.graph(), ag::node_state::cancelled) == 1);
  CHECK(count(chained.graph(), ag::node_state::skipped) == std::size_t{listed});
  const auto beside = sim.try_run(hanging_fan(listed, 1), {.max_concurrency = 1000, .deadline = 1ms});
  CHECK(count(beside.graph(), ag::node_state::cancelled) == 1000);
  CHECK(count(beside.graph(), ag::node_state::skipped) == std::size_t{listed} - 1000 + 1);
}

TEST_CASE("a graph of a million waiting nodes is torn down") {
  const auto g = hanging_fan.build(many);
  boost::asio::io_context io;
  ag::run_async(
      io.get_executor(), g(1), {.max_concurrency = 10'000}, [](std::exception_ptr, long) { FAIL("it was called"); });
  io.poll();
}

// Tracing nests with the sub-graphs, as the calls of their bodies do: 1,000 levels need less than 1.5 MB of stack at
// -O0 with AddressSanitizer. Each level copies those inside it, so that time goes with the square.
TEST_CASE("sub-graphs nested 1,000 deep") {
  const auto g = levels.build(1000);
  CHECK(ag::run(g(0)) == 1001);
  CHECK(g.spec().nodes().size() == 1001);
}
