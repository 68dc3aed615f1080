#include "aethergraph/rerun.hpp"

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> called;

const ag::tool load{"load", [](int x) {
  called.push_back("load");
  return x;
}};
const ag::tool scale{"scale", [](int x, int factor) {
  called.push_back("scale");
  return x * factor;
}};
const ag::tool add{"add", [](int a, int b) {
  called.push_back("add");
  return a + b;
}};
const ag::tool both{"both", [](int x) -> ag::task<int> {
  called.push_back("both");
  const int a = co_await load(x);
  co_return co_await scale(a, 10);
}};

const ag::graphify forked{"forked", [](ag::node<int> x) {
  auto a = load(x).id("a");
  auto left = scale(a, 2).id("left");
  auto right = both(a).id("right/of.all");
  return add(left, right).id("sum");
}};

const ag::graph_fn agent{"agent", [](ag::context& ctx, int n) -> ag::task<int> {
  const int a = co_await load(n);
  const int b = co_await both(a);
  const int c = co_await scale(b, 3);
  const bool is_wanted = co_await ctx.channel().ask_approval(fmt::format("Add {}?", c));
  if (!is_wanted) co_return 0;
  co_return co_await add(b, c);
}};

ag::run_options durable(ag::run_store& store, std::string_view id = "a") { return {.store = &store, .run_id = id}; }

std::vector<std::string> paths_of(const std::vector<ag::fact>& facts) {
  std::vector<std::string> paths;
  for (const ag::fact& f : facts) paths.push_back(f.path);
  std::sort(paths.begin(), paths.end());
  return paths;
}

template <class Fn>
std::string message_of(Fn fn) {
  try {
    fn();
  } catch (const ag::error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

template <class Run>
std::vector<std::string> calls_of(Run run) {
  called.clear();
  run();
  return std::exchange(called, {});
}

using names = std::vector<std::string>;

}  // namespace

TEST_CASE("a node of a graph is computed anew with what depends on it, and nothing else is") {
  const auto graph = forked.build();
  ag::memory_store store;
  int sum = ag::run(graph(1), durable(store));
  CHECK(paths_of(ag::rerun(store, "a", {"left"})) == names{":left", ":sum"});
  CHECK(store.find("a")->status == ag::run_status::running);
  CHECK(calls_of([&] { sum = ag::run(graph(1), durable(store)); }) == names{"scale", "add"});
  CHECK(sum == 12);
}

TEST_CASE("a node is forgotten with what its body did, by its id, its path or the name of its tool") {
  const auto graph = forked.build();
  for (const char* selector : {"right/of.all", ":right%2Fof%2Eall", "tool:bo", ":right%2Fof%2Eall/0"}) {
    CAPTURE(selector);
    ag::memory_store store;
    ag::run(graph(1), durable(store));
    CHECK(paths_of(ag::rerun(store, "a", {selector})) ==
          names{":right%2Fof%2Eall", ":right%2Fof%2Eall/0", ":right%2Fof%2Eall/1", ":sum"});
    CHECK(calls_of([&] { ag::run(graph(1), durable(store)); }) == names{"both", "load", "scale", "add"});
  }
}

TEST_CASE("what begins a graph takes all with it") {
  const auto graph = forked.build();
  ag::memory_store store;
  ag::run(graph(1), durable(store));
  CHECK(ag::rerun(store, "a", {"a"}).size() == 6);
  CHECK(store.facts("a").empty());
}

TEST_CASE("a selector that selects nothing is refused, and nothing is forgotten") {
  ag::memory_store store;
  ag::run(forked.build()(1), durable(store));
  CHECK(message_of([&] { ag::rerun(store, "a", {"a", "tool:none"}); }) ==
        "'tool:none' selects nothing of run 'a'; it must be \"tool:\" and the beginning of a name, or an id or path "
        "that its recorded graph has");
  CHECK(store.facts("a").size() == 6);
  CHECK(message_of([&] { ag::rerun(store, "b", {"a"}); }) == "there is no run 'b' in the store");
}

TEST_CASE("an agent forgets everything from the selected call on, with what the body of that did") {
  ag::memory_store store;
  CHECK_THROWS_AS(ag::run(agent(1), durable(store)), ag::run_parked);
  ag::deliver(store, "a@3", true);
  CHECK(ag::run(agent(1), durable(store)) == 40);
  CHECK(paths_of(ag::rerun(store, "a", {"1"})) == names{"1", "1/0", "1/1", "2", "3", "4"});
  // The question is asked anew.
  CHECK(calls_of([&] { CHECK_THROWS_AS(ag::run(agent(1), durable(store)), ag::run_parked); }) ==
        names{"both", "load", "scale", "scale"});
  ag::deliver(store, "a@3", false);
  CHECK(ag::run(agent(1), durable(store)) == 0);
}

TEST_CASE("the earliest call of a tool counts") {
  ag::memory_store store;
  CHECK_THROWS_AS(ag::run(agent(1), durable(store)), ag::run_parked);
  CHECK(paths_of(ag::rerun(store, "a", {"tool:scale"})) == names{"1", "1/1", "2"});
  CHECK(calls_of([&] { CHECK_THROWS_AS(ag::run(agent(1), durable(store)), ag::run_parked); }) ==
        names{"both", "scale", "scale"});
}

TEST_CASE("an answer that nobody has seen is void when what was asked for is computed anew") {
  ag::memory_store store;
  CHECK_THROWS_AS(ag::run(agent(1), durable(store)), ag::run_parked);
  ag::deliver(store, "a@3", true);
  ag::rerun(store, "a", {"2"});
  CHECK_THROWS_AS(ag::run(agent(1), durable(store)), ag::run_parked);
  REQUIRE(store.questions("a").size() == 1);
  CHECK(!store.questions("a")[0].answer);
}

TEST_CASE("an answer before what is computed anew stays") {
  ag::memory_store store;
  CHECK_THROWS_AS(ag::run(agent(1), durable(store)), ag::run_parked);
  ag::deliver(store, "a@3", true);
  CHECK(ag::run(agent(1), durable(store)) == 40);
  CHECK(paths_of(ag::rerun(store, "a", {"tool:add"})) == names{"4"});
  CHECK(calls_of([&] { CHECK(ag::run(agent(1), durable(store)) == 40); }) == names{"add"});
}

TEST_CASE("an answer itself can be asked for anew") {
  ag::memory_store store;
  CHECK_THROWS_AS(ag::run(agent(1), durable(store)), ag::run_parked);
  ag::deliver(store, "a@3", false);
  CHECK(ag::run(agent(1), durable(store)) == 0);
  CHECK(paths_of(ag::rerun(store, "a", {"3"})) == names{"3"});
  CHECK_THROWS_AS(ag::run(agent(1), durable(store)), ag::run_parked);
}

TEST_CASE("a failed run is open again when it is rerun") {
  ag::memory_store store;
  bool is_up = false;
  const ag::tool fetch{"fetch", [&]() -> int {
    if (!is_up) throw std::runtime_error("down");
    return 7;
  }};
  const ag::graph_fn fetching{"fetching", [&]() -> ag::task<int> {
    const int a = co_await load(1);
    co_return a + co_await fetch();
  }};
  CHECK_THROWS(ag::run(fetching(), durable(store)));
  is_up = true;
  CHECK_THROWS(ag::run(fetching(), durable(store)));
  ag::rerun(store, "a", {"tool:fetch"});
  CHECK(calls_of([&] { CHECK(ag::run(fetching(), durable(store)) == 8); }).empty());
}

TEST_CASE("an answer that nobody has seen is void, too, when the run has ended without it") {
  ag::memory_store store;
  ag::memory_channel channel;
  int calls = 0;
  const ag::tool answering{"answering", [&]() -> ag::task<int> {
    co_await ag::sleep_for(std::chrono::milliseconds(1));
    if (++calls > 1) co_return 1;
    store.answer(store.questions().at(0).token, "true");
    throw std::runtime_error("once");
  }};
  const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<int> {
    auto asks = [](ag::context& c) -> ag::task<bool> { co_return co_await c.channel().ask_approval("Well?"); };
    const auto [a, b] = co_await ag::gather(asks(ctx), answering());
    co_return a + b;
  }};
  const ag::run_options options{.channel = &channel, .store = &store, .run_id = "a"};
  CHECK_THROWS_AS(ag::run(agent(), options), std::runtime_error);
  CHECK(store.find("a")->status == ag::run_status::failed);
  CHECK_NOTHROW(ag::rerun(store, "a", {"tool:answering"}));
  CHECK_THROWS_AS(ag::run(agent(), options), ag::run_parked);
}

TEST_CASE("a fork computes anew in a copy, and the original stays as it is") {
  const auto graph = forked.build();
  ag::memory_store store;
  ag::run(graph(1), durable(store));
  CHECK(paths_of(ag::fork(store, "a", "b", {"left"})) == names{":left", ":sum"});
  CHECK(store.find("b")->forked_from == "a");
  CHECK(calls_of([&] { CHECK(ag::run(graph(1), durable(store, "b")) == 12); }) == names{"scale", "add"});
  CHECK(store.find("a")->status == ag::run_status::done);
  CHECK(store.facts("a").size() == 6);
}

TEST_CASE("a graph of another structure is refused unless changes are accepted, and then what differs is computed") {
  ag::memory_store store;
  ag::run(forked.build()(1), durable(store));
  const ag::graphify changed{"forked", [](ag::node<int> x) {
    auto a = load(x).id("a");
    auto left = scale(a, 3).id("left");  // a literal is not a part of the structure
    auto right = scale(a, a).id("right/of.all");
    auto more = load(right).id("more");
    return add(left, more).id("sum");
  }};
  const auto graph = changed.build();
  CHECK_THROWS_AS(ag::run(graph(1), durable(store)), ag::divergence_error);
  CHECK(ag::rerun(store, "a", {"left"}, {.accept_changes = true}).size() == 2);
  CHECK(calls_of([&] { CHECK(ag::run(graph(1), durable(store)) == 4); }) == names{"scale", "scale", "load", "add"});
  // From then on it is that graph.
  CHECK(ag::run(graph(1), durable(store)) == 4);
  CHECK_THROWS_AS(ag::run(forked.build()(1), durable(store)), ag::divergence_error);
}

TEST_CASE("another version of a tool is computed anew where changes are accepted, with what depends on it") {
  ag::memory_store store;
  const auto graph_with = [](std::string_view version) {
    return ag::graphify{"versions", [version](ag::node<int> x) {
      const ag::tool twice{"twice", [](int n) {
        called.push_back("twice");
        return 2 * n;
      }, {.version = version}};
      auto a = load(x);
      auto b = twice(a);
      return add(b, scale(a, 5));
    }}.build();
  };
  ag::run(graph_with("1")(1), durable(store));
  CHECK(message_of([&] { ag::run(graph_with("2")(1), durable(store)); }) ==
        "run 'a' was recorded of another graph: recorded and no longer there: twice#2 = twice, version 1; new: twice#2 "
        "= twice, version 2");
  CHECK(ag::rerun(store, "a", {}, {.accept_changes = true}).empty());
  CHECK(calls_of([&] { ag::run(graph_with("2")(1), durable(store)); }) == names{"twice", "add"});
}

TEST_CASE("another version of an agent goes on with what was recorded where changes are accepted") {
  ag::memory_store store;
  const auto version = [](std::string_view v, int factor) {
    return ag::graph_fn{"versioned", [factor](int n) -> ag::task<int> {
      const int a = co_await load(n);
      co_return co_await scale(a, factor);
    }, {.version = v}};
  };
  CHECK(ag::run(version("1", 2)(4), durable(store)) == 8);
  CHECK_THROWS_AS(ag::run(version("2", 3)(4), durable(store)), ag::divergence_error);
  ag::fork(store, "a", "b", {"tool:scale"}, {.accept_changes = true});
  CHECK(calls_of([&] { CHECK(ag::run(version("2", 3)(4), durable(store, "b")) == 12); }) == names{"scale"});
  // Other arguments are another run all the same.
  ag::rerun(store, "a", {"tool:scale"}, {.accept_changes = true});
  CHECK_THROWS_AS(ag::run(version("2", 3)(5), durable(store)), ag::divergence_error);
  CHECK(ag::run(version("2", 3)(4), durable(store)) == 12);
}
