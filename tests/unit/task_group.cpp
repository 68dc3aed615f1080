#include "aethergraph/task_group.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

ag::task<> fails(int ms) {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  throw std::runtime_error("failed after " + std::to_string(ms));
}

// A subtree of spawned children, and their number.
ag::task<> spread(ag::task_group& g, int depth, int& count) {
  ++count;
  if (depth == 0) co_return;
  g.spawn(spread(g, depth - 1, count));
  g.spawn(spread(g, depth - 1, count));
  co_await ag::sleep_for(1ms);
}

}  // namespace

TEST_CASE("a group gives what its body returned") {
  auto body = []() -> ag::task<int> {
    co_return co_await ag::with_group([](ag::task_group&) -> ag::task<int> { co_return 3; });
  };
  CHECK(ag::run(body()) == 3);
}

TEST_CASE("a group ends after its children") {
  ag::testing::simulation sim{1};
  bool ended = false;
  auto child = [&]() -> ag::task<> {
    co_await ag::sleep_for(50ms);
    ended = true;
  };
  auto body = [&]() -> ag::task<bool> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      g.spawn(child());
      co_return;
    });
    co_return ended;
  };
  CHECK(sim.run(body()));
  CHECK(sim.elapsed() == 50ms);
}

TEST_CASE("a group without children ends with its body") {
  auto body = []() -> ag::task<> { co_await ag::with_group([](ag::task_group&) -> ag::task<> { co_return; }); };
  CHECK_NOTHROW(ag::run(body()));
}

TEST_CASE("a child starts when the body suspends, not before") {
  std::string order;
  auto child = [&]() -> ag::task<> {
    order += "child ";
    co_return;
  };
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      g.spawn(child());
      order += "spawned ";
      co_await ag::sleep_for(0s);
      order += "resumed";
    });
  };
  ag::run(body());
  CHECK(order == "spawned child resumed");
}

TEST_CASE("a group takes calls, tasks, invocations and sleeps") {
  int ran = 0;
  const ag::tool tool{"tool", [&](int) { ++ran; }};
  const ag::graph_fn agent{"agent", [&](int) -> ag::task<> {
    ++ran;
    co_return;
  }};
  auto task = [&]() -> ag::task<std::unique_ptr<int>> {
    ++ran;
    co_return nullptr;
  };
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      g.spawn(tool(1));
      g.spawn(task());
      g.spawn(agent(1));
      g.spawn(ag::sleep_for(1ms));
      g.spawn(ag::gather(tool(1), tool(2)));
      co_return;
    });
  };
  ag::run(body());
  CHECK(ran == 5);
}

TEST_CASE("a group counts the children that have not ended") {
  std::vector<std::size_t> pending;
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      pending.push_back(g.pending());
      g.spawn(ag::sleep_for(10ms));
      g.spawn(ag::sleep_for(30ms));
      pending.push_back(g.pending());
      co_await ag::sleep_for(20ms);
      pending.push_back(g.pending());
    });
  };
  ag::testing::simulation(1).run(body());
  CHECK(pending == std::vector<std::size_t>{0, 2, 1});
}

TEST_CASE("children may spawn in turn") {
  int count = 0;
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      g.spawn(spread(g, 5, count));
      co_return;
    });
  };
  ag::testing::simulation(1).run(body());
  CHECK(count == 63);
}

TEST_CASE("the failure of a child cancels its siblings and the body, and is thrown") {
  ag::testing::simulation sim{1};
  int cancelled = 0;
  auto sleeper = [&]() -> ag::task<> {
    auto r = co_await ag::as_result(ag::sleep_for(24h));
    cancelled += !r.has_value();
  };
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      g.spawn(sleeper());
      g.spawn(fails(10));
      g.spawn(sleeper());
      co_await sleeper();
    });
  };
  CHECK_THROWS_WITH(sim.run(body()), "failed after 10");
  CHECK(cancelled == 3);
  CHECK(sim.elapsed() == 10ms);
}

TEST_CASE("the failure of the body cancels the children, and is thrown when they have ended") {
  bool cleaned = false;
  bool seen = false;
  auto cleans = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::shielded(ag::sleep_for(5ms));
    cleaned = true;
  };
  auto body = [&]() -> ag::task<> {
    try {
      co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
        g.spawn(cleans());
        co_await ag::sleep_for(1ms);
        throw std::runtime_error("the body failed");
      });
    } catch (const std::runtime_error&) {
      seen = cleaned;
      throw;
    }
  };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), "the body failed");
  CHECK(seen);
}

TEST_CASE("the first of several failures is thrown") {
  auto body = []() -> ag::task<> {
    co_await ag::with_group([](ag::task_group& g) -> ag::task<> {
      g.spawn(fails(30));
      g.spawn(fails(10));
      g.spawn(fails(20));
      co_return;
    });
  };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), "failed after 10");
}

TEST_CASE("a value of the body is not given when a child fails later") {
  auto body = []() -> ag::task<int> {
    co_return co_await ag::with_group([](ag::task_group& g) -> ag::task<int> {
      g.spawn(fails(10));
      co_return 3;
    });
  };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), "failed after 10");
}

TEST_CASE("what is spawned after the group was cancelled never starts") {
  bool started = false;
  auto late = [&]() -> ag::task<> {
    started = true;
    co_return;
  };
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      g.spawn(fails(1));
      co_await ag::as_result(ag::sleep_for(24h));
      g.spawn(late());
    });
  };
  CHECK_THROWS_WITH(ag::testing::simulation(1).run(body()), "failed after 1");
  CHECK_FALSE(started);
}

TEST_CASE("a failure in an inner group that is caught leaves the outer one alone") {
  ag::testing::simulation sim{1};
  int ended = 0;
  auto sibling = [&]() -> ag::task<> {
    co_await ag::sleep_for(20ms);
    ++ended;
  };
  auto inner_body = [](ag::task_group& g) -> ag::task<> {
    g.spawn(fails(1));
    co_await ag::sleep_for(24h);
  };
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      g.spawn(sibling());
      co_await ag::as_result(ag::with_group(inner_body));
      g.spawn(sibling());
    });
  };
  sim.run(body());
  CHECK(ended == 2);
  CHECK(sim.elapsed() == 21ms);
}

TEST_CASE("a failure in an outer group cancels the inner one") {
  ag::testing::simulation sim{1};
  bool cancelled = false;
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& outer) -> ag::task<> {
      outer.spawn(fails(5));
      co_await ag::with_group([&](ag::task_group& inner) -> ag::task<> {
        inner.spawn(ag::sleep_for(24h));
        auto r = co_await ag::as_result(ag::sleep_for(24h));
        cancelled = !r.has_value();
      });
    });
  };
  CHECK_THROWS_WITH(sim.run(body()), "failed after 5");
  CHECK(cancelled);
  CHECK(sim.elapsed() == 5ms);
}

TEST_CASE("a cancelled group ends when its children have") {
  int cleaned = 0;
  bool was_cancelled = false;
  auto cleans = [&]() -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::shielded(ag::sleep_for(5ms));
    ++cleaned;
  };
  auto losing = [&]() -> ag::task<> {
    auto group = [&](ag::task_group& g) -> ag::task<> {
      g.spawn(cleans());
      g.spawn(cleans());
      co_await ag::sleep_for(24h);
    };
    try {
      co_await ag::with_group(group);
    } catch (const ag::cancelled&) {
      was_cancelled = cleaned == 2;
    }
  };
  auto body = [&]() -> ag::task<> { co_await ag::race(losing(), ag::sleep_for(1ms)); };
  ag::testing::simulation(1).run(body());
  CHECK(was_cancelled);
}

TEST_CASE("spawned calls pass the cap") {
  const ag::tool nap{"nap", [](int) -> ag::task<> { co_await ag::sleep_for(1ms); }};
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      for (int i = 0; i < 20; ++i) g.spawn(nap(i));
      co_return;
    });
  };
  CHECK(ag::testing::simulation(1).try_run(body(), {.max_concurrency = 3}).peak_concurrency() == 3);
}

TEST_CASE("a group takes a hundred thousand children") {
  int count = 0;
  const ag::tool counts{"counts", [&](int) { ++count; }};
  auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      for (int i = 0; i < 100'000; ++i) g.spawn(counts(i));
      co_return;
    });
  };
  ag::run(body());
  CHECK(count == 100'000);
}
