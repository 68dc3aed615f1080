#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>
#include <algorithm>
#include <numeric>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

int bodies = 0;

const ag::tool square{"square", [](int x) {
  ++bodies;
  return x * x;
}};
const ag::tool slow{"slow", [](int x) -> ag::task<int> {
  ++bodies;
  co_await ag::sleep_for(std::chrono::microseconds(100 * x));
  co_return x;
}};
const ag::tool broken{"broken", [](int x) -> int {
  ++bodies;
  throw std::out_of_range("no " + std::to_string(x));
}};
const ag::tool outer{"outer", [](int x) -> ag::task<int> {
  ++bodies;
  const int a = co_await square(x);
  const int b = co_await slow(a);
  co_return a + b;
}};

const ag::graph_fn summing{"summing", [](int n) -> ag::task<int> {
  int sum = 0;
  for (int i = 1; i <= n; ++i) sum += co_await square(i);
  co_return sum;
}};

const ag::graph_fn in_order_of_ends{"in_order_of_ends", [](std::vector<int> xs) -> ag::task<std::vector<int>> {
  std::vector<int> ends;
  co_await ag::as_completed(xs | std::views::transform(slow), [&](int x) { ends.push_back(x); });
  const int sum = co_await square(static_cast<int>(ends.size()));
  ends.push_back(sum);
  co_return ends;
}};

const ag::graph_fn nesting{"nesting", [](int n) -> ag::task<int> {
  const auto [a, b, c] = co_await ag::gather(outer(n), summing(n), outer(n + 1));
  co_return a + b + c;
}};

ag::run_options durable(ag::run_store& store, std::string_view id = "a") { return {.store = &store, .run_id = id}; }

/// Runs until it is done, letting the store fail after so many writes each time: what was written stays. How often it
/// was interrupted.
template <class Make, class R>
int run_in_pieces(ag::memory_store& store, std::uint64_t piece, Make make, R& result, ag::run_options options) {
  for (int interruptions = 0; interruptions < 10'000; ++interruptions) {
    store.fail_after(piece);
    try {
      result = ag::run(make(), options);
      return interruptions;
    } catch (const ag::store_error&) {
    }
  }
  throw std::runtime_error("it never ends");
}

std::string message_of(auto fn) {
  try {
    fn();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "nothing was thrown";
}

struct quota_exceeded : std::runtime_error {
  explicit quota_exceeded(const std::string& s) : std::runtime_error(s) {}
};
struct unknown_failure : std::runtime_error {
  explicit unknown_failure(const std::string& s) : std::runtime_error(s) {}
};
const ag::recorded_failure<quota_exceeded> quota{"quota_exceeded"};

}  // namespace

TEST_CASE("a durable run gives what any other gives") {
  ag::memory_store store;
  CHECK(ag::run(summing(10), durable(store)) == 385);
  CHECK(store.find("a")->status == ag::run_status::done);
  CHECK(store.find("a")->outcome == "385");
  CHECK(store.find("a")->arguments == "[10]");
  const std::vector<ag::fact> facts = store.facts("a");
  REQUIRE(facts.size() == 10);
  CHECK(facts[2].name == "square");
  CHECK(facts[2].path == "2");
  CHECK(facts[2].arguments == "[3]");
  CHECK(facts[2].value == "9");
  CHECK(facts[2].state == ag::node_state::done);
}

TEST_CASE("the id of a finished run gives its recorded result, and runs nothing") {
  ag::memory_store store;
  const int first = ag::run(summing(10), durable(store));
  bodies = 0;
  CHECK(ag::run(summing(10), durable(store)) == first);
  CHECK(bodies == 0);
}

TEST_CASE("the id of a failed run throws its recorded failure") {
  ag::memory_store store;
  const ag::graph_fn failing{"failing", []() -> ag::task<int> { co_return co_await broken(7); }};
  CHECK_THROWS_AS(ag::run(failing(), durable(store)), std::out_of_range);
  bodies = 0;
  CHECK_THROWS_AS(ag::run(failing(), durable(store)), std::out_of_range);
  CHECK(bodies == 0);
  CHECK(store.find("a")->status == ag::run_status::failed);
}

TEST_CASE("a run that was interrupted anywhere goes on where it was") {
  for (std::uint64_t piece = 1; piece <= 12; ++piece) {
    CAPTURE(piece);
    ag::memory_store store;
    bodies = 0;
    int sum = 0;
    const int interruptions = run_in_pieces(store, piece, [] { return summing(10); }, sum, durable(store));
    CHECK(sum == 385);
    CHECK(interruptions == (11 - 1) / static_cast<int>(piece));
    CHECK(bodies <= 10 + interruptions);  // each repeats the one call that was open
    CHECK(store.facts("a").size() == 10);
  }
}

TEST_CASE("calls beside each other come back in the order in which they ended") {
  for (std::uint64_t piece = 1; piece <= 8; ++piece) {
    CAPTURE(piece);
    ag::memory_store store;
    std::vector<int> ends;
    run_in_pieces(store, piece, [] { return in_order_of_ends({9, 1, 5, 3}); }, ends, durable(store));
    REQUIRE(ends.size() == 5);
    std::vector<int> recorded;
    for (const ag::fact& f : store.facts("a"))
      if (f.name == "slow") recorded.push_back(std::stoi(f.value));
    recorded.push_back(16);
    CHECK(ends == recorded);
  }
}

TEST_CASE("calls of calls, and nested runs, go on where they were") {
  for (int cap : {1, 2, 16})
    for (std::uint64_t piece = 1; piece <= 12; ++piece) {
      CAPTURE(piece, cap);
      ag::memory_store store;
      int sum = 0;
      ag::run_options options = durable(store);
      options.max_concurrency = cap;
      run_in_pieces(store, piece, [] { return nesting(3); }, sum, options);
      CHECK(sum == (9 + 9) + 14 + (16 + 16));
      // What a body did before its call had ended is recorded once, too.
      std::vector<std::string> paths;
      for (const ag::fact& f : store.facts("a")) paths.push_back(f.path);
      std::sort(paths.begin(), paths.end());
      CHECK(std::adjacent_find(paths.begin(), paths.end()) == paths.end());
    }
}

TEST_CASE("a call that had ended is not made again, though what it called is recorded, too") {
  ag::memory_store store;
  const ag::graph_fn agent{"agent", []() -> ag::task<int> {
    const int a = co_await outer(2);
    co_return a + co_await square(5);
  }};
  store.fail_after(5);  // the two inner calls, the time that slow waits, and outer itself
  int sum = 0;
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::store_error);
  store.heal();
  std::size_t recorded = 0;
  for (const ag::fact& f : store.facts("a")) recorded += f.name == "outer";
  bodies = 0;
  sum = ag::run(agent(), durable(store));
  CHECK(sum == 8 + 25);
  CHECK(recorded == 1);
  CHECK(bodies <= 1);
}

TEST_CASE("a failure comes back as its type if that is known, and as a recorded_error if not, live and replayed") {
  ag::memory_store store;
  const ag::tool known{"known", []() -> int { throw quota_exceeded("too much"); }};
  const ag::tool unknown{"unknown", []() -> int { throw unknown_failure("what is it"); }};
  std::vector<std::string> seen;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    try {
      co_await known();
    } catch (const quota_exceeded& e) {
      seen.push_back(e.what());
    }
    try {
      co_await unknown();
    } catch (const ag::recorded_error& e) {
      seen.push_back(e.type() + ": " + e.what());
    }
    co_return co_await square(2);
  }};
  store.fail_after(2);
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::store_error);
  store.heal();
  const std::vector<std::string> live = std::exchange(seen, {});
  CHECK(ag::run(agent(), durable(store)) == 4);
  REQUIRE(live.size() == 2);
  CHECK(live == seen);
  CHECK(live[0] == "too much");
  CHECK(live[1] == "(anonymous namespace)::unknown_failure: what is it");
}

TEST_CASE("attempts of a call are its own affair, and only how it ended is recorded") {
  ag::memory_store store;
  int attempts = 0;
  const ag::tool third{"third", [&](int x) -> ag::task<int> {
    if (++attempts < 3) throw std::runtime_error("not yet");
    co_return co_await square(x);
  }, {.retry = {.max_attempts = 4}}};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> { co_return co_await third(3) + co_await square(1); }};
  int sum = 0;
  run_in_pieces(store, 2, [&] { return agent(); }, sum, durable(store));
  CHECK(sum == 10);
  CHECK(store.facts("a").size() == 3);
}

TEST_CASE("a graph that was interrupted runs only what is not done") {
  const ag::graphify diamond{"diamond", [](ag::node<int> x) {
    auto a = square(x);
    auto b = outer(a);
    auto c = slow(a);
    return square(ag::tool{"add", [](int l, int r) { return l + r; }}(b, c));
  }};
  auto graph = diamond.build();
  bodies = 0;
  const int expected = ag::run(graph(2));
  const int all_bodies = bodies;
  for (std::uint64_t piece = 1; piece <= 9; ++piece) {
    CAPTURE(piece);
    ag::memory_store store;
    bodies = 0;
    int result = 0;
    const int interruptions = run_in_pieces(store, piece, [&] { return graph(2); }, result, durable(store));
    CHECK(result == expected);
    CHECK(bodies <= all_bodies + 4 * interruptions);
    const auto facts = store.facts("a");
    CHECK(std::count_if(facts.begin(), facts.end(), [](const ag::fact& f) {
      return f.kind == ag::fact_kind::call && f.path.find('/') == std::string::npos;
    }) == 5);
  }
}

TEST_CASE("a graph with a map and a nested agent goes on where it was") {
  const ag::graphify mapped{"mapped", [](ag::node<std::vector<int>> xs) {
    auto squares = ag::map(square, xs);
    auto n = ag::map(slow, squares);
    return ag::tool{"total", [](std::vector<int> v, int more) { return std::accumulate(v.begin(), v.end(), more); }}(
        n, summing(square(ag::tool{"count", [](std::vector<int> v) { return static_cast<int>(v.size()); }}(xs))));
  }};
  auto graph = mapped.build();
  const int expected = ag::run(graph({1, 2, 3}));
  for (int cap : {1, 3})
    for (std::uint64_t piece = 1; piece <= 12; piece += 1) {
      CAPTURE(piece, cap);
      ag::memory_store store;
      ag::run_options options = durable(store);
      options.max_concurrency = cap;
      int result = 0;
      run_in_pieces(store, piece, [&] { return graph({1, 2, 3}); }, result, options);
      CHECK(result == expected);
    }
}

TEST_CASE("a graph inside of an agent ends where it ended") {
  const ag::graphify two{"two", [](ag::node<int> x) { return square(slow(x)); }};
  auto graph = two.build();
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const auto [a, b] = co_await ag::gather(graph(3), outer(2));
    co_return a + b + co_await square(1);
  }};
  for (std::uint64_t piece = 1; piece <= 10; ++piece) {
    CAPTURE(piece);
    ag::memory_store store;
    int result = 0;
    run_in_pieces(store, piece, [&] { return agent(); }, result, durable(store));
    CHECK(result == 9 + 8 + 1);
  }
}

TEST_CASE("who won a race wins it again") {
  const ag::graph_fn agent{"agent", []() -> ag::task<int> {
    int sum = 0;
    for (int i = 0; i < 4; ++i) {
      const auto first = co_await ag::race(slow(1 + i % 2), ag::sleep_for(150us), slow(30));
      sum = 10 * sum + static_cast<int>(first.index());
      sum += co_await square(1);
    }
    co_return sum;
  }};
  for (std::uint64_t piece = 2; piece <= 12; ++piece) {
    CAPTURE(piece);
    ag::memory_store store;
    int result = 0;
    run_in_pieces(store, piece, [&] { return agent(); }, result, durable(store));
    int expected = 0;
    for (const ag::fact& f : store.facts("a"))
      if (f.kind == ag::fact_kind::race) expected = 10 * expected + std::stoi(f.value) + 1;
    CHECK(result == expected);
  }
}

TEST_CASE("a timeout that struck strikes again, at the same moment") {
  const ag::graph_fn agent{"agent", []() -> ag::task<int> {
    int timeouts = 0;
    for (int i = 1; i < 4; ++i) {
      const auto r = co_await ag::as_result(ag::timeout(slow(i * 20), 3ms));
      timeouts += !r.has_value();
      timeouts *= 2;
      timeouts += co_await square(1);
    }
    co_return timeouts;
  }};
  for (std::uint64_t piece = 2; piece <= 12; ++piece) {
    CAPTURE(piece);
    ag::memory_store store;
    int result = 0;
    run_in_pieces(store, piece, [&] { return agent(); }, result, durable(store));
    CHECK(ag::run(agent(), durable(store)) == result);
  }
}

TEST_CASE("semaphores and queues of the run itself need no facts") {
  const ag::graph_fn agent{"agent", []() -> ag::task<std::vector<int>> {
    ag::semaphore one(1);
    ag::queue<int> q(2);
    std::vector<int> got;
    // Tasks, not tools: the body of a call that has ended is not run again.
    const auto pushing = [](ag::semaphore& s, ag::queue<int>& to, int x) -> ag::task<> {
      const auto permit = co_await s.acquire();
      const int y = co_await slow(x);
      co_await to.push(int(y));
    };
    const auto popping = [](ag::queue<int>& from, std::vector<int>& into) -> ag::task<> {
      for (int i = 0; i < 3; ++i) into.push_back(*co_await from.pop());
    };
    co_await ag::gather(pushing(one, q, 3), pushing(one, q, 1), pushing(one, q, 2), popping(q, got));
    got.push_back(co_await square(2));
    co_return got;
  }};
  for (std::uint64_t piece = 1; piece <= 12; ++piece) {
    CAPTURE(piece);
    ag::memory_store store;
    std::vector<int> result;
    run_in_pieces(store, piece, [&] { return agent(); }, result, durable(store));
    CHECK(result == std::vector<int>{3, 1, 2, 4});
  }
}

TEST_CASE("what a body draws is the same when it is replayed") {
  std::vector<std::string> drawn;
  const ag::tool keyed{"keyed", [](ag::context& ctx) { return ctx.idempotency_key(); }};
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<std::string> {
    drawn.clear();
    drawn.push_back(std::to_string(ctx.random()));
    drawn.push_back(ctx.uuid());
    drawn.push_back(co_await keyed());
    drawn.push_back(std::to_string(ctx.now().time_since_epoch().count()));
    drawn.push_back(ctx.idempotency_key());
    co_await square(1);
    co_await square(2);
    co_return drawn[1];
  }};
  ag::memory_store store;
  store.fail_after(5);
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::store_error);
  const std::vector<std::string> first = drawn;
  store.heal();
  ag::run(agent(), durable(store));
  CHECK(first.size() == 5);
  CHECK(drawn == first);
  CHECK(drawn[1].size() == 36);
  CHECK(drawn[1][14] == '4');
  CHECK(drawn[2] == "a@2");
  CHECK(drawn[4] == "a@");
}

TEST_CASE("the same id with other arguments, another program or another version is refused, saying what differs") {
  ag::memory_store store;
  store.fail_after(3);
  CHECK_THROWS_AS(ag::run(summing(10), durable(store)), ag::store_error);
  store.heal();
  CHECK_THROWS_AS(ag::run(summing(11), durable(store)), ag::divergence_error);
  CHECK(
      message_of([&] { ag::run(summing(11), durable(store)); }) ==
      "run 'a' was recorded with the arguments [10], and cannot be resumed with [11]; use another run_id, or resume it "
      "with what it was begun with");
  CHECK(message_of([&] { ag::run(nesting(10), durable(store)); }) ==
        "run 'a' was recorded with the program summing, and cannot be resumed with nesting; use another run_id, or "
        "resume it with what it was begun with");
  const ag::graph_fn newer{"summing", [](int n) -> ag::task<int> { co_return n; }, {.version = "2"}};
  CHECK(
      message_of([&] { ag::run(newer(10), durable(store)); }) ==
      "run 'a' was recorded with the version '', and cannot be resumed with '2'; use another run_id, or resume it with "
      "what it was begun with");
  CHECK(ag::run(summing(10), durable(store)) == 385);  // nothing was lost
}

TEST_CASE("a graph of another structure is refused, saying what differs") {
  ag::memory_store store;
  const auto build = [](int width) {
    const ag::graphify fan{"fan", [=](ag::node<int> x) {
      std::vector<ag::node<int>> all;
      for (int i = 0; i < width; ++i) all.push_back(square(x));
      return ag::tool{"total", [](std::vector<int> v) { return std::accumulate(v.begin(), v.end(), 0); }}(all);
    }};
    return fan.build();
  };
  auto two = build(2);
  auto three = build(3);
  store.fail_after(1);
  CHECK_THROWS_AS(ag::run(two(2), durable(store)), ag::store_error);
  store.heal();
  const std::string message = message_of([&] { ag::run(three(2), durable(store)); });
  CHECK(message.find("run 'a' was recorded of another graph") == 0);
  CHECK(message.find("square#3 = square") != std::string::npos);
  CHECK(ag::run(two(2), durable(store)) == 8);
}

TEST_CASE("a program that does something else is found out, and the journal stays as it was") {
  ag::memory_store store;
  int mode = 0;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    int a = 0;
    if (mode == 1) a = co_await slow(1);
    else if (mode != 2) a = co_await square(mode == 3 ? 9 : 1);
    const int b = co_await square(2);
    co_return a + b + co_await square(3);
  }};
  store.fail_after(2);
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::store_error);
  store.heal();
  mode = 1;
  CHECK(message_of([&] { ag::run(agent(), durable(store)); }) ==
        "run 'a' does something else than what was recorded of it: at '0' it comes to the call 'slow', and recorded is "
        "the call 'square'");
  mode = 2;
  CHECK(
      message_of([&] { ag::run(agent(), durable(store)); }) ==
      "run 'a' does something else than what was recorded of it: at '0' it calls 'square' with the arguments [2], and "
      "recorded is [1]");
  mode = 3;
  CHECK(
      message_of([&] { ag::run(agent(), durable(store)); }) ==
      "run 'a' does something else than what was recorded of it: at '0' it calls 'square' with the arguments [9], and "
      "recorded is [1]");
  mode = 0;
  CHECK(ag::run(agent(), durable(store)) == 14);
}

TEST_CASE("a program that no longer comes to what was recorded is found out") {
  ag::memory_store store;
  bool is_other = false;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    if (is_other) {
      const auto [c, d] = co_await ag::gather(square(1), square(2));
      co_return c + d;
    }
    const int a = co_await square(1);
    const int b = co_await square(2);
    co_return a + b + co_await square(3);
  }};
  store.fail_after(2);
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::store_error);
  store.heal();
  is_other = true;
  CHECK(
      message_of([&] { ag::run(agent(), durable(store)); }) ==
      "run 'a' does something else than what was recorded of it: recorded next is the call 'square' at '0', which the "
      "program does not come to; it waits to begin what is at '0.0', '0.1'");
  is_other = false;
  CHECK(ag::run(agent(), durable(store)) == 14);
}

TEST_CASE("a store needs a run_id, a run_id a store, and a nested run has neither") {
  ag::memory_store store;
  CHECK_THROWS_AS(ag::run(summing(1), {.store = &store}), ag::option_error);
  CHECK_THROWS_AS(ag::run(summing(1), {.run_id = "a"}), ag::option_error);
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const ag::run_options nested = durable(store, "b");
    co_return co_await ag::run_async(summing(1), nested);
  }};
  CHECK_THROWS_AS(ag::run(agent()), ag::option_error);
}

TEST_CASE("a run that is being executed cannot be opened a second time") {
  ag::memory_store store;
  const ag::tool again{"again", [&]() {
    std::thread([&] { CHECK_THROWS_AS(ag::run(summing(1), durable(store)), ag::run_busy); }).join();
    return 1;
  }};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> { co_return co_await again(); }};
  CHECK(ag::run(agent(), durable(store)) == 1);
}

TEST_CASE("a deadline interrupts a durable run, which can be resumed") {
  ag::memory_store store;
  std::chrono::milliseconds pause{10'000};
  const ag::tool waiting{"waiting", [&]() -> ag::task<int> {
    co_await ag::sleep_for(pause);
    co_return 1;
  }};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> { co_return co_await square(2) + co_await waiting(); }};
  ag::run_options options = durable(store);
  options.deadline = 20ms;
  CHECK_THROWS_AS(ag::run(agent(), options), ag::timed_out);
  CHECK(store.find("a")->status == ag::run_status::running);
  CHECK(store.find("a")->owner.empty());
}

TEST_CASE("a run that is cancelled in the store stops, for good") {
  ag::memory_store store;
  const ag::tool cancelling{"cancelling", [&]() -> ag::task<int> {
    store.cancel("a");
    co_await ag::sleep_for(10s);
    co_return 1;
  }};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> { co_return co_await cancelling(); }};
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::cancelled);
  CHECK(store.find("a")->status == ag::run_status::cancelled);
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::cancelled);
}

TEST_CASE("secrets are kept out of the journal by a redaction") {
  ag::memory_store store;
  const ag::tool login{"login", [](std::string user, std::string password) { return user + ":" + password; }};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<std::size_t> {
    const std::string token = co_await login("me", "hunter2");
    co_return token.size();
  }};
  ag::run_options options = durable(store);
  options.redact = [](std::string_view tool, std::string& json) {
    if (tool == "login" && json.find("hunter2") != std::string::npos) json = "\"redacted\"";
  };
  CHECK(ag::run(agent(), options) == 10);
  CHECK(store.facts("a").at(0).arguments == "\"redacted\"");
  CHECK(store.facts("a").at(0).value == "\"redacted\"");
}

TEST_CASE("a shielded clean-up ends though the store fails") {
  ag::memory_store store;
  bool was_cleaned = false;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const auto r = co_await ag::as_result(ag::gather(square(1), slow(50), square(3)));
    if (!r.has_value()) {
      co_await ag::shielded(square(4));
      was_cleaned = true;
    }
    co_return co_await square(5);
  }};
  store.fail_after(1);
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::store_error);
  store.heal();
  CHECK(ag::run(agent(), durable(store)) == 25);
}

TEST_CASE("a shielded clean-up that sleeps is refused once the store has failed, and does not wait for ever") {
  ag::memory_store store;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const auto cleaning_up = []() -> ag::task<> {
      co_await square(1);
      co_await ag::sleep_for(1ms);
    };
    co_await ag::shielded(cleaning_up());
    co_return co_await square(2);
  }};
  const ag::graph_fn timing_out{"timing_out", [&]() -> ag::task<int> {
    co_await ag::as_result(square(1));
    co_return co_await ag::shielded(ag::timeout(square(2), 1s));
  }};
  for (std::uint64_t piece = 0; piece <= 2; ++piece) {
    CAPTURE(piece);
    store.fail_after(piece);
    CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::store_error);
    store.fail_after(0);
    CHECK_THROWS_AS(ag::run(timing_out(), durable(store, "b")), ag::store_error);
  }
  store.heal();
  CHECK(ag::run(agent(), durable(store)) == 4);
}

TEST_CASE("a call that was cancelled while it waited for a slot is cancelled again, at the same moment") {
  const ag::graph_fn agent{"agent", []() -> ag::task<std::vector<int>> {
    std::vector<int> seen;
    const auto impatient = [](std::vector<int>& into) -> ag::task<> {
      const auto r = co_await ag::as_result(ag::timeout(square(7), 1ms));
      into.push_back(r.has_value());
      into.push_back(co_await square(3));
    };
    const auto busy = [](std::vector<int>& into) -> ag::task<> {
      into.push_back(co_await slow(30));
      into.push_back(co_await slow(1));
    };
    co_await ag::gather(busy(seen), impatient(seen));
    co_return seen;
  }};
  for (std::uint64_t piece = 1; piece <= 8; ++piece) {
    CAPTURE(piece);
    ag::memory_store store;
    ag::run_options options = durable(store);
    options.max_concurrency = 1;
    std::vector<int> result;
    run_in_pieces(store, piece, [&] { return agent(); }, result, options);
    CHECK(std::count(result.begin(), result.end(), 9) == 1);
    const auto facts = store.facts("a");
    CHECK(std::any_of(facts.begin(), facts.end(), [](const ag::fact& f) { return f.arguments == "[7]"; }));
  }
}

TEST_CASE("a timeout strikes a sleep that would end at the same moment, as in a run that is not durable") {
  const ag::graph_fn agent{"agent", []() -> ag::task<bool> {
    const auto r = co_await ag::as_result(ag::timeout(ag::sleep_for(1ms), 1ms));
    co_return r.has_value();
  }};
  ag::testing::simulation sim{1};
  CHECK_FALSE(sim.run(agent()));
  ag::memory_store store;
  CHECK_FALSE(sim.run(agent(), durable(store)));
}

TEST_CASE("a node that a failure kept from starting does not start when that is replayed") {
  const ag::graphify both{"both", [](ag::node<int> x) {
    auto first = broken(x);
    auto second = outer(x);
    return ag::tool{"add", [](int l, int r) { return l + r; }}(first, second);
  }};
  auto graph = both.build();
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const ag::run_options one_at_a_time{.max_concurrency = 1};
    auto failing = ag::run_async(graph(2), one_at_a_time);
    const auto r = co_await ag::as_result(std::move(failing));
    co_return r.has_value() + co_await square(2);
  }};
  ag::memory_store store;
  bodies = 0;
  CHECK(ag::run(agent(), durable(store)) == 4);
  CHECK(bodies == 2);
  store.fork("a", "b", {});
  bodies = 0;
  CHECK(ag::run(agent(), durable(store, "b")) == 4);
  CHECK(bodies == 0);
}

TEST_CASE(
    "of calls that had one slot in turn, since one waited between its attempts, all go on in the recorded order") {
  const auto check = [](int cap, ag::resource_pool* pool) {
    int attempts = 0;
    const ag::tool retried{"retried", [&]() -> ag::task<int> {
      co_await square(1);
      if (++attempts == 1) throw std::runtime_error("once");
      co_return co_await square(1);
    }, {.retry = {.max_attempts = 2, .first_delay = 50ms}, .pool = pool}};
    const ag::tool other{"other", [](int x) -> ag::task<int> {
      const int a = co_await square(x);
      co_return a + co_await slow(x);
    }, {.pool = pool}};
    std::vector<std::string> seen;
    const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
      const auto later = [&]() -> ag::task<int> {
        co_await ag::sleep_for(1ms);
        seen.push_back("has slept");
        const int a = co_await other(2);
        seen.push_back("other");
        co_return a;
      };
      const auto at_once = [&]() -> ag::task<int> {
        const int a = co_await retried();
        seen.push_back("retried");
        co_return a;
      };
      const auto [a, b] = co_await ag::gather(at_once(), later());
      co_return a + b;
    }};
    for (std::uint64_t piece = 2; piece <= 6; ++piece) {
      CAPTURE(piece, cap);
      ag::memory_store store;
      ag::run_options options = durable(store);
      options.max_concurrency = cap;
      attempts = 0;
      store.fail_after(piece);
      CHECK_THROWS_AS(ag::run(agent(), options), ag::store_error);
      store.heal();
      seen.clear();
      CHECK(ag::run(agent(), options) == 7);
      CHECK(seen.front() == "has slept");
    }
  };
  ag::resource_pool one{"one", 1};
  check(1, nullptr);
  check(4, &one);
}

TEST_CASE("a run hosted by a runtime is durable, too") {
  ag::memory_store store;
  ag::runtime rt;
  store.fail_after(4);
  auto failed = ag::start(rt, nesting(3), durable(store));
  CHECK_THROWS_AS(failed.get(), ag::store_error);
  store.heal();
  auto handle = ag::start(rt, nesting(3), durable(store));
  CHECK(handle.get() == (9 + 9) + 14 + (16 + 16));
  CHECK(store.find("a")->owner.empty());
}

TEST_CASE("in a simulation, a durable run goes on where it was") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    ag::memory_store store;
    ag::testing::simulation sim{seed};
    std::vector<int> ends;
    for (std::uint64_t piece = 3;; ++piece) {
      store.fail_after(piece);
      try {
        ends = sim.run(in_order_of_ends({9, 1, 5, 3}), durable(store));
        break;
      } catch (const ag::store_error&) {
      }
    }
    CHECK(ends == std::vector<int>{1, 3, 5, 9, 16});
  }
}
