// The strand of a run: functions one at a time, in order, whatever the executor beneath does with them.

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/detail/run_strand.hpp>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
using ag::detail::run_strand;

namespace {

/// A reference to a strand.
class strand {
 public:
  explicit strand(asio::any_io_executor ex) : s_(new run_strand(std::move(ex))) {}
  strand(const strand&) = delete;
  strand& operator=(const strand&) = delete;
  ~strand() { s_->drop_reference(); }
  run_strand* operator->() const { return s_; }

 private:
  run_strand* s_;
};

/// An executor that does with what it is given as it is told.
enum class behaviour { posts, refuses, drops, runs_it_right_there };
struct moody {
  asio::io_context* io;
  const std::function<behaviour()>* mood;

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *io; }
  moody require(asio::execution::blocking_t::never_t) const noexcept { return *this; }
  template <class F>
  void execute(F&& f) const {
    switch ((*mood)()) {
      case behaviour::posts:
        asio::post(*io, std::forward<F>(f));
        break;
      case behaviour::refuses:
        throw std::bad_alloc();
      case behaviour::drops:
        static_cast<void>(std::decay_t<F>(std::forward<F>(f)));
        break;
      case behaviour::runs_it_right_there:
        std::decay_t<F>(std::forward<F>(f))();
        break;
    }
  }
  bool operator==(const moody&) const noexcept = default;
};

/// A strand on such an executor.
struct moody_strand {
  explicit moody_strand(behaviour b) : now(b) {}
  asio::io_context io;
  behaviour now;
  const std::function<behaviour()> mood = [this] { return now; };
  const strand s{moody{&io, &mood}};
};

/// Does something when it goes without having been called.
class on_drop {
 public:
  explicit on_drop(std::function<void()> f) : f_(std::move(f)) {}
  on_drop(on_drop&& o) noexcept : f_(std::exchange(o.f_, nullptr)) {}
  on_drop& operator=(on_drop&&) = delete;
  ~on_drop() {
    if (f_) f_();
  }
  void operator()() { f_ = nullptr; }

 private:
  std::function<void()> f_;
};

}  // namespace

TEST_CASE("functions on a strand run in order, and none inside the one that posts it") {
  asio::io_context io;
  const strand s(io.get_executor());
  std::vector<int> order;
  s->post([&] {
    order.push_back(1);
    s->post([&] { order.push_back(4); });
    order.push_back(2);
  });
  s->post([&] { order.push_back(3); });
  CHECK(order.empty());
  io.run();
  CHECK(order == std::vector{1, 2, 3, 4});
}

TEST_CASE("a function is dispatched right here where that may be, and else waits for its turn") {
  asio::io_context io;
  const strand s(io.get_executor());
  std::vector<int> order;
  s->dispatch([&] { order.push_back(2); });  // nobody runs the context yet
  CHECK(order.empty());
  asio::post(io, [&] {
    s->dispatch([&] {
      order.push_back(3);
      CHECK(s->is_here());
      s->dispatch([&] { order.push_back(4); });
      s->post([&] { order.push_back(6); });
      order.push_back(5);
    });
    CHECK(order == std::vector{2, 3, 4, 5});
    CHECK_FALSE(s->is_here());
  });
  io.run();
  CHECK(order == std::vector{2, 3, 4, 5, 6});
}

TEST_CASE("two strands do not take each other for themselves") {
  asio::io_context io;
  const strand a(io.get_executor()), b(io.get_executor());
  int ran = 0;
  a->post([&] {
    b->dispatch([&] {
      CHECK(a->is_here());
      CHECK(b->is_here());
      a->dispatch([&] { ++ran; });
      CHECK(ran == 1);
    });
    CHECK(a->is_here());
    CHECK_FALSE(b->is_here());
  });
  io.run();
  CHECK(ran == 1);
}

TEST_CASE("an executor that must not block is not asked to") {
  asio::io_context io;
  const strand s(asio::require(io.get_executor(), asio::execution::blocking.never));
  bool ran = false;
  asio::post(io, [&] {
    s->dispatch([&] { ran = true; });
    CHECK_FALSE(ran);
  });
  io.run();
  CHECK(ran);
}

TEST_CASE("what threads bring to a strand runs one at a time and in the order of each thread") {
  constexpr int threads = 4, each = 5'000;
  const auto check = [](const asio::any_io_executor& ex) {
    const strand s(ex);
    std::atomic<int> at_it = 0, most = 0, left = threads * each;
    std::vector<int> last(threads, -1);  // written on the strand only
    bool in_order = true;
    std::vector<std::thread> bringing;
    for (int t = 0; t < threads; ++t)
      bringing.emplace_back([&, t] {
        for (int i = 0; i < each; ++i) {
          const auto one = [&, t, i] {
            if (const int n = ++at_it; n > most) most = n;
            if (std::exchange(last[static_cast<std::size_t>(t)], i) != i - 1) in_order = false;
            --at_it;
            if (--left == 0) left.notify_all();
          };
          if (i % 3 == 0) s->dispatch(one);
          else s->post(one);
        }
      });
    for (std::thread& t : bringing) t.join();
    for (int n = left; n > 0; n = left) left.wait(n);
    CHECK(most == 1);
    std::promise<bool> answer;
    s->post([&] { answer.set_value(in_order); });
    CHECK(answer.get_future().get());
  };
  SECTION("an io_context with two threads") {
    asio::io_context io;
    auto work = std::make_optional(asio::make_work_guard(io));
    std::thread a([&] { io.run(); }), b([&] { io.run(); });
    check(io.get_executor());
    work.reset();
    a.join();
    b.join();
  }
  SECTION("a thread pool") {
    asio::thread_pool pool(2);
    check(pool.get_executor());
    pool.join();
  }
  SECTION("threads that may run it right where it is brought") { check(asio::system_executor()); }
  SECTION("a strand of Asio's") {
    asio::thread_pool pool(2);
    check(asio::make_strand(pool));
    pool.join();
  }
}

TEST_CASE("a function that throws leaves a strand that goes on") {
  asio::io_context io;
  const strand s(io.get_executor());
  int ran = 0;
  s->post([] { throw std::runtime_error("from the strand"); });
  s->post([&] { ++ran; });
  CHECK_THROWS_AS(io.run(), std::runtime_error);
  CHECK_FALSE(s->is_here());
  io.run();
  CHECK(ran == 1);
  SECTION("also right here") {
    bool went_on = false;
    asio::post(io, [&] {
      s->dispatch([] { throw std::runtime_error("from here"); });
      went_on = true;  // as with Asio's: it comes out of `run`
    });
    io.restart();
    CHECK_THROWS_AS(io.run(), std::runtime_error);
    CHECK(went_on);
    s->post([&] { ++ran; });
    io.restart();
    io.run();
    CHECK(ran == 2);
  }
}

TEST_CASE("what waits for a turn that the context takes with it goes too") {
  const auto witness = std::make_shared<int>(0);
  std::optional<strand> s;
  {
    asio::io_context io;
    s.emplace(io.get_executor());
    for (int i = 0; i < 3; ++i) (*s)->post([witness] { FAIL("nobody runs the context"); });
    CHECK(witness.use_count() == 4);
  }
  CHECK(witness.use_count() == 1);
}

TEST_CASE("what is brought by something that goes with the context goes too") {
  const auto witness = std::make_shared<int>(0);
  const auto check = [&](auto executor_of) {
    {
      asio::io_context io;
      const auto s = std::make_shared<strand>(executor_of(io));
      // A dropped function of the strand itself, and something that goes when all services have shut down.
      (*s)->post(on_drop([s = &*s, witness] { (*s)->post([witness] {}); }));
      asio::post(io, on_drop([s, witness] {
        (*s)->post([witness] {});
        (*s)->dispatch([witness] {});
      }));
    }
    CHECK(witness.use_count() == 1);
  };
  SECTION("an io_context") {
    check([](asio::io_context& io) { return asio::any_io_executor(io.get_executor()); });
  }
  SECTION("a strand of Asio's") {
    check([](asio::io_context& io) { return asio::any_io_executor(asio::make_strand(io)); });
  }
}

TEST_CASE("a function may hold the last reference to its strand") {
  asio::io_context io;
  const auto last = [&] { return std::make_shared<strand>(io.get_executor()); };
  bool posted = false, dispatched = false;
  auto a = last();
  run_strand& on_a = *a->operator->();
  on_a.post([a = std::move(a), &posted] { posted = true; });
  io.run();
  CHECK(posted);
  asio::post(io, [&] {
    auto b = last();
    run_strand& on_b = *b->operator->();
    on_b.dispatch([b = std::move(b), &dispatched] { dispatched = true; });
  });
  io.restart();
  io.run();
  CHECK(dispatched);
}

TEST_CASE("a function that the executor refuses has never been there, and the strand works again") {
  moody_strand on(behaviour::refuses);
  auto& [io, now, mood, s] = on;
  const auto witness = std::make_shared<int>(0);
  std::vector<int> order;
  CHECK_THROWS_AS(s->post([witness, &order] { order.push_back(1); }), std::bad_alloc);
  CHECK(witness.use_count() == 1);
  CHECK_THROWS_AS(s->dispatch([witness, &order] { order.push_back(2); }), std::bad_alloc);
  CHECK(witness.use_count() == 1);
  now = behaviour::posts;
  s->post([&] {
    order.push_back(3);
    now = behaviour::refuses;  // its next turn: what waits for that is done in this one
    s->post([&] { order.push_back(5); });
    order.push_back(4);
  });
  io.run();
  CHECK(order == std::vector{3, 4, 5});
  CHECK_FALSE(s->is_here());
}

TEST_CASE("what comes while another function is refused runs, before all that comes later") {
  asio::io_context io;
  std::vector<int> order;
  int asked = 0;
  int refused = 1;
  std::optional<strand> s;
  const std::function<behaviour()> mood = [&] {
    if (++asked == 1) (*s)->post([&] { order.push_back(2); });  // as another thread would
    return asked <= refused ? behaviour::refuses : behaviour::posts;
  };
  s.emplace(moody{&io, &mood});
  SECTION("by itself") {}
  SECTION("when somebody else asks, if it is refused as well") { refused = 2; }
  CHECK_THROWS_AS((*s)->post([&] { order.push_back(1); }), std::bad_alloc);
  io.run();
  io.restart();
  (*s)->dispatch([&] { order.push_back(3); });
  io.run();
  CHECK(order == std::vector{2, 3});
}

TEST_CASE("what is never asked for again goes with its strand") {
  asio::io_context io;
  const auto witness = std::make_shared<int>(0);
  int asked = 0;
  std::optional<strand> s;
  const std::function<behaviour()> mood = [&] {
    if (++asked == 1) (*s)->post([witness] {});
    return behaviour::refuses;
  };
  s.emplace(moody{&io, &mood});
  CHECK_THROWS_AS((*s)->post([] {}), std::bad_alloc);
  CHECK(witness.use_count() == 2);
  s.reset();
  CHECK(witness.use_count() == 1);
}

TEST_CASE("what the executor drops without a word goes, and the strand works again") {
  moody_strand on(behaviour::drops);
  auto& [io, now, mood, s] = on;
  const auto witness = std::make_shared<int>(0);
  s->post([witness] { FAIL("it was dropped"); });
  s->dispatch([witness] { FAIL("it was dropped"); });
  CHECK(witness.use_count() == 1);
  now = behaviour::posts;
  bool ran = false;
  s->post([&] { ran = true; });
  io.run();
  CHECK(ran);
}

TEST_CASE("an executor may run a function right where it is brought, and let its exception out") {
  moody_strand on(behaviour::runs_it_right_there);
  auto& [io, now, mood, s] = on;
  int ran = 0;
  s->dispatch([&] { ++ran; });
  CHECK(ran == 1);
  CHECK_THROWS_AS(s->dispatch([&]() -> void {
    ++ran;
    throw std::runtime_error("from right there");
  }),
      std::runtime_error);
  CHECK(ran == 2);
  CHECK_FALSE(s->is_here());
  s->dispatch([&] { ++ran; });
  CHECK(ran == 3);
}

// --- as the executor of a run

namespace {

const ag::graph_fn give_executor{
    "give_executor", []() -> ag::task<asio::any_io_executor> { co_return co_await asio::this_coro::executor; }};

asio::any_io_executor executor_of_a_run(asio::io_context& io) {
  auto ended = ag::run_async(io, give_executor(), {}, asio::use_future);
  io.run();
  io.restart();
  return ended.get();
}

}  // namespace

TEST_CASE("the executor of a run may be used when the run is over") {
  asio::io_context io;
  const asio::any_io_executor ex = executor_of_a_run(io);
  CHECK(&asio::query(ex, asio::execution::context) == &io);
  const asio::any_io_executor copy = ex;
  CHECK(copy == ex);
  CHECK(executor_of_a_run(io) != ex);
  std::vector<int> order;
  asio::post(ex, [&] {
    asio::post(copy, [&] { order.push_back(3); });
    asio::dispatch(copy, [&] { order.push_back(1); });
    order.push_back(2);
  });
  io.run();
  CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE("the executor of a run that must not block runs nothing inside") {
  asio::io_context io;
  const asio::any_io_executor ex = executor_of_a_run(io);
  const asio::any_io_executor later = asio::require(ex, asio::execution::blocking.never);
  bool ran = false;
  asio::post(ex, [&] {
    later.execute([&] { ran = true; });
    CHECK_FALSE(ran);
  });
  io.run();
  CHECK(ran);
}

TEST_CASE("work that is tracked on the executor of a run keeps the context running") {
  asio::io_context io;
  const asio::any_io_executor ex = executor_of_a_run(io);
  asio::any_io_executor busy = asio::prefer(ex, asio::execution::outstanding_work.tracked);
  CHECK(busy == ex);
  asio::any_io_executor as_busy = busy;
  CHECK(io.poll() == 0);
  CHECK_FALSE(io.stopped());
  busy = asio::prefer(busy, asio::execution::outstanding_work.untracked);
  CHECK(busy == ex);
  CHECK(io.poll() == 0);
  CHECK_FALSE(io.stopped());
  as_busy = busy;
  CHECK(io.poll() == 0);
  CHECK(io.stopped());
  io.restart();
  SECTION("also by a coroutine that waits for another thread") {
    bool went_on = false;
    asio::thread_pool pool(1);
    asio::steady_timer never(pool, asio::steady_timer::time_point::max());
    asio::co_spawn(ex, [&]() -> asio::awaitable<void> {
      boost::system::error_code ec;
      co_await never.async_wait(asio::redirect_error(asio::use_awaitable, ec));
      went_on = true;
    }, asio::detached);
    while (io.poll() > 0) {
    }
    CHECK_FALSE(io.stopped());
    never.cancel();
    while (!went_on) io.run_one();
    pool.join();
  }
}
