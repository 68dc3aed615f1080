#include "aethergraph/boundary.hpp"

#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;

namespace {

using texts = std::vector<std::string>;

auto fetch = [](std::string url, int tries) { return url + std::to_string(tries); };

/// The first node of a run of one call.
template <class Call>
ag::task_graph::node_view node_of(Call c) {
  return ag::try_run(std::move(c)).graph().nodes().at(0);
}

/// What its first call says is wrong.
template <class Call>
std::string refusal(Call c) {
  try {
    ag::run(std::move(c));
  } catch (const ag::option_error& e) {
    return e.what();
  }
  return "nothing is wrong";
}

}  // namespace

TEST_CASE("a node has the names of its tool's inputs and outputs") {
  const ag::tool tool{"fetch", fetch, ag::inputs{"url", "tries"}, ag::outputs{"body"}};
  const auto n = node_of(tool("a", 1));
  CHECK(n.inputs == texts{"url", "tries"});
  CHECK(n.outputs == texts{"body"});
  CHECK(n.state == ag::node_state::done);
}

TEST_CASE("a node of a tool without names has none") {
  const ag::tool tool{"fetch", fetch};
  const auto n = node_of(tool("a", 1));
  CHECK(n.inputs.empty());
  CHECK(n.outputs.empty());
}

TEST_CASE("either side may be named alone, in either order, behind options") {
  const ag::tool in{"in", fetch, ag::inputs{"url", "tries"}};
  const ag::tool out{"out", fetch, ag::outputs{"body"}};
  const ag::tool both{"both", fetch, {.label = "net"}, ag::outputs{"body"}, ag::inputs{"url", "tries"}};
  CHECK(node_of(in("a", 1)).outputs.empty());
  CHECK(node_of(in("a", 1)).inputs == texts{"url", "tries"});
  CHECK(node_of(out("a", 1)).inputs.empty());
  CHECK(node_of(out("a", 1)).outputs == texts{"body"});
  CHECK(node_of(both("a", 1)).inputs == texts{"url", "tries"});
  CHECK(node_of(both("a", 1)).outputs == texts{"body"});
  CHECK(node_of(both("a", 1)).label == "net");
}

TEST_CASE("the context of a tool has no name") {
  const ag::tool tool{"fetch", [](ag::context&, int x) { return x; }, ag::inputs{"x"}};
  CHECK(node_of(tool(1)).inputs == texts{"x"});
}

TEST_CASE("a tool with an explicit signature may have names") {
  const ag::tool<int(int)> tool{"generic", [](auto x) { return x; }, ag::inputs{"x"}, ag::outputs{"y"}};
  CHECK(node_of(tool(1)).inputs == texts{"x"});
  CHECK(node_of(tool(1)).outputs == texts{"y"});
}

TEST_CASE("a nested run has the names of its agent") {
  const ag::graph_fn agent{"agent", [](ag::context&, int x) -> ag::task<int> { co_return x; }, {.max_concurrency = 2},
      ag::inputs{"question"}, ag::outputs{"answer"}};
  auto body = [&]() -> ag::task<> { co_await agent(1); };
  const auto n = node_of(body());
  CHECK(n.tool == "agent");
  CHECK(n.inputs == texts{"question"});
  CHECK(n.outputs == texts{"answer"});
}

TEST_CASE("tools of one name keep the names of each of them") {
  const ag::tool a{"same", fetch, ag::inputs{"url", "tries"}};
  const ag::tool b{"same", fetch, ag::inputs{"address", "times"}};
  const ag::tool c{"same", fetch, ag::outputs{"url", "tries"}};
  CHECK(node_of(a("a", 1)).inputs == texts{"url", "tries"});
  CHECK(node_of(b("a", 1)).inputs == texts{"address", "times"});
  CHECK(node_of(c("a", 1)).inputs.empty());
}

TEST_CASE("names are shown by pretty") {
  const ag::tool tool{"fetch", fetch, ag::inputs{"url", "tries"}, ag::outputs{"body"}};
  const ag::tool half{"half", fetch, ag::outputs{"body"}};
  auto body = [&]() -> ag::task<> { co_await ag::gather(tool("a", 1), half("b", 2)); };
  const auto g = ag::try_run(body()).graph();
  CHECK(g.pretty() == g.id() +
                          ": done\n"
                          "  fetch#1 (0.0) of url, tries gives body: done\n"
                          "  half#2 (0.1) gives body: done\n");
}

TEST_CASE("an error about a call shows the names") {
  const ag::tool tool{"fetch", fetch, ag::inputs{"url", "tries"}, ag::outputs{"body"}};
  auto body = [&]() -> ag::task<> {
    auto c = tool("a", 1);
    co_await std::move(c);
    co_await std::move(c);
  };
  CHECK_THROWS_WITH(ag::run(body()),
      "this call of tool 'fetch(url, tries) -> body' was awaited or moved from before; a call can be awaited once");
}

TEST_CASE("another number of inputs than of parameters is an error of the first call, which shows both") {
  const ag::tool few{"few", fetch, ag::inputs{"url"}};
  const ag::tool many{"many", fetch, ag::inputs{"url", "tries", "rest"}, ag::outputs{"body"}};
  CHECK(refusal(few("a", 1)) == "'few(url)' names 1 inputs, but has 2; name all or none");
  CHECK(refusal(many("a", 1)) == "'many(url, tries, rest) -> body' names 3 inputs, but has 2; name all or none");
}

TEST_CASE("an empty name is an error of the first call") {
  const ag::tool in{"in", fetch, ag::inputs{"url", ""}};
  const ag::tool out{"out", fetch, ag::outputs{""}};
  CHECK(refusal(in("a", 1)) == "'in(url, )': one of its inputs has an empty name");
  CHECK(refusal(out("a", 1)) == "'out -> ': one of its outputs has an empty name");
}

TEST_CASE("a name twice on one side is an error of the first call, which shows it") {
  const ag::tool in{"in", fetch, ag::inputs{"url", "url"}};
  const ag::tool out{"out", [](int x) { return std::pair(x, x); }, ag::outputs{"half", "half"}};
  CHECK(refusal(in("a", 1)) == "'in(url, url)': two of its inputs are named 'url'");
  CHECK(refusal(out(1)) == "'out -> half, half': two of its outputs are named 'half'");
}

TEST_CASE("an input and an output may have one name") {
  const ag::tool tool{"same", [](int x) { return x; }, ag::inputs{"x"}, ag::outputs{"x"}};
  CHECK(ag::run(tool(3)) == 3);
}

TEST_CASE("each part of a tuple has a name") {
  const ag::tool tool{"divide", [](int a, int b) { return std::tuple(a / b, a % b); }, ag::inputs{"a", "b"},
      ag::outputs{"quotient", "remainder"}};
  CHECK(node_of(tool(7, 2)).outputs == texts{"quotient", "remainder"});
}

TEST_CASE("another number of outputs than of parts of a tuple is an error of the first call") {
  const ag::tool tool{"divide", [](int a, int b) { return std::tuple(a / b, a % b); }, ag::outputs{"quotient"}};
  CHECK(refusal(tool(7, 2)) == "'divide -> quotient' names 1 outputs, but has 2; name all or none");
}

TEST_CASE("several outputs of a tool that gives one number are an error of the first call") {
  const ag::tool tool{"add", [](int a, int b) { return a + b; }, ag::outputs{"sum", "carry"}};
  CHECK(refusal(tool(7, 2)) == "'add -> sum, carry' names 2 outputs, but has 1; name all or none");
}

TEST_CASE("wrong names of an agent are an error of its run") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x; }, ag::inputs{"a", "b"}};
  CHECK(refusal(agent(1)) == "'agent(a, b)' names 2 inputs, but has 1; name all or none");
}

TEST_CASE("a call with wrong names fails each time, and its body never starts") {
  bool has_started = false;
  const ag::tool tool{"tool", [&](int x) {
    has_started = true;
    return x;
  }, ag::inputs{"a", "b"}};
  CHECK_THROWS_AS(ag::run(tool(1)), ag::option_error);
  CHECK_THROWS_AS(ag::run(tool(1)), ag::option_error);
  CHECK_FALSE(has_started);
}
