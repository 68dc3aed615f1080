#include "aethergraph/run_handle.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
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

static_assert(std::is_copy_constructible_v<ag::run_handle<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_default_constructible_v<ag::run_handle<int>>);
static_assert(std::is_same_v<ag::run_handle<int>::value_type, int>);

namespace {

const ag::tool doubled{"doubled", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return co_await doubled(x); }};
const ag::graph_fn sleeper{"sleeper", []() -> ag::task<> { co_await ag::sleep_for(24h); }};
const ag::tool passes{"passes", [](door* d) -> ag::task<int> {
  co_await d->pass();
  co_return 7;
}};
const ag::graph_fn waiter{"waiter", [](door* d) -> ag::task<int> {
  const int x = co_await doubled(1);
  co_return x + co_await passes(d);
}};
const ag::graph_fn fails{"fails", []() -> ag::task<int> {
  co_await ag::sleep_for(0s);
  throw std::runtime_error("the run failed");
}};
const ag::graph_fn makes{"makes", []() -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); }};

ag::task<int> await_it(ag::run_handle<int> h) { co_return co_await h; }

std::string message_of(const std::exception_ptr& e) {
  try {
    if (e) std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  }
  return "";
}

}  // namespace

// --- what it says

TEST_CASE("the id of a handle names the agent and the run, as the run itself does") {
  ag::runtime rt;
  const ag::graph_fn asks{"asks", [](ag::context& ctx) -> ag::task<std::string> { co_return ctx.run_id(); }};
  const auto h = ag::start(rt, asks());
  CHECK_THAT(h.id(), Matches("asks#[0-9]+"));
  CHECK(h.get() == h.id());
}

TEST_CASE("the ids of runs differ and grow") {
  ag::runtime rt;
  const auto a = ag::start(rt, agent(1));
  const auto b = ag::start(rt, agent(1));
  CHECK(a.id() != b.id());
  CHECK(std::stoi(a.id().substr(6)) < std::stoi(b.id().substr(6)));
}

TEST_CASE("done turns true when the run has ended") {
  ag::runtime rt;
  door d;
  const auto h = ag::start(rt, waiter(&d));
  CHECK(eventually([&] { return d.arrived() == 1; }));
  CHECK_FALSE(h.done());
  d.open();
  h.wait();
  CHECK(h.done());
}

TEST_CASE("copies of a handle mean the same run") {
  ag::runtime rt;
  door d;
  const auto a = ag::start(rt, waiter(&d));
  const auto b = a;
  CHECK(a.id() == b.id());
  b.cancel();
  CHECK_THROWS_AS(a.get(), ag::cancelled);
  CHECK(b.done());
}

// --- get, wait, wait_for

TEST_CASE("get gives a copy of the result, as often as it is asked") {
  ag::runtime rt;
  const auto h = ag::start(rt, [](int) -> ag::task<std::string> { co_return "text"; }(0));
  CHECK(h.get() == "text");
  CHECK(h.get() == "text");
}

TEST_CASE("get rethrows what the run failed with, each time") {
  ag::runtime rt;
  const auto h = ag::start(rt, fails());
  CHECK_THROWS_WITH(h.get(), "the run failed");
  CHECK_THROWS_WITH(h.get(), "the run failed");
}

TEST_CASE("get of a void run returns or throws") {
  ag::runtime rt;
  ag::start(rt, [](int) -> ag::task<> { co_return; }(0)).get();
  const auto h = ag::start(rt, [](int) -> ag::task<> {
    throw std::runtime_error("void failed");
    co_return;
  }(0));
  CHECK_THROWS_WITH(h.get(), "void failed");
}

TEST_CASE("bad options are the failure of the run, not of the start") {
  ag::runtime rt;
  const auto h = ag::start(rt, agent(1), {.max_concurrency = 0});
  CHECK_THROWS_WITH(h.get(), "run of 'agent': max_concurrency is 0; it must be at least 1");
  CHECK(rt.runs().empty());
}

TEST_CASE("wait throws nothing of a run that failed") {
  ag::runtime rt;
  const auto h = ag::start(rt, fails());
  CHECK_NOTHROW(h.wait());
  CHECK(h.done());
}

TEST_CASE("wait_for says whether the run has ended in that time") {
  ag::runtime rt;
  door d;
  const auto h = ag::start(rt, waiter(&d));
  CHECK_FALSE(h.wait_for(5ms));
  CHECK_FALSE(h.wait_for(0s));
  CHECK_FALSE(h.wait_for(-1s));
  d.open();
  CHECK(h.wait_for(30s));
  CHECK(h.wait_for(0s));
}

TEST_CASE("wait_for takes the longest duration there is") {
  ag::runtime rt;
  const auto h = ag::start(rt, agent(1));
  CHECK(h.wait_for(ag::duration::max()));
}

TEST_CASE("many threads may wait for one run") {
  ag::runtime rt;
  door d;
  const auto h = ag::start(rt, waiter(&d));
  std::atomic<int> sum = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { sum += h.get(); });
  d.open();
  for (auto& t : threads) t.join();
  CHECK(sum == 8 * 9);
}

TEST_CASE("a result that cannot be copied is given away once") {
  ag::runtime rt;
  const auto h = ag::start(rt, makes());
  const auto other = h;
  CHECK(*h.get() == 3);
  CHECK_THROWS_WITH(other.get(), "the result of " + h.id() + " cannot be copied, and was taken before");
  CHECK_THROWS_AS(h.get(), ag::error);
}

TEST_CASE("of several threads that get a move-only result one has it") {
  ag::runtime rt;
  for (int i = 0; i < 50; ++i) {
    const auto h = ag::start(rt, makes());
    std::atomic<int> taken = 0;
    std::atomic<int> refused = 0;
    const auto take = [&] {
      try {
        taken += *h.get() == 3;
      } catch (const ag::error&) {
        ++refused;
      }
    };
    std::thread a(take);
    std::thread b(take);
    a.join();
    b.join();
    REQUIRE(taken == 1);
    REQUIRE(refused == 1);
  }
}

TEST_CASE("a failure of a run with a move-only result is thrown each time") {
  ag::runtime rt;
  const auto h = ag::start(rt, [](int) -> ag::task<std::unique_ptr<int>> {
    throw std::runtime_error("no pointer");
    co_return nullptr;
  }(0));
  CHECK_THROWS_WITH(h.get(), "no pointer");
  CHECK_THROWS_WITH(h.get(), "no pointer");
}

TEST_CASE("when a run is done, its arguments are gone") {
  ag::runtime rt({.threads = 2});
  const ag::graph_fn holds{"holds", [](std::shared_ptr<int> p) -> ag::task<int> { co_return *p; }};
  for (int i = 0; i < 100; ++i) {
    const auto watch = std::make_shared<int>(1);
    const auto h = ag::start(rt, holds(watch));
    while (!h.done()) std::this_thread::yield();
    REQUIRE(watch.use_count() == 1);
  }
}

// --- cancel

TEST_CASE("a cancelled run ends with cancelled, which says why") {
  ag::runtime rt;
  const auto h = ag::start(rt, sleeper());
  h.cancel();
  CHECK_THROWS_AS(h.get(), ag::cancelled);
  CHECK(h.graph().state() == ag::node_state::cancelled);
}

TEST_CASE("a run that is cancelled before it begins never starts its body") {
  asio::io_context io;
  ag::runtime rt(io);
  bool ran = false;
  const auto h = ag::start(rt, [](bool& b) -> ag::task<> {
    b = true;
    co_await ag::sleep_for(24h);
  }(ran));
  h.cancel();
  io.run();
  CHECK_THROWS_AS(h.get(), ag::cancelled);
}

TEST_CASE("cancelling twice, or when the run is over, is harmless") {
  ag::runtime rt;
  const auto stopped = ag::start(rt, sleeper());
  stopped.cancel();
  stopped.cancel();
  CHECK_THROWS_AS(stopped.get(), ag::cancelled);
  stopped.cancel();
  const auto ended = ag::start(rt, agent(4));
  ended.wait();
  ended.cancel();
  CHECK(ended.get() == 8);
  CHECK(ended.graph().state() == ag::node_state::done);
}

TEST_CASE("a run that returns although it was asked to stop gives its value") {
  ag::runtime rt;
  door d;
  const auto h = ag::start(rt, [](door& at) -> ag::task<int> {
    co_await at.insist();
    co_return 5;
  }(d));
  CHECK(eventually([&] { return d.arrived() == 1; }));
  h.cancel();
  d.open();
  CHECK(h.get() == 5);
}

TEST_CASE("many threads may cancel one run") {
  ag::runtime rt({.threads = 2});
  for (int i = 0; i < 50; ++i) {
    const auto h = ag::start(rt, sleeper());
    std::vector<std::thread> threads;
    for (int n = 0; n < 4; ++n) threads.emplace_back([&] { h.cancel(); });
    for (auto& t : threads) t.join();
    CHECK_THROWS_AS(h.get(), ag::cancelled);
  }
}

TEST_CASE("a body may cancel its own run") {
  ag::runtime rt;
  std::promise<ag::run_handle<void>> mine;
  const auto body = [](std::future<ag::run_handle<void>> self) -> ag::task<> {
    const ag::run_handle<void> h = self.get();
    h.cancel();
    co_await ag::sleep_for(24h);
  };
  const auto h = ag::start(rt, body(mine.get_future()));
  mine.set_value(h);
  CHECK_THROWS_AS(h.get(), ag::cancelled);
}

// --- graph

TEST_CASE("the graph of a live run shows its nodes as they stand") {
  ag::runtime rt;
  door d;
  const auto h = ag::start(rt, waiter(&d));
  CHECK(eventually([&] { return d.arrived() == 1; }));
  const ag::task_graph now = h.graph();
  CHECK(now.id() == h.id());
  CHECK(now.state() == ag::node_state::running);
  REQUIRE(now.nodes().size() == 2);
  CHECK(now.nodes()[0].id == "doubled#1");
  CHECK(now.nodes()[0].state == ag::node_state::done);
  CHECK(now.nodes()[1].id == "passes#2");
  CHECK(now.nodes()[1].state == ag::node_state::running);
  CHECK_FALSE(now.nodes()[1].end.has_value());
  d.open();
  CHECK(h.get() == 9);
  CHECK(now.nodes()[1].state == ag::node_state::running);  // a snapshot stays what it was
  const ag::task_graph then = h.graph();
  CHECK(then.id() == h.id());
  CHECK(then.state() == ag::node_state::done);
  REQUIRE(then.nodes().size() == 2);
  CHECK(then.nodes()[1].state == ag::node_state::done);
}

TEST_CASE("the graph of a run that was asked to stop shows what is stopping") {
  ag::runtime rt;
  door d;
  const ag::tool insists{"insists", [](door* at) -> ag::task<> { co_await at->insist(); }};
  const auto h = ag::start(rt, insists(&d));
  CHECK(eventually([&] { return d.arrived() == 1; }));
  h.cancel();
  CHECK(eventually([&] { return h.graph().state() == ag::node_state::stopping; }));
  CHECK(h.graph().nodes().at(0).state == ag::node_state::stopping);
  d.open();
  h.wait();
  CHECK(h.graph().nodes().at(0).state == ag::node_state::done);
}

TEST_CASE("the graph of a run that has not begun is empty, and waiting") {
  asio::io_context io;
  ag::runtime rt(io);
  const auto h = ag::start(rt, agent(1));
  CHECK(h.graph().id() == h.id());
  CHECK(h.graph().state() == ag::node_state::waiting);
  CHECK(h.graph().nodes().empty());
  io.run();
  CHECK(h.graph().nodes().size() == 1);
}

TEST_CASE("the graph of a run without records has no nodes, and the state of the run") {
  ag::runtime rt;
  door d;
  const auto h = ag::start(rt, waiter(&d), {.record = ag::record::off});
  CHECK(eventually([&] { return d.arrived() == 1; }));
  CHECK(h.graph().nodes().empty());
  CHECK(h.graph().state() == ag::node_state::running);
  d.open();
  h.wait();
  CHECK(h.graph().nodes().empty());
  CHECK(h.graph().state() == ag::node_state::done);
}

TEST_CASE("the graph of a run that failed says so") {
  ag::runtime rt;
  const auto h = ag::start(rt, fails());
  h.wait();
  CHECK(h.graph().state() == ag::node_state::failed);
}

TEST_CASE("a live graph is consistent while the run goes on") {
  ag::runtime rt({.threads = 2});
  const ag::graph_fn busy{"busy", []() -> ag::task<> {
    for (int i = 0; i < 300; ++i) {
      co_await ag::gather(doubled(1), doubled(2), doubled(3));
      if (i % 10 == 0) co_await ag::sleep_for(std::chrono::microseconds(10));
    }
  }};
  const auto h = ag::start(rt, busy());
  std::size_t before = 0;
  while (!h.done()) {
    const ag::task_graph g = h.graph();
    REQUIRE(g.nodes().size() >= before);
    before = g.nodes().size();
    // All but the last gather have ended, since each was awaited before the next.
    for (std::size_t n = 0; n + 3 < before; ++n) REQUIRE(ag::has_ended(g.nodes()[n].state));
  }
  CHECK(h.graph().nodes().size() == 900);
}

TEST_CASE("graph waits while a body computes") {
  ag::runtime rt;
  std::atomic<bool> has_begun = false;
  const ag::tool computes{"computes", [&](int) {
    has_begun = true;
    std::this_thread::sleep_for(20ms);
  }};
  const auto h = ag::start(rt, computes(1));
  CHECK(eventually([&] { return has_begun.load(); }));
  CHECK(h.graph().nodes().at(0).state == ag::node_state::done);
}

TEST_CASE("a body may look at the graph of its own run, and runs at each other's") {
  ag::runtime rt({.threads = 2});
  std::promise<ag::run_handle<std::size_t>> to_a;
  std::promise<ag::run_handle<std::size_t>> to_b;
  const auto body = [](std::future<ag::run_handle<std::size_t>> of) -> ag::task<std::size_t> {
    const ag::run_handle<std::size_t> other = of.get();
    std::size_t most = 0;
    for (int i = 0; i < 100; ++i) {
      co_await doubled(i);
      most = std::max(most, other.graph().nodes().size());
    }
    co_return most;
  };
  const auto a = ag::start(rt, body(to_a.get_future()));
  const auto b = ag::start(rt, body(to_b.get_future()));
  to_a.set_value(b);
  to_b.set_value(a);
  CHECK(a.wait_for(60s));
  CHECK(b.wait_for(60s));

  std::promise<ag::run_handle<std::size_t>> to_itself;
  const auto c = ag::start(rt, body(to_itself.get_future()));
  to_itself.set_value(c);
  CHECK(c.get() == 100);
}

// --- awaiting

TEST_CASE("a handle is awaited in a run elsewhere, any number of times") {
  ag::runtime rt;
  const auto h = ag::start(rt, agent(4));
  const auto body = [](ag::run_handle<int> it) -> ag::task<int> {
    const int a = co_await it;
    const int b = co_await it;
    co_return a + b;
  };
  CHECK(ag::run(body(h)) == 16);
  CHECK(ag::run(await_it(h)) == 8);
  CHECK(h.get() == 8);
}

TEST_CASE("awaiting a handle throws what the run failed with, each time") {
  ag::runtime rt;
  const auto h = ag::start(rt, fails());
  CHECK_THROWS_WITH(ag::run(await_it(h)), "the run failed");
  CHECK_THROWS_WITH(ag::run(await_it(h)), "the run failed");
}

TEST_CASE("a handle is awaited by runs on the same runtime, and on its only thread") {
  ag::runtime rt;
  door d;
  const auto first = ag::start(rt, waiter(&d));
  std::vector<ag::run_handle<int>> all;
  for (int i = 0; i < 10; ++i) all.push_back(ag::start(rt, await_it(i == 0 ? first : all.back())));
  d.open();
  for (const auto& h : all) CHECK(h.get() == 9);
}

TEST_CASE("many runs on different threads may await one handle, and each goes on where it belongs") {
  ag::runtime rt({.threads = 2});
  door d;
  const auto h = ag::start(rt, waiter(&d));
  std::atomic<int> at_home = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&] {
      const auto body = [](ag::run_handle<int> it, std::thread::id here) -> ag::task<bool> {
        const auto [a, b] = co_await ag::gather(await_it(it), await_it(it));
        co_return a == 9 && b == 9 && std::this_thread::get_id() == here;
      };
      at_home += ag::run(body(h, std::this_thread::get_id()));
    });
  eventually([&] { return d.arrived() == 1; });
  d.open();
  for (auto& t : threads) t.join();
  CHECK(at_home == 6);
}

TEST_CASE("a handle in a gather is given away as any awaitable") {
  ag::runtime rt;
  auto a = ag::start(rt, agent(1));
  auto b = ag::start(rt, agent(2));
  const auto body = [](ag::run_handle<int> x, ag::run_handle<int> y) -> ag::task<int> {
    const auto [p, q] = co_await ag::gather(std::move(x), std::move(y));
    co_return p + q;
  };
  CHECK(ag::run(body(a, b)) == 6);
}

TEST_CASE("a move-only result goes to the first who awaits it") {
  ag::runtime rt;
  const auto h = ag::start(rt, makes());
  const auto body = [](ag::run_handle<std::unique_ptr<int>> it) -> ag::task<int> {
    const std::unique_ptr<int> p = co_await it;
    co_return *p;
  };
  CHECK(ag::run(body(h)) == 3);
  CHECK_THROWS_WITH(ag::run(body(h)), "the result of " + h.id() + " cannot be copied, and was taken before");
}

TEST_CASE("cancelling the task that awaits a handle leaves the run going") {
  ag::runtime rt;
  door d;
  const auto h = ag::start(rt, waiter(&d));
  const auto body = [](ag::run_handle<int> it) -> ag::task<bool> {
    const auto late = co_await ag::as_result(ag::timeout(await_it(it), 5ms));
    co_return late.has_value();
  };
  CHECK_FALSE(ag::run(body(h)));
  CHECK_FALSE(h.done());
  CHECK_FALSE(rt.runs().at(0).is_stopping);
  d.open();
  CHECK(h.get() == 9);
}

TEST_CASE("a cancelled run that awaits a handle ends, and the awaited one goes on") {
  ag::runtime rt({.threads = 2});
  door d;
  const auto h = ag::start(rt, waiter(&d));
  const auto awaits = ag::start(rt, await_it(h));
  awaits.cancel();
  CHECK_THROWS_AS(awaits.get(), ag::cancelled);
  CHECK_FALSE(h.done());
  d.open();
  CHECK(h.get() == 9);
}

TEST_CASE("an awaited run that is cancelled throws cancelled, which is a failure of the task that awaits") {
  ag::runtime rt({.threads = 2});
  const auto h = ag::start(rt, [](int) -> ag::task<int> {
    co_await ag::sleep_for(24h);
    co_return 1;
  }(0));
  const auto awaits = ag::start(rt, await_it(h));
  h.cancel();
  CHECK_THROWS_AS(awaits.get(), ag::cancelled);
  CHECK(awaits.graph().state() == ag::node_state::failed);  // nobody asked this one to stop
}

TEST_CASE("the end of a run and the cancellation of who awaits it may come together") {
  ag::runtime rt({.threads = 3});
  int values = 0;
  for (int i = 0; i < 500; ++i) {
    const auto h = ag::start(rt, agent(4));
    const auto awaits = ag::start(rt, await_it(h));
    if (i % 2) awaits.cancel();
    else h.cancel();
    try {
      values += awaits.get() == 8;
    } catch (const ag::cancelled&) {
    }
    h.wait();
  }
  CHECK(values <= 500);
  CHECK(rt.runs().empty());
}

// --- what is refused

TEST_CASE("a handle of no run can only be assigned to") {
  ag::run_handle<int> h;
  const std::string sentence = "this run_handle is empty: it was made without a run, or moved from";
  CHECK_FALSE(h.is_valid());
  CHECK_THROWS_WITH(h.id(), sentence);
  CHECK_THROWS_WITH(h.cancel(), sentence);
  CHECK_THROWS_WITH(h.done(), sentence);
  CHECK_THROWS_WITH(h.graph(), sentence);
  CHECK_THROWS_WITH(h.get(), sentence);
  CHECK_THROWS_WITH(h.wait(), sentence);
  CHECK_THROWS_WITH(h.wait_for(1ms), sentence);
  CHECK_THROWS_WITH(ag::run(await_it(h)), "an empty run_handle was awaited");
  ag::runtime rt;
  h = ag::start(rt, agent(4));
  CHECK(h.is_valid());
  const auto taken = std::move(h);
  CHECK_FALSE(h.is_valid());  // NOLINT(bugprone-use-after-move)
  CHECK(taken.get() == 8);
}

TEST_CASE("waiting for a handle inside a run is refused") {
  ag::runtime rt({.threads = 2});
  const auto h = ag::start(rt, agent(4));
  h.wait();
  const std::string sentence =
      "waiting for a run was tried from inside a run, whose thread it would block; use `co_await handle` there";
  const auto gets = [](ag::run_handle<int> it) -> ag::task<int> { co_return it.get(); };
  const auto waits = [](ag::run_handle<int> it) -> ag::task<> {
    it.wait();
    co_return;
  };
  const auto waits_for = [](ag::run_handle<int> it) -> ag::task<bool> { co_return it.wait_for(1ms); };
  CHECK_THROWS_WITH(ag::run(gets(h)), sentence);
  CHECK_THROWS_WITH(ag::run(waits(h)), sentence);
  CHECK_THROWS_WITH(ag::run(rt, waits_for(h)), sentence);
}

TEST_CASE("waiting for a handle on a thread that a runtime owns is refused") {
  ag::runtime rt;
  ag::runtime elsewhere;
  const auto h = ag::start(elsewhere, agent(4));
  std::promise<std::string> said;
  asio::post(rt.executor(), [&] {
    try {
      said.set_value(std::to_string(h.get()));
    } catch (const ag::error&) {
      said.set_value(message_of(std::current_exception()));
    }
  });
  CHECK_THAT(said.get_future().get(), Matches("waiting for a run was tried on a thread that a runtime owns.*"));
}
