// Durable runs that are interrupted at awkward moments: while attempts are under way, others hold what is shared, a
// request to stop comes, a person is asked.
#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <variant>
#include <vector>

#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

const ag::tool square{"square", [](int x) { return x * x; }};
const ag::tool slow{"slow", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds(ms));
  co_return ms;
}};
const ag::tool asking{"asking", [](ag::context& ctx) -> ag::task<bool> { return ctx.channel().ask_approval("Well?"); }};

ag::memory_channel nobody;
ag::run_options durable(ag::run_store& store) { return {.channel = &nobody, .store = &store, .run_id = "a"}; }

/// Runs until so much was written, and then no more.
template <class Invocation>
void interrupt(ag::memory_store& store, std::uint64_t after, Invocation i) {
  store.fail_after(after);
  CHECK_THROWS_AS(ag::run(std::move(i), durable(store)), ag::store_error);
  store.heal();
}

/// Another run that has something, until it is told.
class holder {
 public:
  template <class Take>
  explicit holder(Take take)
      : thread_([this, take] {
          ag::run([](holder& self, Take t) -> ag::task<> {
            const auto held = co_await t();
            self.has_it_ = true;
            while (!self.must_let_go_) co_await ag::sleep_for(1ms);
          }(*this, take));
        }) {
    while (!has_it_) std::this_thread::yield();
  }
  void let_go_later() {
    std::this_thread::sleep_for(30ms);
    must_let_go_ = true;
  }
  ~holder() {
    must_let_go_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> has_it_ = false;
  std::atomic<bool> must_let_go_ = false;
  std::thread thread_;
};

}  // namespace

// --- attempts

TEST_CASE("a call is resumed in the attempt in which it was interrupted") {
  int tries = 0;
  const ag::tool flaky{"flaky", [&](int x) -> ag::task<int> {
    const int a = co_await square(x);
    if (++tries == 1) throw std::runtime_error("not yet");
    co_return a + co_await square(x + 1);
  }, {.retry = {.max_attempts = 2}}};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const int a = co_await flaky(2);
    co_return a + co_await square(1);
  }};
  ag::memory_store store;
  interrupt(store, 2, agent());  // the first square of either attempt
  CHECK(ag::run(agent(), durable(store)) == 14);
  CHECK(tries == 3);
  CHECK(store.facts("a").at(3).attempts == 2);
}

TEST_CASE("a key for effects is the same whichever attempt around it asks") {
  std::vector<std::string> keys;
  const ag::tool pay{"pay", [&](ag::context& ctx) {
    keys.push_back(ctx.idempotency_key());
    return 1;
  }};
  int tries = 0;
  const ag::tool flaky{"flaky", [&]() -> ag::task<int> {
    if (++tries == 1) throw std::runtime_error("not yet");
    co_return co_await pay();
  }, {.retry = {.max_attempts = 2}}};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> { co_return co_await flaky(); }};
  ag::memory_store store;
  interrupt(store, 0, agent());
  CHECK(ag::run(agent(), durable(store)) == 1);
  CHECK(keys == std::vector<std::string>{"a@0/0", "a@0/0"});
}

// --- what is shared with others

TEST_CASE("a resumed run waits for a semaphore that it did not have to wait for before, and the other way round") {
  ag::semaphore one(1);
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const auto permit = co_await one.acquire();
    const int a = co_await square(2);
    co_return a + co_await square(3);
  }};
  ag::memory_store store;
  if (GENERATE(false, true)) {
    holder other([&] { return one.acquire(); });
    std::thread t([&] { other.let_go_later(); });
    interrupt(store, 2, agent());
    t.join();
  } else {
    interrupt(store, 1, agent());
  }
  holder other([&] { return one.acquire(); });
  std::thread t([&] { other.let_go_later(); });
  CHECK(ag::run(agent(), durable(store)) == 13);
  t.join();
}

TEST_CASE("a resumed run takes no more of a pool than there is, though it had it when it was recorded") {
  ag::resource_pool pool{"pool", 1};
  std::atomic<int> in_use = 0;
  std::atomic<int> most = 0;
  const auto use = [&](std::chrono::milliseconds d) -> ag::task<int> {
    most = std::max<int>(most, ++in_use);
    const int a = co_await square(2);
    co_await ag::sleep_for(d);
    --in_use;
    co_return a;
  };
  const ag::tool pooled{"pooled", [&] { return use(1ms); }, {.pool = &pool}};
  const ag::tool hog{"hog", [&] { return use(30ms); }, {.pool = &pool}};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> { co_return co_await pooled(); }};
  const ag::graph_fn other{"other", [&]() -> ag::task<int> { co_return co_await hog(); }};
  ag::memory_store store;
  interrupt(store, 1, agent());
  in_use = 0;
  most = 0;
  std::thread t([&] { ag::run(other()); });
  while (in_use == 0) std::this_thread::yield();
  CHECK(ag::run(agent(), durable(store)) == 4);
  t.join();
  CHECK(most == 1);
}

TEST_CASE("under the cap of a runtime, calls that had it in turn go on although one of them is further now") {
  int attempts = 0;
  const ag::tool retried{"retried", [&]() -> ag::task<int> {
    co_await square(1);
    if (++attempts == 1) throw std::runtime_error("once");
    co_return co_await square(1);
  }, {.retry = {.max_attempts = 2, .first_delay = 10ms}}};
  const ag::tool other{"other", [](int x) -> ag::task<int> {
    const int a = co_await square(x);
    co_return a + co_await slow(1);
  }};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const auto [a, b] = co_await ag::gather(retried(), other(2));
    co_return a + b;
  }};
  ag::runtime rt{{.max_concurrency = 1}};
  ag::memory_store store;
  store.fail_after(2);
  CHECK_THROWS_AS(ag::run(rt, agent(), durable(store)), ag::store_error);
  store.heal();
  CHECK(ag::run(rt, agent(), durable(store)) == 6);
}

// --- times

TEST_CASE("the longest times there are park a run") {
  ag::memory_store store;
  const ag::graph_fn until{"until", []() -> ag::task<int> {
    co_await ag::sleep_until(std::chrono::system_clock::time_point::max());
    co_return 1;
  }};
  CHECK_THROWS_AS(ag::run(until(), durable(store)), ag::run_parked);
  const ag::graph_fn asks{"asks", [](ag::context& ctx) -> ag::task<bool> {
    const ag::ask_options for_ever{.deadline = ag::duration::max()};
    co_return co_await ctx.channel().ask_approval("Well?", for_ever);
  }};
  ag::memory_store second;
  CHECK_THROWS_AS(ag::run(asks(), durable(second)), ag::run_parked);
  ag::deliver(second, "a@0", true);
  CHECK(ag::run(asks(), durable(second)));
}

TEST_CASE("the deadline of a nested run strikes again at the same moment, and outlasts the process") {
  const ag::graph_fn child{"child", []() -> ag::task<int> { co_return co_await slow(5000); }};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const ag::run_options soon{.deadline = 10ms};
    const auto r = co_await ag::as_result(ag::run_async(child(), soon));
    const int a = co_await square(2);
    co_return r.has_value() * 1000 + a + co_await square(3);
  }};
  ag::memory_store store;
  interrupt(store, 3, agent());
  CHECK(ag::run(agent(), durable(store)) == 13);

  const ag::graph_fn asks{
      "asks", [](ag::context& ctx) -> ag::task<bool> { return ctx.channel().ask_approval("Well?"); }};
  const ag::graph_fn waits{"waits", [&]() -> ag::task<bool> {
    const ag::run_options soon{.deadline = 50ms};
    const auto r = co_await ag::as_result(ag::run_async(asks(), soon));
    co_return r.has_value();
  }};
  ag::memory_store second;
  CHECK_THROWS_AS(ag::run(waits(), durable(second)), ag::run_parked);
  std::this_thread::sleep_for(60ms);
  CHECK_FALSE(ag::run(waits(), durable(second)));
}

// --- parking

TEST_CASE("a run is parked though calls wait for what a call that asks has") {
  ag::memory_store store;
  SECTION("a pool") {
    ag::resource_pool pool{"pool", 1};
    const ag::tool pooled{
        "pooled", [](ag::context& ctx) { return ctx.channel().ask_approval("Well?"); }, {.pool = &pool}};
    const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
      const auto [a, b] = co_await ag::gather(pooled(), pooled());
      co_return a + b;
    }};
    CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::run_parked);
  }
  SECTION("the permit of a runtime") {
    ag::runtime rt{{.max_concurrency = 1}};
    const ag::graph_fn agent{"agent", []() -> ag::task<int> {
      const auto [a, b] = co_await ag::gather(asking(), square(2));
      co_return a + b;
    }};
    CHECK_THROWS_AS(ag::run(rt, agent(), durable(store)), ag::run_parked);
  }
}

TEST_CASE("a run is not parked while a worker thread is at a body that was asked to stop") {
  std::atomic<bool> has_ended = false;
  const ag::tool computing{"computing", [&] {
    std::this_thread::sleep_for(50ms);
    has_ended = true;
    return 1;
  }, {.workers = true}};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    auto late = [&]() -> ag::task<int> {
      const auto r = co_await ag::as_result(ag::timeout(computing(), 1ms));
      co_return r.has_value() + co_await square(3);
    };
    const auto [a, b] = co_await ag::gather(late(), asking());
    co_return a + b;
  }};
  ag::memory_store store;
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::run_parked);
  CHECK(has_ended);
  CHECK(store.facts("a").back().name == "square");
}

TEST_CASE("a run that only waited for a worker thread to let go is parked") {
  const ag::tool quick{"quick", [](int n) { return n; }, {.workers = true}};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const auto [a, b] = co_await ag::gather(quick(1), asking());
    co_return a + b;
  }};
  for (int i = 0; i < 500; ++i) {
    ag::memory_store store;
    CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::run_parked);
  }
}

TEST_CASE("a parallel graph is parked") {
  const ag::tool chosen{"chosen", [](bool b) { return b ? 2 : 1; }};
  const ag::graphify traced{"g", [&](ag::node<int> x) { return std::tuple(square(x), chosen(asking())); }};
  const auto graph = traced.build();
  ag::memory_store store;
  ag::run_options o = durable(store);
  o.parallel = true;
  CHECK_THROWS_AS(ag::run(graph(3), o), ag::run_parked);
  ag::deliver(store, store.questions().at(0).token, true);
  CHECK(ag::run(graph(3), o) == std::tuple(9, 2));
}

TEST_CASE("a run is parked when others have given back what a call of it waits for with them") {
  ag::resource_pool pool{"pool", 2};
  std::atomic<bool> must_let_go = false;
  const ag::tool other{"other", [&]() -> ag::task<> {
    while (!must_let_go) co_await ag::sleep_for(1ms);
  }, {.pool = &pool}};
  std::thread others([&] { ag::run(other()); });
  while (pool.now().in_use == 0) std::this_thread::yield();
  std::thread lets_go([&] {
    while (pool.now().waiting == 0) std::this_thread::yield();
    std::this_thread::sleep_for(20ms);
    must_let_go = true;
  });
  const ag::tool light{"light", [](ag::context& ctx) { return ctx.channel().ask_approval("Well?"); }, {.pool = &pool}};
  const ag::tool heavy{"heavy", [] { return 1; }, {.pool = &pool, .weight = 2}};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const auto [a, b] = co_await ag::gather(light(), heavy());
    co_return a + b;
  }};
  ag::memory_store store;
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::run_parked);
  others.join();
  lets_go.join();
}

TEST_CASE("an answered question leaves nothing behind that refers to it") {
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<int> {
    int n = co_await ctx.channel().ask_approval("a?");
    n += co_await square(2);
    n += co_await ctx.channel().ask_approval("b?");
    co_return n;
  }};
  ag::memory_store store;
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::run_parked);
  ag::deliver(store, "a@0", true);
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::run_parked);
  ag::deliver(store, "a@2", true);
  CHECK(ag::run(agent(), durable(store)) == 6);
}

TEST_CASE("an executor may go while a run on it is given an answer") {
  for (int i = 0; i < 200; ++i) {
    ag::memory_store store;
    ag::semaphore none{1};
    // What waits for a permit is not parked.
    const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<bool> {
      const auto permit = co_await none.acquire();
      auto waits = [](ag::semaphore& s) -> ag::task<bool> {
        const auto never = co_await s.acquire();
        co_return false;
      };
      const auto first = co_await ag::race(ctx.channel().ask_approval("Well?"), waits(none));
      co_return first.index() == 0 && std::get<0>(first);
    }};
    auto io = std::make_unique<boost::asio::io_context>();
    std::atomic<bool> has_ended = false;
    ag::run_options kept = durable(store);
    ag::run_async(*io, agent(), kept, [&](const std::exception_ptr& e, bool) { has_ended = !e; });
    while (store.questions().empty()) io->poll();
    const std::string token = store.questions().at(0).token;
    std::atomic<bool> begins = false;
    std::thread answers([&] {
      begins = true;
      try {
        ag::deliver(store, token, true);
      } catch (const ag::store_error&) {
        // the run is gone, and its question with it
      }
    });
    while (!begins) std::this_thread::yield();
    for (int n = 0; n < i % 8; ++n) io->poll();
    io.reset();
    answers.join();
    CHECK(store.find("a")->owner.empty());
    if (has_ended) CHECK(store.find("a")->status == ag::run_status::done);
  }
}

TEST_CASE("a question that was held while something was replayed has its deadline in the store") {
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<int> {
    auto asks = [](ag::context& c) -> ag::task<bool> {
      co_await square(2);
      const ag::ask_options day{.deadline = 24h};
      co_return co_await c.channel().ask_approval("Well?", day);
    };
    const auto [a, b] = co_await ag::gather(asks(ctx), square(3));
    co_return a + b;
  }};
  ag::memory_store store;
  interrupt(store, 2, agent());  // both squares
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::run_parked);
  REQUIRE(store.questions().size() == 1);
  const auto deadline = store.questions()[0].deadline;
  REQUIRE(deadline);
  CHECK(*deadline > std::chrono::system_clock::now() + 23h);
}

// --- the end

TEST_CASE("a program that ends before all happened that was recorded of it is found out") {
  bool goes_on = true;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    int a = co_await square(2);
    if (goes_on) a += co_await square(3);
    if (goes_on) a += co_await square(4);
    co_return a;
  }};
  ag::memory_store store;
  interrupt(store, 2, agent());
  goes_on = false;
  CHECK_THROWS_WITH(ag::run(agent(), durable(store)), Contains("the call 'square' at '1', which the program does not"));
  CHECK(store.find("a")->status == ag::run_status::running);
}

TEST_CASE("what was recorded is not computed again behind a shield when a resumed run is stopped") {
  int paid = 0;
  bool is_cancelled = false;
  const ag::tool pay{"pay", [&] { return ++paid; }};
  ag::memory_store store;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    if (is_cancelled) store.cancel("a");
    static_cast<void>(co_await ag::as_result(square(1)));
    co_await ag::shielded(pay());
    co_return co_await square(3);
  }};
  interrupt(store, 2, agent());
  is_cancelled = true;
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::cancelled);
  CHECK(paid == 1);
}

TEST_CASE("what a stopped run has come to is not recorded") {
  const ag::graph_fn agent{"agent", []() -> ag::task<int> {
    const auto r = co_await ag::as_result(slow(30));
    co_return r.has_value() ? r.value() : -1;
  }};
  ag::memory_store store;
  ag::run_options soon = durable(store);
  soon.deadline = 5ms;
  CHECK(ag::run(agent(), soon) == -1);
  CHECK(store.find("a")->status == ag::run_status::running);
  CHECK(ag::run(agent(), durable(store)) == 30);
}

TEST_CASE("a run that is cancelled in the store throws cancelled, whatever its body returns") {
  ag::memory_store store;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    store.cancel("a");
    static_cast<void>(co_await ag::as_result(slow(1000)));
    co_return 5;
  }};
  for (int i = 0; i < 2; ++i) CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::cancelled);
}

TEST_CASE("a request to cancel that came when a run was stopping already is heeded by its next execution") {
  ag::memory_store store;
  int executions = 0;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    ++executions;
    static_cast<void>(co_await ag::as_result(slow(5000)));
    store.cancel("a");
    co_return 7;
  }};
  ag::run_options soon = durable(store);
  soon.deadline = 5ms;
  CHECK(ag::run(agent(), soon) == 7);
  CHECK(store.find("a")->status == ag::run_status::running);
  CHECK(store.find("a")->cancel_requested);
  for (int i = 0; i < 2; ++i) CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::cancelled);
  CHECK(executions == 1);  // what is cancelled does not begin
  CHECK(store.find("a")->status == ag::run_status::cancelled);
}

TEST_CASE("a run that fails throws the same now and whenever it is asked for again") {
  struct mine : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  const ag::graph_fn agent{"agent", []() -> ag::task<int> {
    co_await square(1);
    throw mine("x");
  }};
  ag::memory_store store;
  for (int i = 0; i < 2; ++i) CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::recorded_error);
}

TEST_CASE("a recorded value that is no result in this program is told with its place") {
  bool is_text = true;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const ag::tool text{"draw", [] { return std::string("seven"); }};
    const ag::tool number{"draw", [] { return 7; }};
    if (is_text) co_await text();
    else co_await number();
    co_return co_await square(1);
  }};
  ag::memory_store store;
  interrupt(store, 1, agent());
  is_text = false;
  CHECK_THROWS_WITH(ag::run(agent(), durable(store)),
      Contains("run 'a': what was recorded of 'draw' at '0' is no result of it in this program") &&
          Contains("\"seven\""));
}

TEST_CASE("the arguments of the run itself are redacted, too") {
  ag::memory_store store;
  ag::run_options o = durable(store);
  o.redact = [](std::string_view name, std::string& json) {
    if (name == "agent") json = "\"***\"";
  };
  const ag::graph_fn agent{"agent", [](std::string s) -> ag::task<int> { co_return static_cast<int>(s.size()); }};
  CHECK(ag::run(agent("secret"), o) == 6);
  CHECK(store.find("a")->arguments == "\"***\"");
}

// --- what a program does between two facts

TEST_CASE("the order of steps does not depend on how much was replayed") {
  constexpr auto step = []() -> ag::task<> { co_return; };
  const ag::tool busy{"busy", [=](int n) -> ag::task<int> {
    for (int i = 0; i < n; ++i) co_await step();
    co_return n;
  }};
  for (int n = 240; n < 256; ++n) {
    CAPTURE(n);
    const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
      std::vector<int> log;
      auto late = [&]() -> ag::task<> {
        for (int i = 0; i < 3; ++i) co_await step();
        log.push_back(1);
      };
      auto soon = [&]() -> ag::task<> {
        log.push_back(2);
        co_return;
      };
      co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
        g.spawn(busy(n));
        g.spawn(late());
        g.spawn(soon());
        co_return;
      });
      const int a = co_await square(log.at(0));
      co_return 10 * a + co_await square(log.at(1));
    }};
    ag::memory_store store;
    interrupt(store, 2, agent());
    CHECK_NOTHROW(ag::run(agent(), durable(store)));
  }
}

namespace {

/// A store that says what is safe only when it is told to.
class late_store final : public ag::run_store {
 public:
  ag::memory_store inner;
  void hold() { set(true); }
  void let_go() { set(false); }
  [[nodiscard]] std::uint64_t held() {
    const std::lock_guard lock(mutex_);
    return held_;
  }

  [[nodiscard]] std::unique_ptr<ag::run_journal> open(const ag::run_claim& claim, ag::store_client& client) override {
    {
      const std::lock_guard lock(mutex_);
      client_ = &client;
      held_ = 0;
    }
    return inner.open(claim, between_);
  }
  [[nodiscard]] std::vector<ag::stored_run> runs() override { return inner.runs(); }
  [[nodiscard]] std::optional<ag::stored_run> find(std::string_view id) override { return inner.find(id); }
  [[nodiscard]] std::vector<ag::fact> facts(std::string_view id, std::size_t n) override { return inner.facts(id, n); }
  [[nodiscard]] std::vector<ag::question> questions(std::string_view id) override { return inner.questions(id); }
  void answer(std::string_view token, std::string_view value) override { inner.answer(token, value); }
  void cancel(std::string_view id) override { inner.cancel(id); }
  void forget(std::string_view id, const std::vector<std::uint64_t>& f) override { inner.forget(id, f); }
  void fork(std::string_view id, std::string_view to, const std::vector<std::uint64_t>& f) override {
    inner.fork(id, to, f);
  }
  void restate(const ag::run_claim& claim) override { inner.restate(claim); }
  void erase(std::string_view id) override { inner.erase(id); }

 private:
  void set(bool is_held) {
    const std::lock_guard lock(mutex_);
    is_held_ = is_held;
    if (!is_held) client_->committed(held_);
  }
  struct between final : ag::store_client {
    explicit between(late_store& s) : store(s) {}
    void committed(std::uint64_t count) noexcept override {
      const std::lock_guard lock(store.mutex_);
      store.held_ = count;
      if (!store.is_held_) store.client_->committed(count);
    }
    void failed(std::exception_ptr why) noexcept override { store.client_->failed(why); }
    void answered(std::string_view t, std::string_view a) noexcept override { store.client_->answered(t, a); }
    void cancel_requested() noexcept override { store.client_->cancel_requested(); }
    late_store& store;
  };

  between between_{*this};
  ag::store_client* client_ = nullptr;
  std::mutex mutex_;
  bool is_held_ = false;
  std::uint64_t held_ = 0;
};

/// Lets it go on a thread, some time after it holds so many facts, and notes whether something had happened by then.
std::thread let_go_later(
    late_store& store, std::uint64_t facts, const std::atomic<bool>& has_happened, std::atomic<bool>& was_early) {
  return std::thread([&store, facts, &has_happened, &was_early] {
    while (store.held() < facts) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(20ms);
    was_early = has_happened.load();
    store.let_go();
  });
}

}  // namespace

TEST_CASE("a question that ended with its run is not released when the store has it at last") {
  late_store store;
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<int> {
    store.hold();
    const auto answer = co_await ag::as_result(ag::shielded(ctx.channel().ask_approval("Well?")));
    store.let_go();
    static_cast<void>(co_await ag::as_result(ag::shielded(slow(10))));
    co_return answer.has_value() ? 1 : 2;
  }};
  ag::run_options soon = durable(store);
  soon.deadline = 10ms;
  CHECK(ag::run(agent(), soon) == 2);
}

TEST_CASE("a body does not begin before that is safe which the program has drawn or decided") {
  late_store store;
  std::atomic<bool> has_paid = false;
  const ag::tool pay{"pay", [&](std::string) {
    has_paid = true;
    return 1;
  }};
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<int> {
    co_await square(1);
    store.hold();
    co_return co_await pay(ctx.uuid());
  }};
  std::atomic<bool> was_early = false;
  std::thread later = let_go_later(store, 2, has_paid, was_early);
  CHECK(ag::run(agent(), durable(store)) == 1);
  later.join();
  CHECK(has_paid);
  CHECK_FALSE(was_early);
}

TEST_CASE("nor does one that was held while something was replayed") {
  late_store store;
  std::atomic<bool> has_paid = false;
  bool must_hold = false;
  const ag::tool pay{"pay", [&](std::string) {
    has_paid = true;
    return 1;
  }};
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<int> {
    auto paying = [&]() -> ag::task<int> {
      co_await square(1);
      if (must_hold) store.hold();
      const std::string drawn = ctx.uuid();
      co_return co_await pay(drawn);
    };
    auto other = []() -> ag::task<int> { co_return co_await square(2); };
    const auto [a, b] = co_await ag::gather(paying(), other());
    co_return a + b;
  }};
  store.inner.fail_after(2);  // both squares
  CHECK_THROWS_AS(ag::run(agent(), durable(store)), ag::store_error);
  CHECK_FALSE(has_paid);
  store.inner.heal();
  must_hold = true;
  std::atomic<bool> was_early = false;
  std::thread later = let_go_later(store, 1, has_paid, was_early);
  CHECK(ag::run(agent(), durable(store)) == 5);
  later.join();
  CHECK(has_paid);
  CHECK_FALSE(was_early);
}
