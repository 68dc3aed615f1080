#include "aethergraph/runtime.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"
#include "support/door.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;
using Catch::Matchers::Matches;
using test::door;
using test::eventually;
using test::gauge;

static_assert(!std::is_copy_constructible_v<ag::runtime> && !std::is_move_constructible_v<ag::runtime>);

namespace {

const ag::tool doubled{"doubled", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return co_await doubled(x); }};
const ag::graph_fn sleeper{"sleeper", []() -> ag::task<> { co_await ag::sleep_for(24h); }};
const ag::tool nap{"nap", [](int) -> ag::task<> { co_await ag::sleep_for(24h); }};
const ag::graph_fn waiter{"waiter", [](door* d) -> ag::task<> { co_await d->pass(); }};
const ag::tool hold{"hold", [](door* d) -> ag::task<> { co_await d->insist(); }};
const ag::graph_fn stubborn{"stubborn", [](door* d) -> ag::task<> { co_await hold(d); }};
const ag::graph_fn fails{"fails", []() -> ag::task<int> {
  co_await ag::sleep_for(0s);
  throw std::runtime_error("the run failed");
}};

std::string message_of(const std::exception_ptr& e) {
  try {
    if (e) std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  }
  return "";
}

template <class Fn>
std::string refusal_of(Fn fn) {
  try {
    fn();
  } catch (const ag::error& e) {
    return e.what();
  }
  return "not refused";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Waits until the dump says so; gives the last one.
std::string dump_with(const ag::runtime& rt, const std::string& part) {
  std::string text;
  eventually([&] {
    text = rt.dump();
    return has(text, part);
  });
  return text;
}

}  // namespace

// --- threads and executors

TEST_CASE("a runtime has one thread of its own unless it is told otherwise") {
  ag::runtime rt;
  const auto here = []() -> ag::task<std::thread::id> { co_return std::this_thread::get_id(); };
  const auto first = ag::run(rt, here());
  CHECK(first != std::this_thread::get_id());
  CHECK(ag::run(rt, here()) == first);
}

TEST_CASE("a runtime of two threads runs the bodies of two runs at the same time") {
  ag::runtime rt({.threads = 2});
  std::atomic<int> there = 0;
  const auto meet = [](std::atomic<int>& n) -> ag::task<bool> {
    ++n;
    co_return eventually([&] { return n == 2; });
  };
  const auto a = ag::start(rt, meet(there));
  const auto b = ag::start(rt, meet(there));
  CHECK(a.get());
  CHECK(b.get());
}

TEST_CASE("the steps of one run never overlap, however many threads its runtime has") {
  ag::runtime rt({.threads = 4});
  const auto body = []() -> ag::task<int> {
    int unguarded = 0;
    const auto steps = [](int& n) -> ag::task<> {
      for (int i = 0; i < 20; ++i) {
        ++n;
        co_await ag::sleep_for(std::chrono::microseconds{1});
      }
    };
    std::vector<ag::task<>> all;
    for (int i = 0; i < 10; ++i) all.push_back(steps(unguarded));
    co_await ag::gather(std::move(all));
    co_return unguarded;
  };
  std::vector<ag::run_handle<int>> handles;
  for (int i = 0; i < 8; ++i) handles.push_back(ag::start(rt, body()));
  for (const auto& h : handles) CHECK(h.get() == 200);
}

TEST_CASE("nothing of a run runs inside the start") {
  asio::io_context io;
  ag::runtime rt(io);
  bool ran = false;
  const auto body = [](bool& b) -> ag::task<> {
    b = true;
    co_return;
  };
  asio::post(io, [&] {
    const auto h = ag::start(rt, body(ran));
    CHECK_FALSE(ran);
  });
  io.run();
  CHECK(ran);
}

TEST_CASE("runs on a borrowed io_context take their steps where it is run, and keep it running until they have ended") {
  asio::io_context io;
  ag::runtime rt(io);
  const auto body = []() -> ag::task<std::thread::id> {
    co_await ag::sleep_for(1ms);
    co_return std::this_thread::get_id();
  };
  const auto h = ag::start(rt, body());
  CHECK_FALSE(h.done());
  io.run();
  REQUIRE(h.done());
  CHECK(h.get() == std::this_thread::get_id());
}

TEST_CASE("runs on a borrowed thread_pool run on its threads") {
  asio::thread_pool pool(2);
  ag::runtime rt(pool);
  const auto body = [](asio::thread_pool& p) -> ag::task<bool> {
    co_await ag::sleep_for(0s);
    co_return p.get_executor().running_in_this_thread();
  };
  CHECK(ag::run(rt, body(pool)));
}

TEST_CASE("a runtime borrows any executor") {
  asio::io_context io;
  const asio::any_io_executor ex = io.get_executor();
  ag::runtime rt(ex);
  CHECK(rt.executor() == ex);
  const auto h = ag::start(rt, agent(4));
  io.run();
  CHECK(h.get() == 8);
}

TEST_CASE("a borrowed executor takes options too") {
  asio::io_context io;
  ag::runtime rt(io.get_executor(), {.max_concurrency = 3});
  CHECK(rt.dump() == "0 live runs, 0 of 3 permits held\n");
}

TEST_CASE("a runtime without threads is refused") {
  CHECK(refusal_of([] { ag::runtime rt({.threads = 0}); }) == "a runtime has 0 threads; it needs at least 1");
  CHECK_THROWS_AS(ag::runtime({.threads = -1}), ag::option_error);
}

TEST_CASE("a runtime with a cap below one is refused") {
  CHECK(refusal_of([] { ag::runtime rt({.max_concurrency = 0}); }) ==
        "a runtime's max_concurrency is 0; it must be at least 1");
  asio::io_context io;
  CHECK_THROWS_AS(ag::runtime(io, {.max_concurrency = -3}), ag::option_error);
}

// --- the cap over all runs

TEST_CASE("the bodies of all runs together never hold more permits than the runtime has") {
  ag::runtime rt({.threads = 4, .max_concurrency = 3});
  gauge bodies;
  const ag::tool work{"work", [&](int) -> ag::task<> {
    const gauge::inside here(bodies);
    co_await ag::sleep_for(1ms);
  }};
  const ag::graph_fn wide{
      "wide", [&]() -> ag::task<> { co_await ag::gather(std::views::iota(0, 20) | std::views::transform(work)); }};
  std::vector<ag::run_handle<void>> handles;
  for (int i = 0; i < 8; ++i) handles.push_back(ag::start(rt, wide()));
  for (const auto& h : handles) h.get();
  CHECK(bodies.most() == 3);  // and all three were used
  CHECK(rt.permits_held() == 0);
}

TEST_CASE("permits_held counts the bodies in flight of all runs") {
  ag::runtime rt({.threads = 2, .max_concurrency = 5});
  door d;
  const auto a = ag::start(rt, stubborn(&d));
  const auto b = ag::start(rt, stubborn(&d));
  CHECK(eventually([&] { return d.arrived() == 2; }));
  CHECK(rt.permits_held() == 2);
  d.open();
  a.get();
  b.get();
  CHECK(rt.permits_held() == 0);
}

TEST_CASE("without a cap no permits are counted") {
  ag::runtime rt;
  door d;
  const auto h = ag::start(rt, stubborn(&d));
  CHECK(eventually([&] { return d.arrived() == 1; }));
  CHECK(rt.permits_held() == 0);
  d.open();
  h.get();
}

TEST_CASE("families across nested runs end under a cap of one") {
  ag::runtime rt({.threads = 3, .max_concurrency = 1});
  gauge leaves;
  const ag::tool leaf{"leaf", [&](int) -> ag::task<int> {
    const gauge::inside here(leaves);
    co_await ag::sleep_for(std::chrono::microseconds(50));
    co_return 1;
  }};
  const ag::graph_fn inner{"inner", [&](int n) -> ag::task<int> {
    int sum = 0;
    for (int x : co_await ag::gather(std::views::iota(0, n) | std::views::transform(leaf))) sum += x;
    co_return sum;
  }};
  const ag::tool branch{"branch", [&](int n) -> ag::task<int> {
    const auto [a, b, c] = co_await ag::gather(leaf(0), inner(n), inner(n));
    co_return a + b + c;
  }};
  const ag::graph_fn outer{"outer", [&]() -> ag::task<int> {
    const auto [a, b, c] = co_await ag::gather(branch(2), inner(2), branch(2));
    co_return a + b + c;
  }};
  std::vector<ag::run_handle<int>> handles;
  for (int i = 0; i < 6; ++i) handles.push_back(ag::start(rt, outer()));
  for (const auto& h : handles) {
    REQUIRE(h.wait_for(60s));
    CHECK(h.get() == 12);
  }
  CHECK(leaves.most() == 1);
  CHECK(rt.permits_held() == 0);
}

TEST_CASE("runs with waiting calls are served in turn") {
  asio::io_context io;
  ag::runtime rt(io, {.max_concurrency = 1});
  std::string order;
  const ag::tool step{"step", [&](char who) -> ag::task<> {
    order += who;
    co_await ag::sleep_for(1ms);
  }};
  const ag::graph_fn many{
      "many", [&](char who) -> ag::task<> { co_await ag::gather(step(who), step(who), step(who), step(who)); }};
  const auto a = ag::start(rt, many('a'));
  const auto b = ag::start(rt, many('b'));
  const auto c = ag::start(rt, many('c'));
  io.run();
  REQUIRE(order.size() == 12);
  // While all wait, none is two turns ahead of another, but for the one that had its first before the others came.
  for (std::size_t n = 1; n <= 7; ++n) {
    INFO(order << " up to " << n);
    const auto count = [&](char who) { return std::count(order.begin(), order.begin() + static_cast<int>(n), who); };
    const auto [least, most] = std::minmax({count('a'), count('b'), count('c')});
    CHECK(most - least <= 2);
  }
}

TEST_CASE("a call that is cancelled while it waits for a permit leaves the permit to others") {
  ag::runtime rt({.threads = 2, .max_concurrency = 1});
  door d;
  const auto holder = ag::start(rt, stubborn(&d));
  CHECK(eventually([&] { return d.arrived() == 1; }));
  const auto gives_up = ag::start(rt, agent(1));
  const auto goes_on = ag::start(rt, agent(4));
  CHECK(has(dump_with(rt, "waits for a permit of its runtime"), "waits for a permit of its runtime"));
  gives_up.cancel();
  CHECK_THROWS_AS(gives_up.get(), ag::cancelled);
  d.open();
  CHECK(goes_on.get() == 8);
  holder.get();
  CHECK(rt.permits_held() == 0);
}

TEST_CASE("permits of runs that are cancelled at any time come back") {
  ag::runtime rt({.threads = 3, .max_concurrency = 2});
  const ag::tool work{"work", [](int) -> ag::task<> { co_await ag::sleep_for(std::chrono::microseconds(100)); }};
  const ag::graph_fn wide{
      "wide", [&]() -> ag::task<> { co_await ag::gather(std::views::iota(0, 6) | std::views::transform(work)); }};
  for (int i = 0; i < 100; ++i) {
    std::vector<ag::run_handle<void>> handles;
    for (int n = 0; n < 4; ++n) handles.push_back(ag::start(rt, wide()));
    std::this_thread::sleep_for(std::chrono::microseconds(20 * i));
    for (const auto& h : handles) h.cancel();
    for (const auto& h : handles) h.wait();
    REQUIRE(rt.permits_held() == 0);
  }
  CHECK(ag::run(rt, agent(4)) == 8);
}

// --- the list of live runs

TEST_CASE("runs lists the live runs, oldest first, until they have ended") {
  ag::runtime rt;
  CHECK(rt.runs().empty());
  door d;
  const auto a = ag::start(rt, waiter(&d));
  const auto b = ag::start(rt, stubborn(&d));
  CHECK(eventually([&] { return d.arrived() == 2; }));
  b.cancel();
  const auto live = rt.runs();
  REQUIRE(live.size() == 2);
  CHECK(live[0].id == a.id());
  CHECK(live[0].name == "waiter");
  CHECK_FALSE(live[0].is_stopping);
  CHECK(live[0].age >= 0s);
  CHECK(live[0].age < 60s);
  CHECK(live[1].id == b.id());
  CHECK(live[1].name == "stubborn");
  CHECK(live[1].is_stopping);
  d.open();
  a.get();
  b.wait();
  CHECK(rt.runs().empty());
}

TEST_CASE("whoever learns that a run has ended does not find it in the list") {
  ag::runtime rt({.threads = 2});
  for (int i = 0; i < 500; ++i) {
    const auto h = ag::start(rt, agent(i));
    while (!h.done()) std::this_thread::yield();
    REQUIRE(rt.runs().empty());
  }
}

TEST_CASE("runs of calls and of tasks are listed by the tool's name and as task") {
  ag::runtime rt;
  door d;
  const auto a = ag::start(rt, hold(&d));
  const auto b = ag::start(rt, d.pass());
  const auto live = rt.runs();
  REQUIRE(live.size() == 2);
  CHECK(live[0].name == "hold");
  CHECK(live[1].name == "task");
  d.open();
  a.get();
  b.get();
}

TEST_CASE("a run is cancelled by its id") {
  ag::runtime rt;
  const auto a = ag::start(rt, sleeper());
  const auto b = ag::start(rt, sleeper());
  CHECK(rt.cancel(a.id()));
  CHECK_THROWS_AS(a.get(), ag::cancelled);
  CHECK_FALSE(b.done());
  CHECK(rt.runs().size() == 1);
  rt.cancel(b.id());
}

TEST_CASE("an id of no live run is not cancelled") {
  ag::runtime rt;
  const auto h = ag::start(rt, agent(1));
  h.get();
  CHECK_FALSE(rt.cancel(h.id()));
  CHECK_FALSE(rt.cancel("agent"));
  CHECK_FALSE(rt.cancel(""));
}

TEST_CASE("cancel_all asks every live run to stop, and later ones may be started") {
  ag::runtime rt({.threads = 2});
  std::vector<ag::run_handle<void>> handles;
  for (int i = 0; i < 10; ++i) handles.push_back(ag::start(rt, sleeper()));
  rt.cancel_all();
  for (const auto& h : handles) CHECK_THROWS_AS(h.get(), ag::cancelled);
  CHECK(ag::run(rt, agent(4)) == 8);
}

TEST_CASE("runs may be cancelled, listed and dumped while others start them") {
  ag::runtime rt({.threads = 2, .max_concurrency = 4});
  std::atomic<bool> is_over = false;
  std::thread other([&] {
    while (!is_over) {
      rt.cancel_all();
      static_cast<void>(rt.runs());
      static_cast<void>(rt.dump());
    }
  });
  int values = 0;
  int stopped = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto r = ag::try_run(rt, agent(i));
    if (r.ok()) ++values;
    else if (message_of(r.error()).find("cancelled") == 0) ++stopped;
  }
  is_over = true;
  other.join();
  CHECK(values + stopped == 1000);
  CHECK(rt.runs().empty());
}

// --- drain and shutdown

TEST_CASE("drain of a runtime without runs ends at once") {
  ag::runtime rt;
  const auto body = [](ag::runtime& r) -> ag::task<int> {
    co_await r.drain();
    co_return 1;
  };
  CHECK(ag::run(body(rt)) == 1);
}

TEST_CASE("drain ends when the last run has ended") {
  ag::runtime rt({.threads = 2});
  door d;
  for (int i = 0; i < 3; ++i) static_cast<void>(ag::start(rt, waiter(&d)));
  const auto body = [](ag::runtime& r, door& at) -> ag::task<std::size_t> {
    co_await ag::sleep_for(5ms);
    CHECK(r.runs().size() == 3);
    at.open();
    co_await r.drain();
    co_return r.runs().size();
  };
  CHECK(ag::run(body(rt, d)) == 0);
}

TEST_CASE("drain does not end with one run while another lives") {
  ag::runtime rt({.threads = 2});
  ag::runtime elsewhere;
  door first;
  door second;
  const auto a = ag::start(rt, waiter(&first));
  const auto b = ag::start(rt, waiter(&second));
  const auto drained = ag::start(elsewhere, [](ag::runtime& r) -> ag::task<> { co_await r.drain(); }(rt));
  dump_with(elsewhere, "waits for a runtime without runs");
  first.open();
  a.get();
  CHECK_FALSE(drained.wait_for(20ms));
  second.open();
  drained.get();
  CHECK(b.done());
}

TEST_CASE("when a runtime is drained, all handles are done") {
  asio::thread_pool pool(3);
  ag::runtime rt(pool);
  const auto body = [](ag::runtime& r) -> ag::task<> { co_await r.drain(); };
  for (int i = 0; i < 500; ++i) {
    const auto a = ag::start(rt, agent(i));
    const auto b = ag::start(rt, agent(i));
    ag::run(body(rt));
    REQUIRE(a.done());
    REQUIRE(b.done());
  }
}

TEST_CASE("waiting for a drain can be cancelled, and the runs go on") {
  ag::runtime rt;
  door d;
  const auto h = ag::start(rt, waiter(&d));
  const auto body = [](ag::runtime& r) -> ag::task<bool> {
    const auto late = co_await ag::as_result(ag::timeout(r.drain(), 5ms));
    co_return late.has_value();
  };
  CHECK_FALSE(ag::run(body(rt)));
  CHECK_FALSE(h.done());
  d.open();
  h.get();
}

TEST_CASE("a shutdown that all runs obey names nobody") {
  ag::runtime rt({.threads = 2});
  const auto a = ag::start(rt, sleeper());
  const auto b = ag::start(rt, sleeper());
  CHECK(rt.shutdown(30s).empty());
  CHECK(rt.runs().empty());
  CHECK_THROWS_AS(a.get(), ag::cancelled);
  CHECK_THROWS_AS(b.get(), ag::cancelled);
}

TEST_CASE("a shutdown names what ignores it, and may be called again") {
  ag::runtime rt({.threads = 2});
  door d;
  const auto h = ag::start(rt, stubborn(&d));
  CHECK(eventually([&] { return d.arrived() == 1; }));
  CHECK(rt.shutdown(10ms) == std::vector<std::string>{"hold#1 of " + h.id()});
  CHECK(rt.shutdown(0s) == std::vector<std::string>{"hold#1 of " + h.id()});
  CHECK_FALSE(h.done());
  d.open();
  CHECK(rt.shutdown(30s).empty());
  CHECK(h.done());
}

TEST_CASE("a shutdown names the run where no node of it ignores the request") {
  ag::runtime rt;
  door d;
  const auto h = ag::start(rt, d.insist());
  CHECK(eventually([&] { return d.arrived() == 1; }));
  CHECK(rt.shutdown(10ms) == std::vector<std::string>{h.id()});
  d.open();
  CHECK(rt.shutdown(30s).empty());
}

TEST_CASE("a shutdown names a run whose body computes") {
  ag::runtime rt;
  std::atomic<bool> may_end = false;
  std::atomic<bool> has_begun = false;
  const auto body = [](std::atomic<bool>& begun, std::atomic<bool>& end) -> ag::task<> {
    begun = true;
    eventually([&] { return end.load(); });
    co_return;
  };
  const auto h = ag::start(rt, body(has_begun, may_end));
  CHECK(eventually([&] { return has_begun.load(); }));
  CHECK(rt.shutdown(0s) == std::vector<std::string>{h.id()});
  may_end = true;
  CHECK(rt.shutdown(30s).empty());
}

TEST_CASE("after a shutdown no run is started") {
  ag::runtime rt;
  CHECK(rt.shutdown(0s).empty());
  CHECK_THAT(refusal_of([&] { static_cast<void>(ag::start(rt, agent(1))); }),
      Matches("run 'agent#[0-9]+' was not started: the runtime was shut down"));
  CHECK_THROWS_AS(ag::run(rt, agent(1)), ag::error);
  CHECK_THROWS_AS(ag::try_run(rt, agent(1)), ag::error);
  CHECK(rt.runs().empty());
}

TEST_CASE("a shutdown inside a run is refused") {
  ag::runtime rt;
  const auto body = [](ag::runtime& r) -> ag::task<> {
    r.shutdown(1s);
    co_return;
  };
  CHECK_THAT(message_of(ag::try_run(rt, body(rt)).error()), Matches("waiting for a run was tried from inside a run.*"));
  CHECK(ag::run(rt, agent(4)) == 8);  // and has changed nothing
}

// --- who waits for what

TEST_CASE("the dump of an idle runtime counts no runs") {
  ag::runtime rt;
  CHECK(rt.dump() == "0 live runs\n");
}

TEST_CASE("a dump says who sleeps and who waits for a slot") {
  ag::runtime rt;
  const ag::graph_fn narrow{
      "narrow", []() -> ag::task<> { co_await ag::gather(nap(1), nap(2), nap(3)); }, {.max_concurrency = 1}};
  const auto h = ag::start(rt, narrow());
  const std::string text = dump_with(rt, "waits for a slot");
  CHECK_THAT(text, Matches("1 live runs\n" + h.id() +
                           ", started [0-9]+ ms ago: running, 1 of 1 slots held, 2 calls wait for one\n"
                           "  nap#1 \\([0-9./]+\\) running, waits for a sleep\n"
                           "  nap#2 \\([0-9./]+\\) waiting, waits for a slot\n"
                           "  nap#3 \\([0-9./]+\\) waiting, waits for a slot\n"));
}

TEST_CASE("a dump says that a call waits for a permit of the runtime, and how many are held") {
  ag::runtime rt({.threads = 1, .max_concurrency = 1});
  const auto h = ag::start(rt, [](int) -> ag::task<> { co_await ag::gather(nap(1), nap(2)); }(0));
  dump_with(rt, "waits for a permit");
  const std::string text = rt.dump();
  CHECK(text.find("1 live runs, 1 of 1 permits held\n") == 0);
  CHECK_THAT(text, Matches("[^]*\n  nap#2 \\([0-9./]+\\) waiting, waits for a permit of its runtime\n"));
}

TEST_CASE("a dump says that a body waits for a permit of a semaphore") {
  ag::runtime rt;
  door d;
  const ag::tool passes{"passes", [](door* at) -> ag::task<> { co_await at->pass(); }};
  const ag::graph_fn outer{"outer", [&](door* at) -> ag::task<> { co_await passes(at); }};
  const auto h = ag::start(rt, outer(&d));
  CHECK_THAT(dump_with(rt, "semaphore"),
      Matches("[^]*\n  passes#1 \\([0-9./]+\\) running, waits for a permit of a semaphore\n"));
}

TEST_CASE("a dump says that a body waits for an operation of Asio's") {
  ag::runtime rt;
  const ag::tool ticks{"ticks", [](int) -> ag::task<> {
    asio::steady_timer t(co_await asio::this_coro::executor, 24h);
    co_await t.async_wait(ag::use_task);
  }};
  const auto h = ag::start(rt, ticks(1));
  CHECK_THAT(
      dump_with(rt, "Asio"), Matches("[^]*\n  ticks#1 \\([0-9./]+\\) running, waits for an operation of Asio's\n"));
}

TEST_CASE("a dump says what the body of a run waits for itself") {
  ag::runtime rt;
  const auto h = ag::start(rt, sleeper());
  CHECK_THAT(dump_with(rt, "a sleep"), Matches("1 live runs\n" + h.id() +
                                               ", started [0-9]+ ms ago: running, 0 of 4 "
                                               "slots held, waits for a sleep\n"));
}

TEST_CASE("a dump says that one run waits for another, and for an idle runtime") {
  ag::runtime rt({.threads = 2});
  ag::runtime elsewhere;
  const auto first = ag::start(rt, sleeper());
  const auto second = ag::start(rt, [](ag::run_handle<void> h) -> ag::task<> { co_await h; }(first));
  const auto third = ag::start(elsewhere, [](ag::runtime& r) -> ag::task<> { co_await r.drain(); }(rt));
  CHECK_THAT(dump_with(rt, "another run"),
      Matches("2 live runs\n" + first.id() + ", started [^\n]*\n" + second.id() +
              ", started [0-9]+ ms ago: running, 0 of 4 slots held, waits for another run\n"));
  CHECK(has(dump_with(elsewhere, "waits for"), "waits for a runtime without runs\n"));
  rt.cancel_all();
  third.get();
}

TEST_CASE("a dump shows nested runs with their own slots") {
  ag::runtime rt;
  const ag::graph_fn inner{"inner", []() -> ag::task<> { co_await nap(1); }, {.max_concurrency = 7}};
  const ag::graph_fn outer{"outer", [&]() -> ag::task<> { co_await inner(); }};
  const auto h = ag::start(rt, outer());
  CHECK_THAT(dump_with(rt, "a sleep"), Matches("[^]*: running, 0 of 4 slots held\n"
                                               "  inner#1 \\([0-9./]+\\) running, 1 of 7 slots held\n"
                                               "  nap#2 \\([0-9./]+\\) running, waits for a sleep\n"));
}

TEST_CASE("a dump says what was asked to stop and has not ended") {
  ag::runtime rt;
  door d;
  const auto h = ag::start(rt, stubborn(&d));
  CHECK(eventually([&] { return d.arrived() == 1; }));
  h.cancel();
  const std::string text = dump_with(rt, "ms ago: stopping");
  CHECK_THAT(text, Matches("[^]* ms ago: stopping, 1 of 4 slots held\n"
                           "  hold#1 \\([0-9./]+\\) stopping, waits for a permit of a semaphore\n"));
  d.open();
  h.wait();
}

TEST_CASE("a dump tells of calls that are not recorded") {
  ag::runtime rt;
  const auto h = ag::start(rt, nap(1), {.record = ag::record::off});
  CHECK(has(dump_with(rt, "a sleep"), "\n  call 1, which is not recorded, waits for a sleep\n"));
}

TEST_CASE("a dump tells of a run that has not begun") {
  asio::io_context io;
  ag::runtime rt(io);
  const auto h = ag::start(rt, agent(1));
  CHECK_THAT(rt.dump(), Matches("1 live runs\n" + h.id() + ", started [0-9]+ ms ago: not begun yet\n"));
  io.run();
}

TEST_CASE("a dump waits a little for a body that computes, then says that it is busy") {
  ag::runtime rt;
  std::atomic<bool> may_end = false;
  std::atomic<bool> has_begun = false;
  const auto body = [](std::atomic<bool>& begun, std::atomic<bool>& end) -> ag::task<> {
    begun = true;
    eventually([&] { return end.load(); });
    co_return;
  };
  const auto h = ag::start(rt, body(has_begun, may_end));
  CHECK(eventually([&] { return has_begun.load(); }));
  CHECK(has(rt.dump(), "ms ago: busy: a body has been computing, or blocking, for the whole time of this look\n"));
  may_end = true;
  h.get();
}

TEST_CASE("a body may dump its own runtime") {
  ag::runtime rt;
  const ag::tool looks{"looks", [&]() { return rt.dump(); }};
  CHECK_THAT(ag::run(rt, [](const auto& t) -> ag::task<std::string> { co_return co_await t(); }(looks)),
      Matches("1 live runs\ntask#[0-9]+, started [0-9]+ ms ago: running, 1 of 4 slots held\n"
              "  looks#1 \\([0-9./]+\\) running\n"));
}

TEST_CASE("two bodies may dump their runtime at the same time") {
  ag::runtime rt({.threads = 2});
  const auto body = [](ag::runtime& r) -> ag::task<bool> {
    bool saw_both = false;
    for (int i = 0; i < 200; ++i) saw_both = has(r.dump(), "2 live runs") || saw_both;
    co_return saw_both;
  };
  const auto a = ag::start(rt, body(rt));
  const auto b = ag::start(rt, body(rt));
  CHECK(a.wait_for(60s));
  CHECK(b.wait_for(60s));
}

// --- run and try_run

TEST_CASE("run on a runtime gives the value or throws what the body threw") {
  ag::runtime rt;
  CHECK(ag::run(rt, agent(4)) == 8);
  CHECK(ag::run(rt, doubled(4)) == 8);
  CHECK_THROWS_WITH(ag::run(rt, fails()), "the run failed");
}

TEST_CASE("run on a runtime gives a move-only result") {
  ag::runtime rt;
  const auto body = []() -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  CHECK(*ag::run(rt, body()) == 3);
}

TEST_CASE("run on a runtime uses the options of the run") {
  ag::runtime rt;
  CHECK_THROWS_WITH(
      ag::run(rt, agent(4), {.max_concurrency = 0}), "run of 'agent': max_concurrency is 0; it must be at least 1");
  CHECK_THROWS_AS(ag::run(rt, sleeper(), {.deadline = 2ms}), ag::timed_out);
}

TEST_CASE("try_run on a runtime gives the outcome with the nodes, the failures and the peak") {
  ag::runtime rt;
  const ag::tool breaks{"breaks", [](int) -> int { throw std::runtime_error("broken"); }};
  const ag::graph_fn outer{"outer", [&]() -> ag::task<> {
    co_await doubled(1);
    co_await breaks(1);
  }};
  const auto r = ag::try_run(rt, outer(), {.max_concurrency = 2});
  CHECK_FALSE(r.ok());
  CHECK(message_of(r.error()) == "broken");
  REQUIRE(r.failures().size() == 1);
  CHECK(r.failures()[0].node == "breaks#2");
  CHECK(r.graph().nodes().size() == 2);
  CHECK(r.graph().state() == ag::node_state::failed);
  CHECK(r.peak_concurrency() == 1);
}

TEST_CASE("run and try_run on a runtime are refused inside a run") {
  ag::runtime rt({.threads = 2});
  const auto body = [](ag::runtime& r, bool tries) -> ag::task<int> {
    co_return tries ? ag::try_run(r, agent(1)).value() : ag::run(r, agent(1));
  };
  const std::string sentence =
      "waiting for a run was tried from inside a run, whose thread it would block; use `co_await handle` there";
  CHECK(message_of(ag::try_run(rt, body(rt, false)).error()) == sentence);
  CHECK(message_of(ag::try_run(rt, body(rt, true)).error()) == sentence);
  CHECK(message_of(ag::try_run(body(rt, false)).error()) == sentence);
}

TEST_CASE("run on a runtime is refused on the threads that a runtime owns") {
  ag::runtime rt;
  std::promise<std::string> said;
  asio::post(rt.executor(), [&] { said.set_value(refusal_of([&] { static_cast<void>(ag::run(rt, agent(1))); })); });
  CHECK(said.get_future().get() ==
        "waiting for a run was tried on a thread that a runtime owns, which it would block; use `co_await handle` in a "
        "task, or wait on a thread of your own");
}

// --- what a runtime lends

TEST_CASE("a runtime's channel serves runs that name none") {
  ag::memory_channel shared;
  ag::memory_channel own;
  ag::runtime rt({.channel = &shared});
  const ag::graph_fn talks{"talks",
      [](ag::context& ctx, std::string text) -> ag::task<> { co_await ctx.channel().send_text(std::move(text)); }};
  ag::run(rt, talks("to all"));
  ag::run(rt, talks("to me"), {.channel = &own});
  CHECK(shared.texts() == std::vector<std::string>{"to all"});
  CHECK(own.texts() == std::vector<std::string>{"to me"});
}

TEST_CASE("a runtime's observers are told of all its runs, those added later of the later ones") {
  struct counter final : ag::observer {
    std::atomic<int> runs = 0;
    std::atomic<int> nodes = 0;
    void on_event(const ag::event& e) override {
      if (e.kind() == ag::event_kind::run_ended) ++runs;
      if (e.kind() == ag::event_kind::node_ended) ++nodes;
    }
  };
  counter first;
  counter second;
  counter of_the_run;
  ag::runtime rt({.threads = 2, .observer = &first});
  ag::run(rt, agent(1));
  rt.add_observer(second);
  ag::run(rt, agent(2), {.observer = &of_the_run});
  CHECK(first.runs == 2);
  CHECK(first.nodes == 2);
  CHECK(second.runs == 1);
  CHECK(second.nodes == 1);
  CHECK(of_the_run.nodes == 1);
}

// --- the end

TEST_CASE("dropping a handle lets the run go on to its end") {
  ag::runtime rt;
  door d;
  std::atomic<bool> has_ended = false;
  const auto body = [](door& at, std::atomic<bool>& ended) -> ag::task<> {
    co_await at.pass();
    ended = true;
  };
  static_cast<void>(ag::start(rt, body(d, has_ended)));
  CHECK(eventually([&] { return d.arrived() == 1; }));
  CHECK(rt.runs().size() == 1);
  d.open();
  CHECK(eventually([&] { return rt.runs().empty(); }));
  CHECK(has_ended);
}

TEST_CASE("the destructor of a runtime cancels its runs and waits for them") {
  std::atomic<int> cleaned_up = 0;
  std::vector<ag::run_handle<void>> handles;
  {
    ag::runtime rt({.threads = 2});
    const auto body = [](std::atomic<int>& n) -> ag::task<> {
      const auto stopped = co_await ag::as_result(ag::sleep_for(24h));
      co_await ag::shielded(ag::sleep_for(5ms));
      n += !stopped.has_value();
    };
    for (int i = 0; i < 5; ++i) handles.push_back(ag::start(rt, body(cleaned_up)));
    eventually([&] { return has(rt.dump(), "waits for a sleep"); });
  }
  for (const auto& h : handles) CHECK(h.done());
  CHECK(cleaned_up == 5);
}

TEST_CASE("a handle outlives its runtime") {
  ag::run_handle<int> value;
  ag::run_handle<void> stopped;
  {
    ag::runtime rt;
    value = ag::start(rt, agent(4));
    value.wait();
    stopped = ag::start(rt, sleeper());
  }
  CHECK(value.get() == 8);
  CHECK(value.graph().nodes().size() == 1);
  CHECK_THROWS_AS(stopped.get(), ag::cancelled);
  stopped.cancel();
}

TEST_CASE("a run may be looked at and cancelled by others while its runtime goes") {
  for (int i = 0; i < 200; ++i) {
    std::optional<ag::runtime> rt(std::in_place);
    const auto h = ag::start(*rt, sleeper());
    std::atomic<bool> has_begun = false;
    std::thread other([&] {
      has_begun = true;
      for (int n = 0; n < 20; ++n) {
        static_cast<void>(h.graph());
        h.cancel();
      }
    });
    while (!has_begun) std::this_thread::yield();
    rt.reset();
    other.join();
    REQUIRE(h.done());
  }
}

TEST_CASE("the destructor of a runtime does not wait for a borrowed io_context that was stopped") {
  asio::io_context io;
  ag::run_handle<void> h;
  {
    ag::runtime rt(io);
    h = ag::start(rt, sleeper());
    io.poll();
    io.stop();
  }
  CHECK_FALSE(h.done());
  io.restart();
  io.run();
  REQUIRE(h.done());
  CHECK_THROWS_AS(h.get(), ag::cancelled);
}

TEST_CASE("the destructor of a runtime waits for a borrowed io_context that others run") {
  const auto takes_its_time = []() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::shielded(ag::sleep_for(30ms));
  };
  asio::io_context io;
  auto work = asio::make_work_guard(io);
  std::thread runs_it([&] { io.run(); });
  ag::run_handle<void> h;
  {
    ag::runtime rt(io);
    h = ag::start(rt, takes_its_time());
  }
  CHECK(h.done());
  work.reset();
  runs_it.join();
}

TEST_CASE("a borrowed io_context that is destroyed first takes its runs with it") {
  const auto watch = std::make_shared<int>(1);
  std::optional<asio::io_context> io(std::in_place);
  ag::runtime rt(*io, {.max_concurrency = 1});
  const ag::graph_fn holds{"holds", [](std::shared_ptr<int>) -> ag::task<> { co_await nap(1); }};
  const auto running = ag::start(rt, holds(watch));
  const auto waiting = ag::start(rt, holds(watch));
  io->poll();
  const auto not_begun = ag::start(rt, holds(watch));
  CHECK(watch.use_count() == 4);
  std::thread waits([&] { CHECK_THROWS_AS(running.get(), ag::cancelled); });
  io.reset();
  waits.join();
  CHECK(watch.use_count() == 1);
  for (const auto* h : {&running, &waiting, &not_begun}) {
    REQUIRE(h->done());
    CHECK_THROWS_AS(h->get(), ag::cancelled);
    CHECK_THROWS_WITH(h->get(), "cancelled: the executor of run " + h->id() + " was destroyed");
    h->cancel();
    CHECK(h->graph().nodes().empty());
  }
  CHECK(rt.runs().empty());
  CHECK(rt.permits_held() == 0);
  CHECK(rt.dump() == "0 live runs, 0 of 1 permits held\n");
}

TEST_CASE("a run elsewhere that awaits one whose io_context is destroyed gets cancelled") {
  std::optional<asio::io_context> io(std::in_place);
  ag::runtime borrowed(*io);
  ag::runtime rt;
  const auto lost = ag::start(borrowed, sleeper());
  const auto awaits = ag::start(rt, [](ag::run_handle<void> h) -> ag::task<bool> {
    const auto r = co_await ag::as_result(std::move(h));
    co_return r.has_value();
  }(lost));
  dump_with(rt, "another run");
  io->poll();
  io.reset();
  CHECK_FALSE(awaits.get());
}

TEST_CASE("runs of one borrowed io_context that await each other go with it") {
  std::optional<asio::io_context> io(std::in_place);
  ag::runtime rt(*io);
  const auto first = ag::start(rt, sleeper());
  std::vector<ag::run_handle<void>> all{first};
  for (int i = 0; i < 5; ++i)
    all.push_back(ag::start(rt, [](ag::run_handle<void> h) -> ag::task<> { co_await h; }(all.back())));
  io->poll();
  io.reset();
  for (const auto& h : all) CHECK_THROWS_AS(h.get(), ag::cancelled);
  CHECK(rt.runs().empty());
}
