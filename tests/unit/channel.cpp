#include "aethergraph/channel.hpp"

#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::graph_fn says{
    "says", [](ag::context& ctx, std::string text) -> ag::task<> { co_await ctx.channel().send_text(text); }};
const ag::tool says_too{
    "says_too", [](ag::context& ctx, std::string text) -> ag::task<> { co_await ctx.channel().send_text(text); }};

class slow_channel final : public ag::channel {
 public:
  ag::task<> send_text(std::string text) override {
    co_await ag::sleep_for(10ms);
    texts.push_back(text);
  }
  std::vector<std::string> texts;
};

class failing_channel final : public ag::channel {
 public:
  ag::task<> send_text(std::string text) override {
    co_await ag::sleep_for(0s);
    throw std::runtime_error("cannot send " + text);
  }
};

}  // namespace

TEST_CASE("a memory channel keeps what is sent, oldest first") {
  ag::memory_channel channel;
  auto body = [&]() -> ag::task<> {
    co_await channel.send_text("a");
    co_await channel.send_text("b");
  };
  ag::run(body());
  CHECK(channel.texts() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a run's channel gets what its bodies send") {
  ag::memory_channel channel;
  ag::run(says("hello"), {.channel = &channel});
  ag::run(says_too("again"), {.channel = &channel});
  CHECK(channel.texts() == std::vector<std::string>{"hello", "again"});
}

TEST_CASE("a nested run sends to its parent's channel") {
  ag::memory_channel channel;
  auto body = []() -> ag::task<> { co_await says("from within"); };
  ag::run(body(), {.channel = &channel});
  CHECK(channel.texts() == std::vector<std::string>{"from within"});
}

TEST_CASE("a nested run may have a channel of its own") {
  ag::memory_channel outer;
  ag::memory_channel inner;
  auto body = [&]() -> ag::task<> {
    co_await ag::run_async(says("for inner"), {.channel = &inner});
    co_await says_too("for outer");
  };
  ag::run(body(), {.channel = &outer});
  CHECK(inner.texts() == std::vector<std::string>{"for inner"});
  CHECK(outer.texts() == std::vector<std::string>{"for outer"});
}

TEST_CASE("a nested run with a null channel sends to its parent's") {
  ag::memory_channel channel;
  auto body = []() -> ag::task<> { co_await ag::run_async(says("x"), {.channel = nullptr}); };
  ag::run(body(), {.channel = &channel});
  CHECK(channel.texts() == std::vector<std::string>{"x"});
}

TEST_CASE("a run with a null channel sends to the console") {
  ag::channel* used = nullptr;
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<> {
    used = &ctx.channel();
    co_return;
  }};
  ag::run(agent(), {.channel = nullptr});
  CHECK(used == &ag::console());
}

TEST_CASE("a callback channel hands each message to its function") {
  std::vector<std::string> got;
  ag::callback_channel channel([&](std::string text) { got.push_back(text); });
  ag::run(says("hello"), {.channel = &channel});
  CHECK(got == std::vector<std::string>{"hello"});
}

TEST_CASE("a callback channel refuses an empty function") {
  CHECK_THROWS_AS(ag::callback_channel(nullptr), ag::option_error);
  CHECK_THROWS_AS(ag::callback_channel(std::function<void(std::string)>{}), ag::option_error);
}

TEST_CASE("what the function of a callback channel throws reaches the sender") {
  ag::callback_channel channel([](std::string) { throw std::runtime_error("no line"); });
  CHECK_THROWS_WITH(ag::run(says("hello"), {.channel = &channel}), "no line");
}

TEST_CASE("what a channel throws may be caught by the sender") {
  failing_channel channel;
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<std::string> {
    try {
      co_await ctx.channel().send_text("it");
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "sent";
  }};
  CHECK(ag::run(agent(), {.channel = &channel}) == "cannot send it");
}

TEST_CASE("a channel may suspend its sender") {
  slow_channel channel;
  ag::testing::simulation sim{1};
  sim.run(says("hello"), {.channel = &channel});
  CHECK(channel.texts == std::vector<std::string>{"hello"});
  CHECK(sim.elapsed() == 10ms);
}

TEST_CASE("a message that is not awaited is not sent") {
  ag::memory_channel channel;
  {
    [[maybe_unused]] auto t = channel.send_text("never");
  }
  CHECK(channel.texts().empty());
}

TEST_CASE("a message to a channel is not sent by a run that was asked to stop") {
  ag::memory_channel channel;
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ctx.channel().send_text("too late");
  }};
  CHECK_THROWS_AS(ag::testing::simulation(1).run(agent(), {.deadline = 1ms, .channel = &channel}), ag::timed_out);
  CHECK(channel.texts().empty());
}

TEST_CASE("a message in a shielded clean-up is sent by a run that was asked to stop") {
  ag::memory_channel channel;
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<> {
    co_await ag::as_result(ag::sleep_for(24h));
    co_await ag::shielded(ctx.channel().send_text("goodbye"));
  }};
  ag::testing::simulation(1).run(agent(), {.deadline = 1ms, .channel = &channel});
  CHECK(channel.texts() == std::vector<std::string>{"goodbye"});
}

TEST_CASE("runs on many threads may share a memory channel") {
  ag::memory_channel channel;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 100; ++n) ag::run(says("x"), {.channel = &channel});
    });
  for (auto& t : threads) t.join();
  CHECK(channel.texts().size() == 400);
}
