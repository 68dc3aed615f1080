#include "aethergraph/detail/call_control.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

std::string why(const std::exception_ptr& e) {
  try {
    if (e) std::rethrow_exception(e);
    return "nothing";
  } catch (const std::exception& x) {
    return x.what();
  }
}

/// How many bodies are in flight, and have been at most.
struct gauge {
  int now = 0, peak = 0, started = 0;
  void enter() {
    ++started;
    peak = std::max(peak, ++now);
  }
};

}  // namespace

// --- attempts

TEST_CASE("a failed attempt is followed by another one, and each is kept in the node") {
  int tries = 0;
  const ag::tool flaky{"flaky", [&tries](std::string s) -> ag::task<std::string> {
    co_await ag::sleep_for(1s);
    if (++tries < 3) throw std::runtime_error("try " + std::to_string(tries));
    co_return s;
  }, {.retry = {.max_attempts = 5, .first_delay = 10s, .factor = 3}}};
  ag::testing::simulation sim(1);
  const auto outcome = sim.try_run(flaky("kept"));
  CHECK(outcome.value() == "kept");
  CHECK(sim.elapsed() == 3s + 10s + 30s);
  const auto& n = outcome.graph().nodes().at(0);
  CHECK(n.attempts == 3);
  REQUIRE(n.failed_attempts.size() == 2);
  CHECK(why(n.failed_attempts[1]) == "try 2");
  CHECK(n.state == ag::node_state::done);
}

TEST_CASE("the last failed attempt is the failure of the call") {
  int tries = 0;
  const ag::tool t{
      "t", [&tries](int) -> int { throw std::runtime_error(std::to_string(++tries)); }, {.retry = {.max_attempts = 3}}};
  const auto outcome = ag::try_run(t(1));
  CHECK(why(outcome.error()) == "3");
  CHECK(outcome.graph().nodes().at(0).failed_attempts.size() == 2);
  CHECK(outcome.failures().size() == 1);
}

TEST_CASE("a predicate decides which failures are worth another attempt") {
  int tries = 0;
  const ag::tool t{"t", [&tries](int) -> int {
    if (++tries == 1) throw std::runtime_error("transient");
    throw std::logic_error("permanent");
  }, {.retry = {.max_attempts = 9, .when = [](const std::exception_ptr& e) { return why(e) == "transient"; }}}};
  CHECK(why(ag::try_run(t(1)).error()) == "permanent");
  CHECK(tries == 2);
}

TEST_CASE("a predicate that throws says no") {
  int tries = 0;
  const ag::tool t{"t", [&tries](int) -> int {
    ++tries;
    throw std::logic_error("permanent");
  }, {.retry = {.max_attempts = 9, .when = [](const std::exception_ptr& e) {
    try {
      std::rethrow_exception(e);
    } catch (const std::runtime_error&) {
      return true;
    }
  }}}};
  CHECK(why(ag::try_run(t(1)).error()) == "permanent");
  CHECK(tries == 1);
}

TEST_CASE("a tool that throws retry_after says how long the next attempt waits") {
  int tries = 0;
  const ag::tool t{"t", [&tries](int x) {
    if (++tries == 1) throw ag::retry_after(90s);
    return x;
  }, {.retry = {.max_attempts = 2, .first_delay = 1s, .max_delay = 2s}}};
  ag::testing::simulation sim(1);
  CHECK(sim.run(t(7)) == 7);
  CHECK(sim.elapsed() == 90s);
}

TEST_CASE("delays with full jitter are random, at most the whole delay, and the same in each run") {
  const auto elapsed = [](unsigned seed) {
    int tries = 0;
    const ag::tool t{"t", [&tries](int x) {
      if (++tries < 5) throw std::runtime_error("no");
      return x;
    }, {.retry = {.max_attempts = 5, .first_delay = 8s, .factor = 1, .jitter = 1, .seed = seed}}};
    ag::testing::simulation sim(3);
    sim.run(t(1));
    return sim.elapsed();
  };
  CHECK(elapsed(1) == elapsed(1));
  CHECK(elapsed(1) != elapsed(2));
  CHECK(elapsed(1) < 32s);
  CHECK(elapsed(1) > 0s);
}

TEST_CASE("backing off holds no slot") {
  int tries = 0;
  const ag::tool flaky{"flaky", [&tries](int x) {
    if (++tries == 1) throw std::runtime_error("no");
    return x;
  }, {.retry = {.max_attempts = 2, .first_delay = 1h}}};
  const ag::tool quick{"quick", [](int x) -> ag::task<int> {
    co_await ag::sleep_for(1s);
    co_return x;
  }};
  std::vector<std::string> order;
  const auto note = [&](auto call, std::string name) -> ag::task<> {
    co_await std::move(call);
    order.push_back(std::move(name));
  };
  const auto body = [&]() -> ag::task<> { co_await ag::gather(note(flaky(1), "flaky"), note(quick(2), "quick")); };
  ag::testing::simulation sim(1);
  sim.run(body(), {.max_concurrency = 1});
  CHECK(order == std::vector<std::string>{"quick", "flaky"});
}

TEST_CASE("a request to stop ends a backoff at once") {
  const ag::tool t{
      "t", [](int) -> int { throw std::runtime_error("no"); }, {.retry = {.max_attempts = 2, .first_delay = 1h}}};
  ag::testing::simulation sim(1);
  const auto outcome = sim.try_run(t(1), {.deadline = 1min});
  CHECK_THROWS_AS(outcome.value(), ag::timed_out);
  CHECK(sim.elapsed() == 1min);
  CHECK(outcome.graph().nodes().at(0).state == ag::node_state::cancelled);
}

TEST_CASE("an argument that cannot be copied is refused where there are retries") {
  const ag::tool t{"t", [](std::unique_ptr<int> p) { return *p; }, {.retry = {.max_attempts = 2}}};
  CHECK(why(ag::try_run(t(std::make_unique<int>(1))).error()).find("cannot be copied for another attempt") !=
        std::string::npos);
}

TEST_CASE("arguments are whole in each attempt") {
  std::vector<std::string> seen;
  const ag::tool t{"t", [&seen](std::string s) -> int {
    seen.push_back(std::move(s));
    throw std::runtime_error("no");
  }, {.retry = {.max_attempts = 3}}};
  static_cast<void>(ag::try_run(t("a rather long argument, which is not kept in place")));
  REQUIRE(seen.size() == 3);
  CHECK(seen[0] == seen[2]);
}

// --- time

TEST_CASE("an attempt that takes too long is stopped, and fails with timed_out, which names it") {
  const ag::tool t{"slow", [](int) -> ag::task<> { co_await ag::sleep_for(1h); },
      {.timeout = 5s, .retry = {.max_attempts = 2, .first_delay = 1s}}};
  ag::testing::simulation sim(1);
  CHECK(why(sim.try_run(t(1)).error()) == "tool 'slow' timed out: attempt 2 took longer than 5000ms");
  CHECK(sim.elapsed() == 11s);
}

TEST_CASE("ctx.deadline() is the nearest of all that are around a body") {
  std::vector<std::optional<std::chrono::steady_clock::time_point>> seen;
  const ag::tool look{"look", [&seen](ag::context& ctx) { seen.push_back(ctx.deadline()); }};
  const ag::tool tight{"tight", [&](ag::context& ctx) -> ag::task<> {
    seen.push_back(ctx.deadline());
    co_await ag::timeout(look(), 10s);
    co_await ag::timeout(look(), 1s);
  }, {.timeout = 5s}};
  ag::testing::simulation sim(1);
  sim.run(tight(), {.deadline = 1h});
  sim.run(look());
  REQUIRE(seen.size() == 4);
  const auto zero = std::chrono::steady_clock::time_point{};
  CHECK(seen[0] == zero + 5s);
  CHECK(seen[1] == zero + 5s);
  CHECK(seen[2] == zero + 1s);
  CHECK(seen[3] == std::nullopt);
}

// --- pools

TEST_CASE("a pool caps the bodies that need it, over all runs") {
  ag::resource_pool pool{"gpu", 2};
  gauge g;
  const ag::tool t{"t", [&g](int) -> ag::task<> {
    g.enter();
    co_await ag::sleep_for(1s);
    --g.now;
  }, {.pool = &pool}};
  const auto calls = std::views::iota(0, 10) | std::views::transform([&t](int i) { return t(i); });
  const auto body = [&]() -> ag::task<> { co_await ag::gather(calls); };
  ag::testing::simulation sim(1);
  const auto outcome = sim.try_run(body(), {.max_concurrency = 8});
  CHECK(g.peak == 2);
  CHECK(g.started == 10);
  CHECK(sim.elapsed() == 5s);
  CHECK(outcome.peak_concurrency() == 2);  // who waits for permits holds no slot
  CHECK(pool.now().in_use == 0);
  CHECK(pool.now().waiting == 0);
  CHECK(pool.now().waited_total >= 8);
}

TEST_CASE("a call of weight 2 takes two permits, and is not passed by lighter ones") {
  ag::resource_pool pool{"p", 2};
  std::vector<int> order;
  const auto make = [&](int weight) {
    return ag::tool{"t", [&order](int x) -> ag::task<> {
      order.push_back(x);
      co_await ag::sleep_for(1s);
    }, {.pool = &pool, .weight = weight}};
  };
  const auto light = make(1), heavy = make(2);
  const auto body = [&]() -> ag::task<> { co_await ag::gather(light(1), heavy(2), light(3)); };
  ag::run(body());
  CHECK(order == std::vector<int>{1, 2, 3});
  CHECK(pool.now().in_use == 0);
}

TEST_CASE("where a heavy call gives up waiting, a lighter one behind it goes on at once") {
  ag::resource_pool pool{"p", 2};
  std::optional<ag::duration> started;
  ag::testing::simulation sim(1);
  const ag::tool t{
      "t", [](int seconds) -> ag::task<> { co_await ag::sleep_for(std::chrono::seconds(seconds)); }, {.pool = &pool}};
  const ag::tool heavy{"heavy", [](int) {}, {.pool = &pool, .weight = 2}};
  const ag::tool light{"light", [&] { started = sim.elapsed(); }, {.pool = &pool}};
  const auto body = [&]() -> ag::task<> {
    co_await ag::gather(t(60), ag::as_result(ag::timeout(heavy(1), 5s)), light());
  };
  sim.run(body());
  CHECK(started == 5s);
}

TEST_CASE("a call inside a body that holds permits of the same pool uses those") {
  ag::resource_pool pool{"p", 1};
  const ag::tool inner{"inner", [](int x) { return x; }, {.pool = &pool}};
  const ag::tool outer{"outer", [&inner](int x) -> ag::task<int> { co_return co_await inner(x); }, {.pool = &pool}};
  CHECK(ag::run(outer(5), {.max_concurrency = 1}) == 5);
}

TEST_CASE("a pool that ranks before one that is held is refused, and both are named") {
  ag::resource_pool first{"first", 1}, second{"second", 1};
  const ag::tool inner{"inner", [](int x) { return x; }, {.pool = &first}};
  const ag::tool outer{"outer", [&inner](int x) -> ag::task<int> { co_return co_await inner(x); }, {.pool = &second}};
  const auto outcome = ag::try_run(outer(1));
  CHECK_THROWS_AS(outcome.value(), ag::option_error);
  CHECK(why(outcome.error()).find("needs pool 'first'") != std::string::npos);
  CHECK(why(outcome.error()).find("holds pool 'second'") != std::string::npos);
}

TEST_CASE("permits are given back by whatever end: failure, cancellation, a slot that was not free") {
  ag::resource_pool pool{"p", 3};
  const ag::tool t{"t", [](int x) -> ag::task<> {
    co_await ag::sleep_for(std::chrono::milliseconds(x));
    if (x % 3 == 0) throw std::runtime_error("no");
  }, {.timeout = 7ms, .retry = {.max_attempts = 2, .first_delay = 1ms}, .pool = &pool, .weight = 2}};
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    ag::testing::simulation sim(seed);
    const auto calls = std::views::iota(0, 12) | std::views::transform([&t](int i) { return t(i); });
    const auto body = [&]() -> ag::task<> { co_await ag::gather_results(calls); };
    const auto outcome = sim.try_run(
        body(), {.max_concurrency = 1 + static_cast<int>(seed % 4), .deadline = std::chrono::milliseconds(seed)});
    CHECK(outcome.peak_concurrency() <= 1 + seed % 4);
    REQUIRE(pool.now().in_use == 0);
    REQUIRE(pool.now().waiting == 0);
  }
}

TEST_CASE("who waits for its turn under the cap of a runtime holds no permits of a pool") {
  boost::asio::io_context io;
  ag::runtime rt(io, {.max_concurrency = 1});
  ag::resource_pool pool{"p", 1};
  const ag::tool inner{"inner", [](int x) { return x; }, {.pool = &pool}};
  // Holds the runtime's one permit, and then needs the pool.
  const ag::tool outer{"outer", [&inner](int x) -> ag::task<int> {
    co_await ag::sleep_for(1ms);
    co_return co_await inner(x);
  }};
  const auto first = ag::start(rt, outer(1));
  const auto second = ag::start(rt, inner(2));
  io.run_for(30s);
  REQUIRE(second.done());
  REQUIRE(first.done());
  CHECK(first.get() + second.get() == 3);
  CHECK(pool.now().in_use == 0);
  CHECK(rt.permits_held() == 0);
}

TEST_CASE("runs on different threads share a pool") {
  ag::resource_pool pool{"p", 2};
  std::atomic<int> now = 0, peak = 0, done = 0;
  const ag::tool t{"t", [&](int) -> ag::task<> {
    const int n = ++now;
    for (int p = peak; n > p && !peak.compare_exchange_weak(p, n);) {
    }
    co_await ag::sleep_for(100us);
    --now;
    ++done;
  }, {.pool = &pool}};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&t] {
      const auto calls = std::views::iota(0, 50) | std::views::transform([&t](int x) { return t(x); });
      const auto body = [&]() -> ag::task<> { co_await ag::gather(calls); };
      ag::run(body());
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(done == 200);
  CHECK(peak <= 2);
  CHECK(pool.now().in_use == 0);
}

TEST_CASE("a pool without a name, or without permits, is refused") {
  CHECK_THROWS_WITH(ag::resource_pool("", 1), "a resource_pool has an empty name; give it a name such as \"gpu\"");
  CHECK_THROWS_WITH(ag::resource_pool("gpu", 0), "resource_pool 'gpu' has a capacity of 0; it must be at least 1");
}

// --- rates

TEST_CASE("a rate limit lets its burst through, then so many a second, in order") {
  ag::rate_limit limit{10, 3};
  std::vector<int> order;
  const ag::tool t{"t", [&order](int x) { order.push_back(x); }, {.rate = &limit}};
  const auto calls = std::views::iota(0, 13) | std::views::transform([&t](int i) { return t(i); });
  const auto body = [&]() -> ag::task<> { co_await ag::gather(calls); };
  ag::testing::simulation sim(1);
  sim.run(body(), {.max_concurrency = 13});
  CHECK(sim.elapsed() >= 999ms);
  CHECK(sim.elapsed() <= 1001ms);
  CHECK(order.size() == 13);
  CHECK(std::ranges::is_sorted(order));
  CHECK(limit.now().taken_total == 13);
  CHECK(limit.now().waiting == 0);
}

TEST_CASE("each key of a rate limit has a bucket of its own") {
  ag::rate_limit limit{1, 1};
  const ag::tool a{"a", [](int x) { return x; }, {.rate = &limit, .rate_key = "a"}};
  const ag::tool b{"b", [](int x) { return x; }, {.rate = &limit, .rate_key = "b"}};
  const auto body = [&]() -> ag::task<> { co_await ag::gather(a(1), b(2)); };
  ag::testing::simulation sim(1);
  sim.run(body());
  CHECK(sim.elapsed() == 0s);
}

TEST_CASE("who waits for a token holds neither slot nor permit, and leaves when asked to stop") {
  ag::rate_limit limit{0.001, 1};
  ag::resource_pool pool{"p", 1};
  const ag::tool t{"t", [](int x) { return x; }, {.pool = &pool, .rate = &limit}};
  const ag::tool other{"other", [](int x) { return x; }, {.pool = &pool}};
  const auto body = [&]() -> ag::task<int> {
    co_await t(1);
    auto first = co_await ag::race(t(2), other(3));
    co_return std::get<1>(first);
  };
  ag::testing::simulation sim(1);
  CHECK(sim.run(body(), {.max_concurrency = 1}) == 3);
  CHECK(sim.elapsed() == 0s);
  CHECK(limit.now().waiting == 0);
}

TEST_CASE("a rate or burst that cannot work is refused") {
  CHECK_THROWS_WITH(ag::rate_limit(0, 1), "a rate_limit allows 0 a second; it must be more than 0");
  CHECK_THROWS_WITH(ag::rate_limit(1, 0.5), "a rate_limit has a burst of 0.5; it must be at least 1");
}

// --- priorities

TEST_CASE("of the calls that wait for a slot those of higher priority go first") {
  std::vector<int> order;
  const auto make = [&order](int priority) {
    return ag::tool{"t", [&order](int x) -> ag::task<> {
      order.push_back(x);
      co_await ag::sleep_for(1ms);
    }, {.priority = priority}};
  };
  const auto low = make(-1), normal = make(0), high = make(5);
  const auto body = [&]() -> ag::task<> {
    co_await ag::gather(normal(0), low(1), normal(2), high(3), low(4), high(5), normal(6));
  };
  ag::run(body(), {.max_concurrency = 1});
  CHECK(order == std::vector<int>{0, 3, 5, 2, 6, 1, 4});
}

TEST_CASE("ready nodes of a graph start by priority, then as they were declared") {
  std::vector<int> order;
  const ag::tool low{"low", [&order](int x) { order.push_back(x); }, {.priority = -1}};
  const ag::tool normal{"normal", [&order](int x) { order.push_back(x); }};
  const ag::graphify g{"g", [&] {
    std::vector<ag::node<void>> all;
    all.push_back(low(0));
    all.push_back(normal(1));
    all.push_back(low(2));
    all.push_back(normal(3));
    return all;
  }};
  ag::run(g(), {.max_concurrency = 1});
  CHECK(order == std::vector<int>{1, 3, 0, 2});
}

// --- breakers

TEST_CASE("a breaker opens after so many failures, refuses, and lets one attempt find out") {
  ag::circuit_breaker breaker{"mail", 2, 10s};
  bool works = false;
  int bodies = 0;
  const ag::tool t{"t", [&](int x) {
    ++bodies;
    if (!works) throw std::runtime_error("down");
    return x;
  }, {.breaker = &breaker}};
  const auto body = [&]() -> ag::task<std::vector<std::string>> {
    std::vector<std::string> seen;
    for (int i = 0; i < 4; ++i) {
      const auto outcome = co_await ag::as_result(t(i));
      seen.push_back(why(outcome.error()));
    }
    co_await ag::sleep_for(10s);
    works = true;
    const auto again = co_await ag::as_result(t(9));
    seen.push_back(why(again.error()));
    co_return seen;
  };
  ag::testing::simulation sim(1);
  const auto seen = sim.run(body());
  CHECK(seen == std::vector<std::string>{"down", "down", "circuit_breaker 'mail' is open for another 10000ms",
                    "circuit_breaker 'mail' is open for another 10000ms", "nothing"});
  CHECK(bodies == 3);
  CHECK(breaker.now() == ag::circuit_breaker::state::closed);
}

TEST_CASE("a retry can wait until a breaker is closed again") {
  ag::circuit_breaker breaker{"b", 1, 5s};
  int bodies = 0;
  const ag::tool t{"t", [&](int x) {
    if (++bodies == 1) throw std::runtime_error("down");
    return x;
  }, {.retry = {.max_attempts = 8, .first_delay = 1s, .factor = 1}, .breaker = &breaker}};
  ag::testing::simulation sim(1);
  CHECK(sim.run(t(3)) == 3);
  CHECK(bodies == 2);
}

TEST_CASE("a call that waited for its slot while a breaker opened does not start") {
  ag::circuit_breaker breaker{"b", 2, 10s};
  int bodies = 0;
  const ag::tool t{"t", [&](int) -> ag::task<> {
    ++bodies;
    co_await ag::sleep_for(1s);
    throw std::runtime_error("down");
  }, {.breaker = &breaker}};
  const auto calls = std::views::iota(0, 8) | std::views::transform([&t](int i) { return t(i); });
  const auto body = [&]() -> ag::task<int> {
    int refused = 0;
    for (const auto& r : co_await ag::gather_results(calls)) refused += why(r.error()).find("is open") != why({}).npos;
    co_return refused;
  };
  ag::testing::simulation sim(1);
  CHECK(sim.run(body(), {.max_concurrency = 1}) == 6);
  CHECK(bodies == 2);
}

TEST_CASE("an attempt that began before a breaker opened neither closes it nor makes room for a second probe") {
  ag::circuit_breaker breaker{"b", 1, 5s};
  const ag::tool t{"t", [](int seconds, bool fails) -> ag::task<> {
    co_await ag::sleep_for(std::chrono::seconds(seconds));
    if (fails) throw std::runtime_error("down");
  }, {.breaker = &breaker}};
  const auto later = [&](int at, int seconds, bool fails) -> ag::task<std::string> {
    co_await ag::sleep_for(std::chrono::seconds(at));
    const auto r = co_await ag::as_result(t(seconds, fails));
    co_return r.has_value() ? "runs" : why(r.error());
  };
  const auto given_up = [&]() -> ag::task<> { co_await ag::as_result(ag::timeout(t(100, false), 9s)); };
  const auto body = [&]() -> ag::task<std::vector<std::string>> {
    const auto all = co_await ag::gather(later(0, 8, false),  // began when all was well, and ends in the probe's time
        given_up(),                                           // likewise, and is cancelled
        later(0, 1, true),                                    // opens it for 5 s
        later(7, 10, false),                                  // the probe
        later(10, 1, false));                                 // comes while the probe is on its way
    co_return std::vector<std::string>{std::get<0>(all), std::get<2>(all), std::get<3>(all), std::get<4>(all)};
  };
  ag::testing::simulation sim(1);
  CHECK(sim.run(body(), {.max_concurrency = 8}) == std::vector<std::string>{"runs", "down", "runs",
                                                       "circuit_breaker 'b' is half open: another attempt finds out"});
  CHECK(breaker.now() == ag::circuit_breaker::state::closed);
}

// --- workers

TEST_CASE("bodies on worker threads run beside one another, on other threads than the run's") {
  std::atomic<int> now = 0, peak = 0;
  const auto here = std::this_thread::get_id();
  std::atomic<bool> is_elsewhere = true;
  const ag::tool t{"t", [&](int x) {
    if (std::this_thread::get_id() == here) is_elsewhere = false;
    const int n = ++now;
    for (int p = peak; n > p && !peak.compare_exchange_weak(p, n);) {
    }
    std::this_thread::sleep_for(5ms);
    --now;
    return 2 * x;
  }, {.workers = true}};
  const auto calls = std::views::iota(0, 10) | std::views::transform([&t](int i) { return t(i); });
  const auto body = [&]() -> ag::task<std::vector<int>> { co_return co_await ag::gather(calls); };
  const auto outcome = ag::try_run(body(), {.max_concurrency = 2});
  CHECK(outcome.value().at(9) == 18);
  CHECK(is_elsewhere);
  CHECK(peak <= 2);
  CHECK(outcome.peak_concurrency() <= 2);
}

TEST_CASE("a body on a worker thread sees that it was asked to stop") {
  const ag::tool t{"t", [](ag::context& ctx) {
    while (!ctx.stop_requested()) std::this_thread::sleep_for(1ms);
    throw ag::cancelled("seen");
  }, {.workers = true}};
  const auto outcome = ag::try_run(t(), {.deadline = 20ms});
  CHECK_THROWS_AS(outcome.value(), ag::timed_out);
  CHECK(outcome.graph().nodes().at(0).state == ag::node_state::cancelled);
}

TEST_CASE("an io_context that goes before its runs asks bodies on worker threads to stop, and waits for them") {
  std::atomic<int> begun = 0, ended = 0;
  const ag::tool t{"t", [&](ag::context& ctx, int) {
    ++begun;
    while (!ctx.stop_requested()) std::this_thread::sleep_for(1ms);
    ++ended;
  }, {.workers = true}};
  {
    boost::asio::io_context io;
    ag::run_async(io.get_executor(), t(1), {}, [](std::exception_ptr) {});
    while (begun == 0) {
      io.poll();
      std::this_thread::sleep_for(1ms);
    }
  }
  CHECK(ended == 1);
}

TEST_CASE("what a body on a worker thread throws reaches the caller, and is tried again") {
  std::atomic<int> tries = 0;
  const ag::tool t{"t", [&tries](int x) {
    if (++tries < 3) throw std::runtime_error("no");
    return x;
  }, {.retry = {.max_attempts = 3}, .workers = true}};
  CHECK(ag::run(t(4)) == 4);
  CHECK(tries == 3);
}

TEST_CASE("workers are for plain functions") {
  const ag::tool t{"t", [](int x) -> ag::task<int> { co_return x; }, {.workers = true}};
  CHECK(why(ag::try_run(t(1)).error()) ==
        "tool 't': the option `workers` is for plain functions; a coroutine runs on the strand of its run");
}

TEST_CASE("a runtime may have worker threads of its own, and nodes of graphs use them") {
  const ag::tool t{"t", [](int x) { return x + 1; }, {.workers = true}};
  const ag::graphify g{"g", [&t](ag::node<int> x) { return t(t(x)); }};
  ag::runtime rt({.workers = 2});
  CHECK(ag::run(rt, g(1)) == 3);
}

TEST_CASE("in a simulation what is for workers runs inline") {
  const auto here = std::this_thread::get_id();
  const ag::tool t{"t", [here](int) { return std::this_thread::get_id() == here; }, {.workers = true}};
  ag::testing::simulation sim(1);
  CHECK(sim.run(t(1)));
}

// --- on a call, in a graph

TEST_CASE("options of one call stand in place of the tool's") {
  int tries = 0;
  const ag::tool t{"t", [&tries](int x) {
    if (++tries == 1) throw std::runtime_error("no");
    return x;
  }};
  CHECK(ag::run(t(1).with({.retry = {.max_attempts = 2}})) == 1);
}

TEST_CASE("nodes of graphs have controls as calls do") {
  ag::resource_pool pool{"p", 1};
  gauge g;
  int tries = 0;
  const ag::tool t{"t", [&](int x) -> ag::task<int> {
    g.enter();
    co_await ag::sleep_for(1s);
    --g.now;
    if (++tries == 2) throw std::runtime_error("no");
    co_return x;
  }, {.retry = {.max_attempts = 2}, .pool = &pool}};
  const ag::graphify graph{"graph", [&](ag::node<int> x) {
    auto a = t(x);
    auto b = t(x);
    auto c = t(a);
    return std::vector<ag::node<int>>{a, b, c};
  }};
  ag::testing::simulation sim(1);
  const auto outcome = sim.try_run(graph(5));
  CHECK(outcome.value() == std::vector<int>{5, 5, 5});
  CHECK(g.peak == 1);
  int attempts = 0;
  for (const auto& n : outcome.graph().nodes()) attempts += n.attempts;
  CHECK(attempts == 4);
}

TEST_CASE("an observer is told of failed attempts, and that the body starts again") {
  struct : ag::observer {
    void on_event(const ag::event& e) override {
      if (e.is_node_event()) kinds.emplace_back(to_string(e.kind()));
    }
    std::vector<std::string> kinds;
  } seen;
  int tries = 0;
  const ag::tool t{"t", [&tries](int x) {
    if (++tries == 1) throw std::runtime_error("no");
    return x;
  }, {.retry = {.max_attempts = 2}}};
  ag::run(t(1), {.observer = &seen});
  CHECK(seen.kinds ==
        std::vector<std::string>{"node_made", "node_started", "node_attempt_failed", "node_started", "node_ended"});
}
