#include "aethergraph/graphify.hpp"

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::tool plus{"plus", [](int a, int b) { return a + b; }};
const ag::tool total{"total", [](std::vector<int> xs) { return std::accumulate(xs.begin(), xs.end(), 0); }};
const ag::tool nothing{"nothing", [](int) {}};
const ag::tool join{"join", [](std::string a, std::string b) { return a + b; }};
const ag::tool unique{"unique", [](int x) { return std::make_unique<int>(x); }};
const ag::tool read_unique{"read_unique", [](std::unique_ptr<int> p) { return *p; }};
const ag::graph_fn doubler{"doubler", [](int x) -> ag::task<int> { co_return co_await work(x); }};

struct summary {
  int count;
  std::string name;
  std::vector<int> all;
};

/// Of a graph in whose body this happens.
template <class Body>
auto built(Body body) {
  return ag::graphify{"g", std::move(body)}.build();
}

std::vector<std::string> ids(const ag::task_graph& g) {
  std::vector<std::string> all;
  for (const auto& n : g.nodes()) all.push_back(n.id);
  return all;
}

}  // namespace

// --- parameters

TEST_CASE("a plain parameter of a graphify decides the shape of the graph") {
  const ag::graphify g{"g", [](std::vector<int> vals) {
    std::vector<ag::node<int>> outs;
    for (const int v : vals) outs.push_back(work(v));
    return total(outs);
  }};
  CHECK(g.build({1, 2, 3}).spec().nodes().size() == 4);
  CHECK(g.build({}).spec().nodes().size() == 1);
  CHECK(ag::run(g({1, 2, 3})) == 12);
}

TEST_CASE("plain and node parameters of a graphify may come in any order") {
  const ag::graphify g{"g", [](int a, ag::node<std::string> b, std::string c, ag::node<int> d, const int& e,
                                const ag::node<int>& f) { return std::tuple{join(b, c), plus(d, a), plus(f, e)}; }};
  static_assert(std::is_same_v<decltype(g.build(1, "c", 3)),
      ag::graph<std::tuple<std::string, int, int>(std::string, int, int)>>);
  const auto graph = g.build(1, "c", 3);
  CHECK(ag::run(graph("b", 10, 20)) == std::tuple<std::string, int, int>("bc", 11, 23));
  CHECK(ag::run(g(1, "b", "c", 10, 3, 20)) == std::tuple<std::string, int, int>("bc", 11, 23));
}

TEST_CASE("a graphify without parameters is a graph without inputs") {
  const ag::graphify g{"g", [] { return work(21); }};
  CHECK(ag::run(g()) == 42);
  CHECK(ag::run(g.build()()) == 42);
}

TEST_CASE("the arguments of a graphify are converted to its parameters") {
  const ag::graphify g{"g", [](double a, ag::node<std::string> b) {
    const ag::tool shows{"shows", [](double x, const std::string& s) { return fmt::format("{} {}", x, s); }};
    return shows(a, b);
  }};
  CHECK(ag::run(g(1, "x")) == "1 x");
}

TEST_CASE("a move-only node parameter is given at each run") {
  const ag::graphify g{"g", [](ag::node<std::unique_ptr<int>> p) { return read_unique(p); }};
  const auto graph = g.build();
  CHECK(ag::run(graph(std::make_unique<int>(3))) == 3);
  CHECK(ag::run(graph(std::make_unique<int>(4))) == 4);
  CHECK(ag::run(g(std::make_unique<int>(5))) == 5);
}

TEST_CASE("a body that owns something is traced as often as wanted") {
  auto owned = std::make_shared<int>(5);
  const ag::graphify g{"g", [owned](int x) { return plus(x, *owned); }};
  CHECK(ag::run(g(1)) == 6);
  CHECK(ag::run(g(2)) == 7);
}

// --- arguments of calls

TEST_CASE("nodes and literals are mixed among the arguments of a call") {
  CHECK(ag::run(ag::graphify{"g", [] { return plus(plus(work(1), 10), plus(100, work(2))); }}()) == 116);
}

TEST_CASE("a vector of nodes is given for a vector") {
  CHECK(ag::run(ag::graphify{"g", [] { return total(std::vector<ag::node<int>>{work(1), work(2)}); }}()) == 6);
}

TEST_CASE("an empty vector of nodes is given for a vector") {
  CHECK(ag::run(ag::graphify{"g", [] { return total(std::vector<ag::node<int>>{}); }}()) == 0);
}

TEST_CASE("an array of nodes is given for a vector and for an array") {
  const ag::tool both{"both",
      [](std::vector<int> v, std::array<int, 2> a) { return v.at(0) + 10 * v.at(1) + 100 * a[0] + 1000 * a[1]; }};
  const ag::graphify g{"g", [&] {
    const std::array<ag::node<int>, 2> a{work(1), work(2)};
    return both(a, a);
  }};
  CHECK(ag::run(g()) == 4242);
}

TEST_CASE("a map with nodes as values is given for a map") {
  const ag::tool shows{
      "shows", [](std::map<std::string, int> m) { return fmt::format("{} {}", m.at("a"), m.at("b")); }};
  const ag::graphify g{"g", [&] {
    std::map<std::string, ag::node<int>> m;
    m["b"] = work(2);
    m["a"] = work(1);
    return shows(m);
  }};
  CHECK(ag::run(g()) == "2 4");
}

TEST_CASE("an optional node is given for an optional") {
  const ag::tool or_zero{"or_zero", [](std::optional<int> x) { return x.value_or(0); }};
  const ag::graphify g{"g", [&](bool has) {
    std::optional<ag::node<int>> x;
    if (has) x = work(3);
    return or_zero(x);
  }};
  CHECK(ag::run(g(true)) == 6);
  CHECK(ag::run(g(false)) == 0);
}

TEST_CASE("tuples and pairs mix nodes and literals") {
  const ag::tool shows{"shows", [](std::tuple<int, std::string, int> t, std::pair<int, int> p) {
    return fmt::format("{} {} {} {} {}", std::get<0>(t), std::get<1>(t), std::get<2>(t), p.first, p.second);
  }};
  const ag::graphify g{"g", [&] { return shows(std::tuple{work(1), std::string("x"), 3}, std::pair{4, work(5)}); }};
  CHECK(ag::run(g()) == "2 x 3 4 10");
}

TEST_CASE("containers of containers of nodes are given for such") {
  const ag::tool sum{"sum", [](std::vector<std::vector<int>> all) {
    int n = 0;
    for (const auto& v : all) n = std::accumulate(v.begin(), v.end(), 10 * n);
    return n;
  }};
  const ag::graphify g{
      "g", [&] { return sum(std::vector<std::vector<ag::node<int>>>{{work(1), work(2)}, {}, {work(3)}}); }};
  CHECK(ag::run(g()) == 606);
}

TEST_CASE("a vector of move-only nodes is given for a vector of such") {
  const ag::tool sum{"sum", [](std::vector<std::unique_ptr<int>> all) {
    int n = 0;
    for (const auto& p : all) n += *p;
    return n;
  }};
  const ag::graphify g{"g", [&] { return sum(std::vector<ag::node<std::unique_ptr<int>>>{unique(1), unique(2)}); }};
  CHECK(ag::run(g()) == 3);
}

TEST_CASE("a vector of move-only values flows from a tool to its reader") {
  const ag::tool make{"make", [](int n) {
    std::vector<std::unique_ptr<int>> all;
    for (int i = 0; i < n; ++i) all.push_back(std::make_unique<int>(i));
    return all;
  }};
  const ag::tool count{"count", [](std::vector<std::unique_ptr<int>> all) { return all.size(); }};
  CHECK(ag::run(ag::graphify{"g", [&] { return count(make(5)); }}()) == 5);
  CHECK(ag::run(ag::graphify{"g", [&] { return make(5); }}()).size() == 5);
}

TEST_CASE("a value that converts to the parameter is taken from a node of another type") {
  const ag::tool halves{"halves", [](double x) { return x / 2; }};
  CHECK(ag::run(ag::graphify{"g", [&] { return halves(work(3)); }}()) == 3.0);
  const auto graph = built([&](ag::node<int> x) {
    const ag::node<double> y = x;
    return halves(y);
  });
  CHECK(ag::run(graph(5)) == 2.5);
}

TEST_CASE("a call assigned to again is the new call") {
  const ag::graphify g{"g", [] {
    auto a = work(1);
    a = work(a);
    a = work(a);
    return a;
  }};
  const auto graph = g.build();
  CHECK(ag::run(graph()) == 8);
  CHECK(graph.spec().nodes().size() == 3);
  CHECK(graph.warnings().empty());
}

TEST_CASE("a tool of every kind is a node: a coroutine, an Asio coroutine, a plain function, one with a context") {
  const ag::tool asio_tool{"asio_tool", [](int x) -> boost::asio::awaitable<int> { co_return x + 1; }};
  const ag::tool with_context{"with_context", [](ag::context&, int x) { return x + 2; }};
  const ag::tool<int(int)> erased{"erased", [](auto x) { return x + 3; }};
  CHECK(ag::run(ag::graphify{"g", [&] { return erased(with_context(asio_tool(work(1)))); }}()) == 8);
}

TEST_CASE("a call in a graph outlives the tool that it came from") {
  const auto graph = built([](ag::node<int> x) {
    const ag::tool local{"local", [s = std::make_shared<int>(7)](int a) { return a + *s; }};
    return local(x);
  });
  CHECK(ag::run(graph(1)) == 8);
}

// --- results

TEST_CASE("the result of a graph is a node, a call, or an input handed through") {
  CHECK(ag::run(built([](ag::node<int> x) { return ag::node<int>(plus(x, 1)); })(2)) == 3);
  CHECK(ag::run(built([] { return work(2); })()) == 4);
  CHECK(ag::run(built([](ag::node<std::string> x) { return x; })("same")) == "same");
}

TEST_CASE("a move-only input is handed through") {
  CHECK(*ag::run(built([](ag::node<std::unique_ptr<int>> x) { return x; })(std::make_unique<int>(3))) == 3);
}

TEST_CASE("the result of a graph is a literal") {
  CHECK(ag::run(built([] { return 7; })()) == 7);
  CHECK(ag::run(ag::graphify{"g", [](int x) {
    static_cast<void>(work(x));
    return std::string("literal");
  }}(1)) == "literal");
}

TEST_CASE("the result of a graph is a tuple or a pair of nodes and literals") {
  const auto r = ag::run(built([](ag::node<int> x) { return std::tuple{work(1), x, std::string("lit")}; })(5));
  CHECK(r == std::tuple<int, int, std::string>(2, 5, "lit"));
  CHECK(ag::run(built([] { return std::pair{work(1), work(2)}; })()) == std::pair{2, 4});
}

TEST_CASE("the result of a graph is a container of nodes") {
  CHECK(ag::run(built([] { return std::vector<ag::node<int>>{work(1), work(2)}; })()) == std::vector<int>{2, 4});
  CHECK(ag::run(built([] { return std::array<ag::node<int>, 2>{work(1), work(2)}; })()) == std::array<int, 2>{2, 4});
  CHECK(ag::run(built([] { return std::optional<ag::node<int>>(work(3)); })()) == std::optional<int>(6));
  CHECK(ag::run(built([] {
    std::map<int, ag::node<int>> m;
    m[1] = work(1);
    return m;
  })()) == std::map<int, int>{{1, 2}});
}

TEST_CASE("a value that stands twice in the result is there twice") {
  const auto r = ag::run(built([] {
    const ag::node<std::string> s = join("a", "b");
    return std::pair{s, s};
  })());
  CHECK(r == std::pair<std::string, std::string>("ab", "ab"));
}

TEST_CASE("make puts an aggregate together from nodes and values") {
  const auto r = ag::run(built([](ag::node<std::string> name) {
    return ag::make<summary>(work(1), name, std::vector<ag::node<int>>{work(2), work(3)});
  })("n"));
  CHECK(r.count == 2);
  CHECK(r.name == "n");
  CHECK(r.all == std::vector<int>{4, 6});
}

TEST_CASE("what make gives is passed on to a tool, and its members are read") {
  const ag::tool count{"count", [](summary s) { return s.count + static_cast<int>(s.all.size()); }};
  CHECK(ag::run(built([&] {
    const auto s = ag::make<summary>(work(1), std::string("x"), std::vector<int>{1, 2});
    return plus(count(s), s[&summary::count]);
  })()) == 6);
}

TEST_CASE("a graph of void runs its nodes") {
  int runs = 0;
  const ag::tool counts{"counts", [&runs](int x) { runs += x; }};
  const auto graph = built([&](ag::node<int> x) { static_cast<void>(counts(x)); });
  static_assert(std::is_same_v<decltype(ag::run(graph(1))), void>);
  ag::run(graph(3));
  CHECK(runs == 3);
}

TEST_CASE("a node of void is a result of void, and a monostate among others") {
  const auto graph = built([] { return nothing(1); });
  static_assert(std::is_same_v<decltype(ag::run(graph())), void>);
  ag::run(graph());
  const auto r = ag::run(built([] { return std::tuple{nothing(1), work(1)}; })());
  CHECK(r == std::tuple{std::monostate(), 2});
}

// --- names

TEST_CASE("a graphify, its graph and its runs are called by its name") {
  const ag::graphify g{"pipeline", [] { return work(1); }};
  CHECK(g.name() == "pipeline");
  CHECK(g.build().name() == "pipeline");
  CHECK(ag::try_run(g()).graph().id().starts_with("pipeline#"));
}

TEST_CASE("names of inputs and outputs stand in the signature") {
  const ag::graphify g{"scale", [](ag::node<int> x, ag::node<std::string> s) { return std::tuple{work(x), s}; },
      ag::inputs{"x", "text"}, ag::outputs{"doubled", "same"}};
  CHECK(g.build().spec().signature() ==
        "scale(x: int, text: std::string) -> doubled, same: std::tuple<int, std::string>");
  CHECK(ag::run(g(1, "t")) == std::tuple<int, std::string>(2, "t"));
}

// The names are of all parameters; inputs of the graph are those that are nodes.
TEST_CASE("the names of plain parameters are no names of inputs") {
  const ag::graphify g{"g", [](int n, ag::node<int> x) { return plus(x, n); }, ag::inputs{"n", "x"}};
  CHECK(g.build(1).spec().signature() == "g(x: int) -> int");
  const ag::graphify unused{"g", [](int n, ag::node<int>) { return work(n); }, ag::inputs{"n", "x"}};
  CHECK_THROWS_WITH(unused.build(1), "graph 'g': its input 'x' is not used; use it or leave it out");
}

TEST_CASE("options and names go together") {
  const ag::graphify g{"g", [](ag::node<int> x) { return work(x); }, {.max_concurrency = 2}, ag::inputs{"x"}};
  CHECK(ag::run(g(2)) == 4);
}

TEST_CASE("a wrong number of names of inputs is refused by whoever builds") {
  const ag::graphify g{"g", [](ag::node<int> x) { return work(x); }, ag::inputs{"x", "y"}};
  CHECK_THROWS_AS(g.build(), ag::build_error);
  CHECK_THROWS_WITH(g.build(), "'g(x, y)' names 2 inputs, but has 1; name all or none");
}

TEST_CASE("a wrong number of names of outputs is refused by whoever builds") {
  const ag::graphify g{"g", [](ag::node<int> x) { return work(x); }, ag::outputs{"a", "b"}};
  CHECK_THROWS_AS(g.build(), ag::build_error);
  CHECK_THROWS_WITH(g.build(), "graph 'g' names 2 outputs, but gives 1; name all or none");
}

TEST_CASE("an empty name of a graphify is refused by whoever builds") {
  const ag::graphify g{"", [] { return work(1); }};
  CHECK_THROWS_AS(g.build(), ag::build_error);
}

TEST_CASE("nodes are called by their tools and places") {
  const auto graph = built([] { return plus(work(1), work(2)); });
  CHECK(ids(graph.spec()) == std::vector<std::string>{"work#1", "work#2", "plus#3"});
}

// --- errors of building

TEST_CASE("an input that nothing reads is refused, by its number") {
  const ag::graphify g{"g", [](ag::node<int> a, ag::node<int>) { return work(a); }};
  CHECK_THROWS_AS(g.build(), ag::build_error);
  CHECK_THROWS_WITH(g.build(), "graph 'g': its input 2 is not used; use it or leave it out");
}

TEST_CASE("a graph with neither nodes nor results is refused") {
  const ag::graphify g{"g", [](int) {}};
  CHECK_THROWS_AS(g.build(1), ag::build_error);
  CHECK_THROWS_WITH(
      g.build(1), "graph 'g' has neither nodes nor results; call tools in its body, and return what they give");
}

TEST_CASE("two readers of a move-only value are refused") {
  const ag::graphify g{"g", [] {
    const ag::node<std::unique_ptr<int>> p = unique(1);
    return plus(read_unique(p), read_unique(p));
  }};
  CHECK_THROWS_AS(g.build(), ag::build_error);
  CHECK_THROWS_WITH(g.build(),
      Catch::Matchers::Contains("the value of 'unique#1', of type std::unique_ptr<int") &&
          Catch::Matchers::EndsWith(", cannot be copied, but is read twice, the second time by 'read_unique#3'"));
}

TEST_CASE("a move-only value that is read and returned is refused") {
  const ag::graphify g{"g", [] {
    const ag::node<std::unique_ptr<int>> p = unique(1);
    return std::tuple{read_unique(p), p};
  }};
  CHECK_THROWS_WITH(g.build(), Catch::Matchers::EndsWith("the second time by the result of the graph"));
}

TEST_CASE("a move-only value that is read twice by one call is refused") {
  const ag::tool two{"two", [](std::unique_ptr<int>, std::unique_ptr<int>) { return 1; }};
  const ag::graphify g{"g", [&] {
    const ag::node<std::unique_ptr<int>> p = unique(1);
    return two(p, p);
  }};
  CHECK_THROWS_WITH(g.build(), Catch::Matchers::EndsWith("the second time by 'two#2'"));
}

TEST_CASE("a vector of move-only values with two readers is refused, too") {
  using all = std::vector<std::unique_ptr<int>>;
  const ag::tool make{"make", [](int n) { return all(static_cast<std::size_t>(n)); }};
  const ag::tool count{"count", [](const all& v) { return static_cast<int>(v.size()); }};
  const ag::graphify g{"g", [&] {
    const ag::node<all> p = make(1);
    return plus(count(p), count(p));
  }};
  CHECK_THROWS_AS(g.build(), ag::build_error);
}

TEST_CASE("a literal that cannot be copied is refused") {
  const ag::graphify g{"g", [] { return read_unique(std::make_unique<int>(1)); }};
  CHECK_THROWS_AS(g.build(), ag::build_error);
  CHECK_THROWS_WITH(g.build(),
      "'read_unique' was called in a graph with a literal that cannot be copied, but a graph "
      "may run any number of times; make it a parameter of type ag::node<T>");
}

TEST_CASE("a literal that cannot be copied is refused as an argument of a sub-graph") {
  const ag::graphify inner{"inner", [](ag::node<std::unique_ptr<int>> p) { return read_unique(p); }};
  const ag::graphify g{"g", [&] { return inner(std::make_unique<int>(1)); }};
  CHECK_THROWS_WITH(g.build(),
      "'inner' was called in a graph with a literal that cannot be copied, but a graph "
      "may run any number of times; make it a parameter of type ag::node<T>");
}

TEST_CASE("a node of another graph is refused") {
  ag::node<int> kept;
  const ag::graphify first{"first", [&] {
    kept = work(1);
    return kept;
  }};
  static_cast<void>(first.build());
  const ag::graphify second{"second", [&] { return work(kept); }};
  CHECK_THROWS_AS(second.build(), ag::build_error);
  CHECK_THROWS_WITH(second.build(),
      "a node of another graph was passed on in graph 'second'; hand it in as a parameter "
      "of type ag::node<T>");
}

TEST_CASE("a node of the graph around it is refused in the body of an inner graphify") {
  const ag::graphify outer{"outer", [](ag::node<int> x) {
    const ag::graphify inner{"inner", [x] { return work(x); }};
    return inner();
  }};
  CHECK_THROWS_WITH(outer.build(), Catch::Matchers::Contains("a node of another graph was passed on in graph 'inner'"));
}

TEST_CASE("a node is nothing outside of tracing") {
  ag::node<int> kept;
  static_cast<void>(built([&] {
    kept = work(1);
    return kept;
  }));
  CHECK_THROWS_AS(work(kept), ag::build_error);
  CHECK_THROWS_WITH(work(kept),
      "'work' was called with a node while no graph was traced; nodes are nothing outside the "
      "body of a graphify");
  CHECK_THROWS_WITH(kept.id("x"),
      "a node was named while no graph was traced; nodes are nothing outside the body of a "
      "graphify");
  CHECK_THROWS_WITH(doubler(kept), Catch::Matchers::StartsWith("'doubler' was called with a node"));
  CHECK_THROWS_WITH(ag::make<summary>(kept, std::string(), std::vector<int>{}),
      Catch::Matchers::StartsWith("'ag::make' was called with a node"));
  const ag::graphify g{"g", [](ag::node<int> x) { return work(x); }};
  CHECK_THROWS_WITH(g(kept), Catch::Matchers::StartsWith("'g' was called with a node"));
  CHECK_THROWS_WITH(g.build()(kept), Catch::Matchers::StartsWith("'g' was called with a node"));
}

TEST_CASE("an empty node is refused") {
  const ag::graphify g{"g", [] { return work(ag::node<int>()); }};
  CHECK_THROWS_AS(g.build(), ag::build_error);
  CHECK_THROWS_WITH(g.build(),
      "an empty node, or a call that was made while no graph was traced, was passed on in graph "
      "'g'; nodes are made by calling tools in the body of a graphify");
}

TEST_CASE("a call that was made before the tracing is refused") {
  const auto early = work(1);
  const ag::graphify g{"g", [&] { return work(early); }};
  CHECK_THROWS_WITH(g.build(),
      Catch::Matchers::Contains("a call that was made while no graph was traced, was passed on in graph 'g'"));
}

TEST_CASE("awaiting a call that was made while a graph was traced is a build_error") {
  std::optional<decltype(work)::call_type> kept;
  static_cast<void>(built([&] {
    kept.emplace(work(1));
    return ag::node<int>(*kept);
  }));
  auto body = [&]() -> ag::task<int> { co_return co_await std::move(*kept); };
  auto r = ag::try_run(body());
  CHECK_THROWS_AS(r.value(), ag::build_error);
  CHECK_THROWS_WITH(r.value(),
      "this call of tool 'work' was made while a graph was traced, so it is a node of that graph "
      "and cannot be awaited; pass it to a tool, or return it from the graphify body");
}

TEST_CASE("running an invocation that was made while a graph was traced is an error") {
  const ag::graphify g{"g", [](int x) { return ag::run(doubler(x)); }};
  CHECK_THROWS_WITH(g.build(1), Catch::Matchers::Contains("made while a graph was traced"));
}

TEST_CASE("what a body throws reaches whoever builds, and leaves nothing behind") {
  const ag::graphify g{"g", [](int x) {
    auto a = work(x);
    if (x > 1) throw std::runtime_error("thrown while tracing");
    return a;
  }};
  CHECK_THROWS_WITH(g.build(2), "thrown while tracing");
  CHECK(ag::run(g(1)) == 2);
  CHECK(ag::run(work(1)) == 2);
}

TEST_CASE("a tool with bad options is refused while tracing") {
  const ag::tool bad{"", [](int x) { return x; }};
  CHECK_THROWS_AS(ag::graphify("g", [&] { return bad(1); }).build(), ag::option_error);
  CHECK_THROWS_AS(ag::graphify("g", [&](ag::node<int> x) { return bad(x); }).build(), ag::option_error);
}

// --- warnings

TEST_CASE("a call that nothing needs is a warning, and runs all the same") {
  int runs = 0;
  const ag::tool counts{"counts", [&runs](int x) { return runs += x; }};
  const auto graph = built([&] {
    counts(1).id("lonely");
    return work(1);
  });
  CHECK(graph.warnings() ==
        std::vector<std::string>{
            "nothing needs 'lonely', which runs all the same; return it, or order something after it"});
  ag::run(graph());
  CHECK(runs == 1);
}

TEST_CASE("a call that something is ordered after is no warning") {
  CHECK(built([] {
    auto before = nothing(1);
    return work(1).after(before);
  })
          .warnings()
          .empty());
}

TEST_CASE("a thousand calls that nothing needs are a hundred warnings, and one about the others") {
  const auto graph = built([] {
    for (int i = 0; i < 1000; ++i) static_cast<void>(nothing(i));
  });
  CHECK(graph.warnings().size() == 101);
  CHECK(graph.warnings().back() == "and 900 more that nothing needs");
}

// --- nesting

TEST_CASE("a graphify called with nodes while tracing is a sub-graph, with prefixed ids") {
  const ag::graphify sub{"sub", [](int n, ag::node<int> x) { return plus(work(x), n); }};
  const auto graph = built([&](ag::node<int> x) {
    auto first = sub(10, x);
    auto second = sub(20, work(x));
    return plus(first, second);
  });
  CHECK(ids(graph.spec()) ==
        std::vector<std::string>{"sub#1/work#1", "sub#1/plus#2", "work#2", "sub#3/work#1", "sub#3/plus#2", "plus#4"});
  REQUIRE(graph.spec().find("sub#1/plus#2"));
  CHECK(graph.spec().find("sub#1/plus#2")->cluster == "sub#1");
  CHECK(ag::run(graph(1)) == 12 + 24);
}

TEST_CASE("a graphify called with values while tracing is a sub-graph") {
  const ag::graphify sub{"sub", [](int n, ag::node<int> x) { return plus(work(x), n); }};
  const auto graph = built([&] { return work(sub(1, 2)); });
  CHECK(ids(graph.spec()) == std::vector<std::string>{"sub#1/work#1", "sub#1/plus#2", "work#2"});
  CHECK(ag::run(graph()) == 10);
}

TEST_CASE("a built graph called while tracing is a sub-graph") {
  const auto sub = built([](ag::node<int> x, ag::node<int> y) { return std::pair{plus(x, y), work(y)}; });
  const auto graph = built([&](ag::node<int> x) {
    auto p = sub(x, 5);
    return plus(p[&std::pair<int, int>::first], ag::get<1>(p));
  });
  CHECK(graph.spec().nodes().size() == 3);
  CHECK(ag::run(graph(1)) == 16);
  CHECK(ag::run(built([&] { return ag::get<0>(sub(1, 2)); })()) == 3);
}

TEST_CASE("sub-graphs nest") {
  const ag::graphify one{"one", [](ag::node<int> x) { return work(x); }};
  const ag::graphify two{"two", [&](ag::node<int> x) { return one(one(x)); }};
  const auto graph = built([&](ag::node<int> x) { return two(two(x)); });
  CHECK(ids(graph.spec()) == std::vector<std::string>{"two#1/one#1/work#1", "two#1/one#2/work#1", "two#2/one#1/work#1",
                                 "two#2/one#2/work#1"});
  CHECK(ag::run(graph(1)) == 16);
}

TEST_CASE("a sub-graph hands an input or a literal through") {
  const ag::graphify same{"same", [](ag::node<std::string> x) { return std::pair{x, 5}; }};
  const auto graph = built([&](ag::node<std::string> s) { return same(s); });
  CHECK(ag::run(graph("s")) == std::pair<std::string, int>("s", 5));
}

TEST_CASE("a sub-graph of void runs") {
  int runs = 0;
  const ag::tool counts{"counts", [&runs](int x) { runs += x; }};
  const ag::graphify sub{"sub", [&](ag::node<int> x) { static_cast<void>(counts(x)); }};
  const auto graph = built([&](ag::node<int> x) { static_cast<void>(sub(x)); });
  ag::run(graph(2));
  CHECK(runs == 2);
}

TEST_CASE("an argument of a sub-graph is converted to its parameter") {
  const ag::tool halves{"halves", [](double x) { return x / 2; }};
  const ag::graphify sub{"sub", [&](ag::node<double> x) { return halves(x); }};
  CHECK(ag::run(built([&](ag::node<int> x) { return sub(x); })(3)) == 1.5);
}

TEST_CASE("a sub-graph shares the cap of its run") {
  int in_flight = 0;
  int most = 0;
  const ag::tool sleeps{"sleeps", [&](int x) -> ag::task<int> {
    most = std::max(most, ++in_flight);
    co_await ag::sleep_for(1ms);
    --in_flight;
    co_return x;
  }};
  const ag::graphify sub{"sub", [&](ag::node<int> x) {
    return total(std::vector<ag::node<int>>{sleeps(x), sleeps(x), sleeps(x)});
  }, {.max_concurrency = 50}};
  const auto graph = built([&](ag::node<int> x) { return plus(sub(x), sub(x)); });
  auto r = ag::testing::simulation(1).try_run(graph(1), {.max_concurrency = 2});
  CHECK(r.value() == 6);
  CHECK(most == 2);
  CHECK(r.peak_concurrency() == 2);
}

TEST_CASE("a graph_fn called while tracing is a node, a nested run that takes no slot") {
  const ag::graph_fn waits{"waits", [](int x) -> ag::task<int> {
    co_await ag::sleep_for(1ms);
    co_return x;
  }};
  const auto graph = built([&](ag::node<int> x) {
    auto a = waits(x);
    return plus(a, waits(2));
  });
  REQUIRE(graph.spec().nodes().size() == 3);
  CHECK(graph.spec().nodes()[0].kind == ag::node_kind::run);
  CHECK(graph.spec().nodes()[0].id == "waits#1");
  ag::testing::simulation sim(1);
  auto r = sim.try_run(graph(1), {.max_concurrency = 1});
  CHECK(r.value() == 3);
  CHECK(r.peak_concurrency() == 1);  // that of plus
  CHECK(sim.elapsed() == 1ms);       // both at once: they hold no slot
}

TEST_CASE("a call in a nested run stands below its node") {
  auto r = ag::try_run(built([](ag::node<int> x) { return doubler(x); })(1));
  CHECK(r.value() == 2);
  const auto g = r.graph();
  REQUIRE(g.nodes().size() == 2);
  CHECK(g.nodes()[1].tool == "work");
  CHECK(g.nodes()[1].parent == "doubler#1");
}

TEST_CASE("building in the body of a graphify is a tracing of its own") {
  const ag::graphify inner{"inner", [](int x) { return work(x); }};
  const auto graph = built([&] {
    auto before = work(1);
    const auto other = inner.build(5);
    CHECK(other.spec().nodes().size() == 1);
    return plus(before, work(2));
  });
  CHECK(graph.spec().nodes().size() == 3);
  CHECK(ag::run(graph()) == 6);
}

TEST_CASE("a run in the body of a graphify runs, and records nothing") {
  const auto graph = built([] {
    auto body = []() -> ag::task<int> { co_return co_await work(1) + co_await doubler(10); };
    const int n = ag::run(body());
    return work(n);
  });
  CHECK(graph.spec().nodes().size() == 1);
  CHECK(ag::run(graph()) == 44);
}

TEST_CASE("a graph is built and run in the body of another one") {
  const ag::graphify inner{"inner", [](ag::node<int> x) { return work(x); }};
  const auto graph = built([&] {
    const auto g = inner.build();
    auto body = [&]() -> ag::task<int> { co_return co_await g(4); };
    return work(ag::run(body()));
  });
  CHECK(ag::run(graph()) == 16);
}

TEST_CASE("a graph is built in a tool's body while another graph runs") {
  const ag::tool builds{"builds", [](int x) -> ag::task<int> {
    const ag::graphify inner{"inner", [](ag::node<int> y) { return work(y); }};
    co_return co_await inner(x);
  }};
  CHECK(ag::run(built([&](ag::node<int> x) { return builds(x); })(3)) == 6);
}

TEST_CASE("graphs are traced by several threads at once") {
  const ag::graphify sub{"sub", [](ag::node<int> x) { return work(x); }};
  const ag::graphify g{"g", [&](int n, ag::node<int> x) {
    std::vector<ag::node<int>> all;
    for (int i = 0; i < n; ++i) all.push_back(i % 2 == 0 ? ag::node<int>(sub(x)) : plus(x, i));
    return total(all);
  }};
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const int n = 2 * (t + 1);
        int expected = 0;
        for (int k = 0; k < n; ++k) expected += k % 2 == 0 ? 2 * i : i + k;
        if (ag::run(g(n, i)) != expected || ag::run(work(i)) != 2 * i) ++wrong;
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

// --- types of users' that are peculiar

namespace peculiar {

struct argument {
  int x = 0;
};
/// What the library calls itself by this name is not looked for here.
template <class P, class F>
int apply_to(std::tuple<P>&, F&&) {
  return 42;
}
template <class... T, class F>
void apply_to(const std::tuple<T...>&, F&&) {}

/// Trivially copyable, and yet not to be copied.
struct moved_body {
  moved_body() = default;
  moved_body(moved_body&&) = default;
  ag::node<int> operator()(ag::node<int> x) const;
};
/// Its address is its own affair.
struct hidden_body {
  int more = 1;
  void operator&() const = delete;
  ag::node<int> operator()(ag::node<int> x) const;
};
/// Not to be made by `new`.
struct placed {
  int x = 0;
  static void* operator new(std::size_t) = delete;
};

const ag::tool increment{"increment", [](int x) { return x + 1; }};
ag::node<int> moved_body::operator()(ag::node<int> x) const { return increment(x); }
ag::node<int> hidden_body::operator()(ag::node<int> x) const { return increment(x); }

}  // namespace peculiar

TEST_CASE("arguments may come with functions that have a name of the library's") {
  const ag::tool read{"read", [](peculiar::argument a) { return a.x; }};
  const ag::tool read_later{"read_later", [](peculiar::argument a) -> ag::task<int> { co_return a.x; }};
  const ag::graph_fn agent{"agent", [&](peculiar::argument a) -> ag::task<int> {
    const int now = co_await read(a);
    const auto [later, again] = co_await ag::gather(read_later(a), read(peculiar::argument{30}));
    co_return now + later + again;
  }};
  CHECK(ag::run(agent(peculiar::argument{1})) == 32);
  const ag::graphify traced{
      "g", [&](ag::node<peculiar::argument> a) { return std::tuple{read(a), read_later(peculiar::argument{5})}; }};
  CHECK(ag::run(traced.build()(peculiar::argument{1})) == std::tuple{1, 5});
}

TEST_CASE("the body of a graph may be moved only, or hide its address") {
  ag::graphify moved{"moved", peculiar::moved_body()};
  CHECK(ag::run(moved.build()(1)) == 2);
  ag::graphify hidden{"hidden", peculiar::hidden_body()};
  hidden = ag::graphify{"hidden", peculiar::hidden_body()};
  CHECK(ag::run(hidden.build()(1)) == 2);
}

TEST_CASE("a result of a graph may be of a type that `new` does not make") {
  const ag::tool make{"make", [](int x) { return peculiar::placed{x}; }};
  const ag::graphify traced{"g", [&](ag::node<int> x) { return make(x); }};
  CHECK(ag::run(traced.build()(3)).x == 3);
}
