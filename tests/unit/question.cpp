#include "aethergraph/question.hpp"

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

int bodies = 0;
const ag::tool work{"work", [](int x) {
  ++bodies;
  return 2 * x;
}};

const ag::graph_fn greeting{"greeting", [](ag::context& ctx) -> ag::task<std::string> {
  const int a = co_await work(1);
  const std::string name = co_await ctx.channel().ask_text("What is your name?");
  const bool is_sure = co_await ctx.channel().ask_approval("Are you sure?");
  const std::vector<std::string> colours{"red", "blue"};
  const std::string colour = co_await ctx.channel().ask_choice("Which colour?", colours);
  const int b = co_await work(a);
  co_return fmt::format("{} {} {} {}", name, is_sure, colour, b);
}};

ag::run_options durable(ag::run_store& store, ag::channel& channel) {
  return {.channel = &channel, .store = &store, .run_id = "a"};
}

template <class E, class Fn>
std::string message_of(Fn fn) {
  try {
    fn();
  } catch (const E& e) {
    return e.what();
  }
  return "nothing of this type was thrown";
}

}  // namespace

TEST_CASE("without a store, whoever is behind the channel answers") {
  ag::memory_channel channel;
  channel.answer("Ada");
  channel.answer("perhaps");
  channel.answer("yes");
  channel.answer("blue");
  CHECK(ag::run(greeting(), {.channel = &channel}) == "Ada true blue 4");
  CHECK(channel.texts() == std::vector<std::string>{"What is your name?", "Are you sure? (yes, no)",
                               "'perhaps' is no answer to 'Are you sure?'; it must be yes or no",
                               "Which colour? (red, blue)"});
}

TEST_CASE("a callback answers, and a channel with nobody behind it cannot") {
  ag::callback_channel answering([](std::string) {}, [](const ag::question& q) {
    return std::string(q.kind == ag::question_kind::text ? "Bob" : q.kind == ag::question_kind::approval ? "n" : "red");
  });
  CHECK(ag::run(greeting(), {.channel = &answering}) == "Bob false red 4");
  ag::callback_channel silent([](std::string) {});
  CHECK_THROWS_AS(ag::run(greeting(), {.channel = &silent}), ag::error);
}

TEST_CASE("a run that only waits for answers is parked, and goes on with them, one after another") {
  ag::memory_store store;
  ag::memory_channel channel;
  bodies = 0;
  CHECK(message_of<ag::run_parked>([&] { ag::run(greeting(), durable(store, channel)); }) ==
        "run 'a' is parked: it waits for 1 answer, such as that to 'a@1'; run the same id again to go on");
  CHECK(store.find("a")->status == ag::run_status::parked);
  REQUIRE(store.questions("a").size() == 1);
  CHECK(store.questions("a")[0].prompt == "What is your name?");
  CHECK(channel.texts() == std::vector<std::string>{"What is your name? [answer a@1]"});
  ag::deliver(store, "a@1", "Ada");
  CHECK_THROWS_AS(ag::run(greeting(), durable(store, channel)), ag::run_parked);
  CHECK(message_of<ag::option_error>([&] { ag::deliver(store, "a@2", "well"); }) ==
        "'\"well\"' is no answer to 'Are you sure?'; it must be yes or no");
  ag::deliver(store, "a@2", true);
  CHECK_THROWS_AS(ag::run(greeting(), durable(store, channel)), ag::run_parked);
  CHECK(message_of<ag::option_error>([&] { ag::deliver(store, "a@3", "green"); }) ==
        "'\"green\"' is no answer to 'Which colour?'; it must be one of: red, blue");
  ag::deliver(store, "a@3", "blue");
  CHECK(ag::run(greeting(), durable(store, channel)) == "Ada true blue 4");
  CHECK(bodies == 2);
  CHECK(store.find("a")->status == ag::run_status::done);
}

TEST_CASE("the first answer counts") {
  ag::memory_store store;
  ag::memory_channel channel;
  CHECK_THROWS_AS(ag::run(greeting(), durable(store, channel)), ag::run_parked);
  ag::deliver(store, "a@1", "Ada");
  CHECK_THROWS_AS(ag::deliver(store, "a@1", "Bob"), ag::store_error);
  CHECK_THROWS_AS(ag::deliver(store, "b@1", "Bob"), ag::store_error);
  CHECK_THROWS_AS(ag::run(greeting(), durable(store, channel)), ag::run_parked);
  CHECK(store.facts("a").at(1).value == "\"Ada\"");
}

TEST_CASE("a run that is busy otherwise hears of an answer at once") {
  ag::memory_store store;
  ag::memory_channel channel;
  const ag::tool busy{"busy", [&]() -> ag::task<int> {
    while (store.questions("a").empty()) co_await ag::sleep_for(1ms);
    std::thread([&] { ag::deliver(store, store.questions("a")[0].token, "Ada"); }).join();
    co_await ag::sleep_for(20ms);
    co_return 1;
  }};
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<std::string> {
    const auto [name, n] = co_await ag::gather(ctx.channel().ask_text("Who?"), busy());
    co_return name + std::to_string(n);
  }};
  CHECK(ag::run(agent(), durable(store, channel)) == "Ada1");
}

TEST_CASE("questions beside each other are asked together, and answered in any order") {
  ag::memory_store store;
  ag::memory_channel channel;
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<std::string> {
    const auto [a, b] = co_await ag::gather(ctx.channel().ask_text("first"), ctx.channel().ask_text("second"));
    co_return a + b;
  }};
  try {
    ag::run(agent(), durable(store, channel));
    FAIL("it was not parked");
  } catch (const ag::run_parked& p) {
    REQUIRE(p.questions().size() == 2);
    ag::deliver(store, p.questions()[1].token, "2");
    ag::deliver(store, p.questions()[0].token, "1");
  }
  CHECK(ag::run(agent(), durable(store, channel)) == "12");
}

TEST_CASE("an answer that nobody waits for any more is not asked for") {
  ag::memory_store store;
  ag::memory_channel channel;
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<int> {
    const auto first = co_await ag::race(ctx.channel().ask_text("quick?"), ag::sleep_for(5ms));
    co_return static_cast<int>(first.index()) + co_await work(1);
  }};
  CHECK(ag::run(agent(), durable(store, channel)) == 3);
  CHECK(store.questions("a").empty());
}

TEST_CASE("a question has a deadline, which outlasts the process") {
  ag::memory_store store;
  ag::memory_channel channel;
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<std::string> {
    const ag::ask_options soon{.deadline = 50ms};
    const auto r = co_await ag::as_result(ctx.channel().ask_text("Who?", soon));
    if (r.has_value()) co_return r.value();
    co_return "nobody";
  }};
  try {
    ag::run(agent(), durable(store, channel));
    FAIL("it was not parked");
  } catch (const ag::run_parked& p) {
    CHECK(p.due());
  }
  std::this_thread::sleep_for(70ms);
  CHECK_THROWS_AS(ag::deliver(store, "a@0.0", "late"), ag::store_error);
}

TEST_CASE("a run waits for events by their names") {
  ag::memory_store store;
  ag::memory_channel channel;
  const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<int> {
    const std::vector<int> paid = co_await ag::wait_event<std::vector<int>>(ctx, "payment");
    co_return paid.at(1) + co_await work(1);
  }};
  CHECK_THROWS_AS(ag::deliver_event(store, "a", "payment", 3), ag::store_error);
  CHECK_THROWS_AS(ag::run(agent(), durable(store, channel)), ag::run_parked);
  CHECK(channel.texts().empty());
  ag::deliver_event(store, "a", "payment", std::vector<int>{3, 4});
  CHECK(ag::run(agent(), durable(store, channel)) == 6);
  CHECK_THROWS_AS(ag::run(agent()), ag::error);
}

TEST_CASE("an answer to an event that begins as JSON does is JSON") {
  ag::question q;
  q.kind = ag::question_kind::event;
  q.prompt = "paid";
  CHECK(ag::parse_answer(q, R"({"cents":1})") == R"({"cents":1})");
  CHECK(ag::parse_answer(q, "by card") == "\"by card\"");
  CHECK_THROWS_AS(ag::parse_answer(q, R"({"cents":1,)"), ag::option_error);
}

TEST_CASE("a sleep until a time of day parks the run, and is over when that has come") {
  ag::memory_store store;
  ag::memory_channel channel;
  const auto at = std::chrono::system_clock::now() + 60ms;
  const ag::graph_fn agent{"agent", [&]() -> ag::task<int> {
    const int a = co_await work(1);
    co_await ag::sleep_until(at);
    co_return a + co_await work(2);
  }};
  bodies = 0;
  try {
    ag::run(agent(), durable(store, channel));
    FAIL("it was not parked");
  } catch (const ag::run_parked& p) {
    REQUIRE(p.due());
    CHECK(*p.due() <= at + 5ms);
  }
  std::this_thread::sleep_until(at + 5ms);
  CHECK(ag::run(agent(), durable(store, channel)) == 6);
  CHECK(bodies == 2);
  CHECK(ag::run(agent()) == 6);  // without a store it is but a sleep
}
