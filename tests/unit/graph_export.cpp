// Pictures and JSON of graphs, and the difference of two of them.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "aethergraph/detail/utf8.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

const ag::tool load{"load", [](int n) { return n; }, ag::inputs{"rows"}};
const ag::tool trim{"trim", [](int n) { return n - 1; }};
const ag::tool is_odd{"is_odd", [](int n) { return n % 2 == 1; }};
const ag::tool minus{"minus", [](int a, int b) { return a - b; }, ag::inputs{"from", "what"}};
const ag::tool total{"total", [](std::vector<int> xs) { return std::accumulate(xs.begin(), xs.end(), 0); }};
const ag::tool fails_above{"fails_above", [](int x) -> ag::task<int> {
  if (x > 1) throw std::runtime_error(fmt::format("\"{}\" is\nabove\\1", x));
  co_return x;
}};

const ag::graphify clean{"clean", [](ag::node<int> n) { return trim(trim(n)); }};
const ag::graphify report{"report", [](ag::node<int> n) {
  auto rows = load(n).id("source").alias("in").label("io");
  auto cleaned = clean(rows);
  auto odd = ag::when(is_odd(cleaned), minus(cleaned, 1));
  return minus(ag::value_or(odd, 0), rows).after(cleaned);
}, ag::inputs{"n"}, ag::outputs{"rest"}};

const ag::graphify breaks{"breaks", [](ag::node<int> x) { return trim(fails_above(x)); }};
const ag::graph_fn inner{"inner", [](int x) -> ag::task<int> { co_return co_await trim(x) + co_await trim(x); }};
const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> {
  std::vector<int> items{x, x};
  const std::vector<int> all = co_await ag::gather(items | std::views::transform(load));
  co_return all[0] + co_await inner(all[1]);
}};

ag::task<int> descend(int n);
const ag::graph_fn deep{"deep", [](int n) -> ag::task<int> { co_return co_await descend(n); }};
ag::task<int> descend(int n) {
  if (n == 0) co_return 0;
  co_return co_await deep(n - 1);
}

/// A graph of one call whose tool, input and label have this name.
ag::task_graph named(std::string_view name) {
  const ag::tool t{name, [](int x) { return x; }, ag::inputs{std::string(name)}};
  const ag::graphify g{"g", [&](ag::node<int> x) { return t(x).label(name); }};
  return g.build().spec();
}

/// The line that something stands in, without what is around it.
std::string line_with(const std::string& text, std::string_view part) {
  const std::size_t at = text.find(part);
  if (at == std::string::npos) return "(none)";
  const std::size_t begin = text.rfind('\n', at) + 1;
  const std::string line = text.substr(begin, text.find('\n', at) - begin);
  return line.substr(std::min(line.find_first_not_of(' '), line.size()));
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::string string_of(const json::value& v) { return std::string(v.as_string()); }

}  // namespace

// --- Graphviz

TEST_CASE(
    "a static graph is drawn with sub-graphs as clusters, parameters as labels, orders dashed, conditions dotted") {
  CHECK(report.build().spec().to_dot() == R"(digraph aethergraph {
  graph [label="report(n: int) -> rest: int", labelloc=t, fontname="sans-serif"];
  node [shape=box, style=filled, fillcolor="#ffffff", fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
  n0 [label="source\nload\n@in\n#io"];
  n3 [label="minus#3"];
  n4 [label="is_odd#4"];
  n5 [label="minus#5"];
  j0 [label="n\nint", shape=ellipse, style=solid];
  j1 [label="any_of\nint", shape=diamond, style=solid];
  j2 [label="rest\nint", shape=ellipse, style=solid];
  subgraph cluster_1 {
    label="clean#2";
    n1 [label="trim#1"];
    n2 [label="trim#2"];
  }
  n0 -> n1;
  n0 -> n5 [label="what"];
  n1 -> n2;
  n2 -> n3 [label="from"];
  n2 -> n4;
  n2 -> n5 [style=dashed];
  n3 -> j1;
  n4 -> n3 [style=dotted];
  n5 -> j2;
  j0 -> n0 [label="rows"];
  j1 -> n5 [label="from"];
}
)");
}

TEST_CASE("sub-graphs of sub-graphs are clusters in clusters") {
  const ag::graphify outer{"outer", [](ag::node<int> n) { return clean(clean(n)); }};
  const ag::graphify outermost{"outermost", [&](ag::node<int> n) { return outer(n); }};
  const std::string dot = outermost.build().spec().to_dot();
  const std::size_t outer_begin = dot.find("    label=\"outer#1\";");
  CHECK(outer_begin != std::string::npos);
  CHECK(dot.find("      label=\"clean#1\";", outer_begin) != std::string::npos);
  CHECK(dot.find("      label=\"clean#2\";", outer_begin) != std::string::npos);
}

TEST_CASE("a slash in the name of a sub-graph makes no cluster of its own") {
  const ag::graphify slashed{"a/b", [](ag::node<int> n) { return trim(n); }};
  const ag::graphify g{"g", [&](ag::node<int> n) { return slashed(n); }};
  const std::string dot = g.build().spec().to_dot();
  CHECK(count_of(dot, "subgraph") == 1);
  CHECK(line_with(dot, "label=\"a/b") == "label=\"a/b#1\";");
}

TEST_CASE("calls, nested runs and maps have shapes of their own, and so has what is made of values") {
  const ag::graphify g{"g", [](ag::node<std::vector<int>> xs) {
    auto sum = total(ag::map(trim, xs));
    return ag::make<std::pair<int, int>>(sum, inner(sum));
  }};
  const std::string dot = g.build().spec().to_dot();
  CHECK(line_with(dot, "trim#1") == "n0 [label=\"trim#1\", shape=box3d];");
  CHECK(line_with(dot, "total#2") == "n1 [label=\"total#2\"];");
  CHECK(line_with(dot, "inner#3") == "n2 [label=\"inner#3\", shape=component];");
  CHECK(line_with(dot, "make") == "j1 [label=\"make\\nstd::pair<int, int>\", shape=hexagon, style=solid];");
}

TEST_CASE("states are coloured, and say why as a tooltip") {
  const std::string dot = ag::try_run(breaks.build()(2)).graph().to_dot();
  CHECK(
      line_with(dot, "graph [") == R"(graph [label="breaks(int) -> int: failed", labelloc=t, fontname="sans-serif"];)");
  CHECK(line_with(dot, "fails_above#1") ==
        R"(n0 [label="fails_above#1", fillcolor="#fca5a5", tooltip="failed: \"2\" is\nabove\\1"];)");
  CHECK(line_with(dot, "trim#2").starts_with(R"(n1 [label="trim#2", fillcolor="#e5e7eb", tooltip="skipped: )"));
}

TEST_CASE("the graph of a reactive run has edges for what happened after what, and clusters for what a body made") {
  std::string dot = ag::try_run(agent(3)).graph().to_dot();
  const std::size_t number = dot.find("agent#") + 6;
  dot.erase(number, dot.find(':') - number);  // the run's, which other tests shift
  CHECK(dot == R"(digraph aethergraph {
  graph [label="agent#: done", labelloc=t, fontname="sans-serif"];
  node [shape=box, style=filled, fillcolor="#ffffff", fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
  n0 [label="load#1", fillcolor="#bbf7d0", tooltip="done"];
  n1 [label="load#2", fillcolor="#bbf7d0", tooltip="done"];
  j0 [label="", shape=point, style=solid];
  subgraph cluster_1 {
    label="inner#3";
    n2 [label="inner#3", shape=component, fillcolor="#bbf7d0", tooltip="done"];
    n3 [label="trim#4", fillcolor="#bbf7d0", tooltip="done"];
    n4 [label="trim#5", fillcolor="#bbf7d0", tooltip="done"];
  }
  n0 -> j0;
  n1 -> j0;
  n3 -> n4;
  j0 -> n2;
}
)");
}

TEST_CASE("a static graph in a reactive run is drawn in a cluster, with its sub-graphs") {
  auto body = []() -> ag::task<int> {
    const auto graph = report.build();
    co_return co_await graph(4);
  };
  const std::string dot = ag::try_run(body()).graph().to_dot();
  CHECK(dot.find("  subgraph cluster_1 {\n    label=\"report#1\";\n    n0 [label=\"report#1\", shape=component") !=
        std::string::npos);
  CHECK(
      dot.find("    subgraph cluster_2 {\n      label=\"clean#2\";\n      n2 [label=\"trim#1\"") != std::string::npos);
}

TEST_CASE("agents that call themselves 2,000 levels deep are drawn and compared") {
  const ag::task_graph g = ag::try_run(deep(2000)).graph();
  CHECK(count_of(g.to_dot(), "subgraph") == 1999);
  CHECK(count_of(g.to_mermaid(), "subgraph") == 1999);
  CHECK(json::parse(g.to_json()).at("nodes").as_array().size() == 2000);
  CHECK(ag::diff(g, g).empty());
}

TEST_CASE("a graph without nodes is drawn") {
  CHECK(ag::task_graph().to_dot() == R"(digraph aethergraph {
  graph [label="", labelloc=t, fontname="sans-serif"];
  node [shape=box, style=filled, fillcolor="#ffffff", fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
}
)");
  CHECK(ag::task_graph().to_mermaid() == "flowchart TB\n");
}

TEST_CASE("names are shown by Graphviz as they are") {
  const auto label = [](std::string_view name) {
    const std::string line = line_with(named(name).to_dot(), "n0 [");
    const std::size_t begin = std::string_view("n0 [label=\"").size();
    return line.substr(begin, line.find("#1\\n#") - begin);
  };
  CHECK(label("say \"hi\"") == R"(say \"hi\")");
  CHECK(label("back\\slash \\N") == R"(back\\slash \\N)");
  CHECK(label("two\nlines") == R"(two\nlines)");
  CHECK(label("<b>bold</b>") == "<b>bold</b>");
  CHECK(label("a[0]]") == "a[0]]");
  CHECK(label("R&D &lt;") == "R&amp;D &amp;lt;");
  CHECK(label("naïve 日本 🙂") == "naïve 日本 🙂");
  CHECK(label("\x1B[0m\t\x7F") == "␛[0m␉␡");
  CHECK(label("bad \xFF\xC3(") == "bad \uFFFD\uFFFD(");
}

TEST_CASE("labels of edges are escaped for Graphviz, too") {
  CHECK(line_with(named("a \"b\"").to_dot(), "j0 -> n0") == R"(j0 -> n0 [label="a \"b\""];)");
}

// --- Mermaid

TEST_CASE("a static graph is a Mermaid flowchart with sub-graphs") {
  CHECK(report.build().spec().to_mermaid() == R"(flowchart TB
  n0["source<br/>load<br/>@in<br/>#35;io"]
  n3["minus#35;3"]
  n4["is_odd#35;4"]
  n5["minus#35;5"]
  j0(["n<br/>int"])
  j1{"any_of<br/>int"}
  j2(["rest<br/>int"])
  subgraph c1["clean#35;2"]
    n1["trim#35;1"]
    n2["trim#35;2"]
  end
  n0 --> n1
  n0 -->|"what"| n5
  n1 --> n2
  n2 -->|"from"| n3
  n2 --> n4
  n2 -.-> n5
  n3 --> j1
  n4 -.->|"if"| n3
  n5 --> j2
  j0 -->|"rows"| n0
  j1 -->|"from"| n5
)");
}

TEST_CASE("a Mermaid flowchart has a class for each state that there is") {
  const std::string text = ag::try_run(breaks.build()(2)).graph().to_mermaid();
  CHECK(line_with(text, "n0[") == "n0[\"fails_above#35;1\"]:::failed");
  CHECK(line_with(text, "n1[") == "n1[\"trim#35;2\"]:::skipped");
  CHECK(text.find("  classDef failed fill:#fca5a5,color:#000000\n  classDef skipped fill:#e5e7eb,color:#000000\n") !=
        std::string::npos);
  CHECK(count_of(text, "classDef") == 2);
}

TEST_CASE("names mean nothing to Mermaid") {
  const auto label = [](std::string_view name) {
    const std::string line = line_with(named(name).to_mermaid(), "n0[");
    return line.substr(4, line.find("#35;1<br/>") - 4);
  };
  CHECK(label("say \"hi\"") == "say #34;hi#34;");
  CHECK(label("back\\n") == "back#92;n");
  CHECK(label("two\nlines") == "two<br/>lines");
  CHECK(label("<b>bold</b>") == "#60;b#62;bold#60;/b#62;");
  CHECK(label("a[0]]|`%%{") == "a#91;0#93;#93;#124;#96;#37;#37;#123;");
  CHECK(label("#quot; end") == "#35;quot#59; end");
  CHECK(label("style: x") == "style#58; x");
  CHECK(label("naïve 日本 🙂") == "naïve 日本 🙂");
  CHECK(label("\x1B\xFF") == "#9243;\uFFFD");
}

// --- JSON

TEST_CASE("a static graph as JSON has its nodes, joins and edges, in a fixed order") {
  const ag::graphify g{"g", [](ag::node<int> n) { return load(n).alias("in").label("io"); }, ag::inputs{"n"}};
  CHECK(g.build().spec().to_json() ==
        R"({"id":"g","state":"waiting","signature":"g(n: int) -> int",)"
        R"("nodes":[{"id":"load#1","tool":"load","label":"io","alias":"in","cluster":"","inputs":["rows"],)"
        R"("outputs":[],"path":"0","parent":"","kind":"call","state":"waiting","attempts":0}],)"
        R"("joins":[{"kind":"input","path":"n","parent":"","cluster":"","type":"int"},)"
        R"({"kind":"output","path":"output#1","parent":"","cluster":"","type":"int"}],)"
        R"("edges":[{"from":{"node":"load#1"},"to":{"output":"output#1"},"kind":"data"},)"
        R"({"from":{"input":"n"},"to":{"node":"load#1"},"kind":"data","parameter":0}],)"
        R"("folded":{"done":0,"failed":0,"cancelled":0,"skipped":0}})");
}

TEST_CASE("JSON says of each node what the graph says of it") {
  const ag::task_graph g = ag::try_run(report.build()(4), {.record = ag::record::times}).graph();
  const json::value v = json::parse(g.to_json());
  CHECK(string_of(v.at("id")) == g.id());
  CHECK(string_of(v.at("state")) == "done");
  CHECK(string_of(v.at("signature")) == g.signature());
  const json::array& nodes = v.at("nodes").as_array();
  REQUIRE(nodes.size() == g.nodes().size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const ag::task_graph::node_view& n = g.nodes()[i];
    const json::value& o = nodes[i];
    CHECK(string_of(o.at("id")) == n.id);
    CHECK(string_of(o.at("tool")) == n.tool);
    CHECK(string_of(o.at("label")) == n.label);
    CHECK(string_of(o.at("alias")) == n.alias);
    CHECK(string_of(o.at("cluster")) == n.cluster);
    CHECK(o.at("inputs").as_array().size() == n.inputs.size());
    CHECK(string_of(o.at("path")) == n.path);
    CHECK(string_of(o.at("parent")) == n.parent);
    CHECK(string_of(o.at("kind")) == ag::to_string(n.kind));
    CHECK(string_of(o.at("state")) == ag::to_string(n.state));
    CHECK(o.at("attempts").as_int64() == n.attempts);
    REQUIRE(o.as_object().contains("start_ns") == n.start.has_value());
    if (n.start) CHECK(o.at("start_ns").as_int64() == n.start->count());
    if (n.end) CHECK(o.at("end_ns").as_int64() == n.end->count());
  }
  CHECK(v.at("joins").as_array().size() == g.joins().size());
  CHECK(v.at("edges").as_array().size() == g.edges().size());
}

TEST_CASE("JSON shows the attempts of a node that failed before the last one") {
  int tries = 0;
  const ag::tool flaky{"flaky", [&tries](int x) {
    if (++tries < 3) throw std::runtime_error("no. " + std::to_string(tries));
    return x;
  }, {.retry = {.max_attempts = 3}}};
  const ag::graphify g{"g", [&](ag::node<int> x) { return flaky(x); }};
  for (const bool is_static : {false, true}) {
    tries = 0;
    const std::string text = is_static ? ag::try_run(g(1)).graph().to_json() : ag::try_run(flaky(1)).graph().to_json();
    const auto node = boost::json::parse(text).at("nodes").as_array().at(0).as_object();
    CHECK(node.at("failed_attempts") == boost::json::value({"no. 1", "no. 2"}));
    CHECK(node.at("attempts").as_int64() == 3);
  }
}

TEST_CASE("times are in JSON only if they were recorded") {
  const json::value v = json::parse(ag::try_run(agent(3)).graph().to_json());
  CHECK_FALSE(v.at("nodes").at(0).as_object().contains("start_ns"));
}

TEST_CASE("JSON has the text of failures, and the states of a run that failed") {
  const json::value v = json::parse(ag::try_run(breaks.build()(2)).graph().to_json());
  CHECK(string_of(v.at("state")) == "failed");
  const json::array& nodes = v.at("nodes").as_array();
  CHECK(string_of(nodes.at(0).at("state")) == "failed");
  CHECK(string_of(nodes.at(0).at("failure")) == "\"2\" is\nabove\\1");
  CHECK(nodes.at(0).at("attempts").as_int64() == 1);
  CHECK(string_of(nodes.at(1).at("state")) == "skipped");
  CHECK(nodes.at(1).at("attempts").as_int64() == 0);
}

TEST_CASE("the graph of a reactive run as JSON names joins by their paths") {
  const ag::task_graph g = ag::try_run(agent(3)).graph();
  const json::value v = json::parse(g.to_json());
  REQUIRE(g.joins().size() == 1);
  const json::array& edges = v.at("edges").as_array();
  CHECK(string_of(edges.at(0).at("from").at("node")) == "load#1");
  CHECK(string_of(edges.at(0).at("to").at("join")) == g.joins()[0].path);
  CHECK(string_of(edges.at(0).at("kind")) == "happens_after");
  CHECK_FALSE(edges.at(0).as_object().contains("parameter"));
}

TEST_CASE("every name comes back from JSON") {
  for (const std::string_view name :
      {"say \"hi\"", "back\\slash", "two\nlines", "<b>", "]]", "naïve 日本 🙂", "\x1B\x7F\t"}) {
    const json::value v = json::parse(named(name).to_json());
    CHECK(string_of(v.at("nodes").at(0).at("tool")) == name);
    CHECK(string_of(v.at("nodes").at(0).at("label")) == name);
  }
}

TEST_CASE("JSON is UTF-8 even if a name is not") {
  const json::value v = json::parse(named("bad \xC3(\xED\xA0\x80").to_json());
  CHECK(string_of(v.at("nodes").at(0).at("tool")) == "bad \uFFFD(\uFFFD\uFFFD\uFFFD");
}

TEST_CASE("well-formed UTF-8 stays as it is, and nothing else passes") {
  using ag::detail::valid_utf8;
  for (const std::string_view good :
      {"", "a", "\u0080", "\u07FF", "\u0800", "\uD7FF", "\uE000", "\uFFFF", "\U00010000", "\U0010FFFF"})
    CHECK(valid_utf8(good) == good);
  CHECK(valid_utf8("\x80") == "\uFFFD");
  CHECK(valid_utf8("\xC0\x80") == "\uFFFD\uFFFD");
  CHECK(valid_utf8("\xE0\x9F\xBF") == "\uFFFD\uFFFD\uFFFD");
  CHECK(valid_utf8("\xE2\x82") == "\uFFFD\uFFFD");
  CHECK(valid_utf8("\xE2\x82z") == "\uFFFD\uFFFDz");
  CHECK(valid_utf8("\xF4\x90\x80\x80") == "\uFFFD\uFFFD\uFFFD\uFFFD");
  CHECK(valid_utf8("\xF5") == "\uFFFD");
}

// --- difference

TEST_CASE("a graph does not differ from itself") {
  const ag::graph_difference d = ag::diff(report.build().spec(), report.build().spec());
  CHECK(d.empty());
  CHECK(d.pretty().empty());
}

TEST_CASE("how nodes ended makes no difference") {
  const auto graph = breaks.build();
  CHECK(ag::diff(graph.spec(), ag::try_run(graph(2)).graph()).empty());
}

TEST_CASE("nodes that only one graph has are removed or added, without their edges") {
  const ag::graphify before{"g", [](ag::node<int> n) { return trim(load(n).id("a")).id("b"); }};
  const ag::graphify after{"g", [](ag::node<int> n) { return trim(load(n).id("a")).id("c"); }};
  const ag::graph_difference d = ag::diff(before.build().spec(), after.build().spec());
  CHECK(d.removed == strings{"b"});
  CHECK(d.added == strings{"c"});
  CHECK(d.changed.empty());
  CHECK(d.removed_edges.empty());
  CHECK(d.added_edges.empty());
}

TEST_CASE("what differs of a node is said in one line") {
  const ag::graphify before{"g", [](ag::node<int> n) { return load(n).id("a").label("io"); }};
  const ag::graphify after{"g", [](ag::node<int> n) { return inner(n).id("a").alias("x").label("cpu"); }};
  CHECK(ag::diff(before.build().spec(), after.build().spec()).changed ==
        strings{"a: tool was load, is inner; kind was call, is run; alias was none, is 'x'; label was 'io', is 'cpu'; "
                "inputs was (rows), is none"});
}

TEST_CASE("edges differ by their ends, kinds and parameters") {
  const ag::graphify before{"g", [](ag::node<int> n) {
    auto a = load(n).id("a");
    auto b = trim(n).id("b").after(a);
    auto c = is_odd(n).id("c");
    return ag::when(c, minus(a, b).id("d"));
  }};
  const ag::graphify after{"g", [](ag::node<int> n) {
    auto a = load(n).id("a");
    auto b = trim(a).id("b");
    auto c = is_odd(n).id("c");
    return minus(b, a).id("d").after(c);
  }};
  const ag::graph_difference d = ag::diff(before.build().spec(), after.build().spec());
  CHECK(d.removed_edges ==
        strings{"a -> b (order)", "a -> d (from)", "b -> d (what)", "c -> d (condition)", "input input#1 -> b"});
  CHECK(d.added_edges == strings{"a -> b", "a -> d (what)", "b -> d (from)", "c -> d (order)"});
}

TEST_CASE("parameters without names differ by their numbers") {
  const ag::tool pair{"pair", [](int a, int b) { return a + b; }};
  const ag::graphify before{"g", [&](ag::node<int> n) { return pair(trim(n).id("a"), 1).id("b"); }};
  const ag::graphify after{"g", [&](ag::node<int> n) { return pair(1, trim(n).id("a")).id("b"); }};
  const ag::graph_difference d = ag::diff(before.build().spec(), after.build().spec());
  CHECK(d.removed_edges == strings{"a -> b"});
  CHECK(d.added_edges == strings{"a -> b (parameter 2)"});
}

TEST_CASE("a value that is made of others is known by who gives and who reads it, not by its place") {
  const auto body = [](bool with_one_before, bool with_choice) {
    return [=](ag::node<int> n) {
      if (with_one_before) trim(n).id("new").alias("n");
      auto a = trim(n).id("a");
      auto b = trim(n).id("b");
      auto odd = is_odd(n).id("odd");
      if (with_choice) return trim(ag::any_of(ag::when(odd, a), b)).id("end");
      return trim(ag::get<0>(ag::make<std::pair<int, int>>(a, b))).id("end");
    };
  };
  const auto spec = [&](bool with_one_before, bool with_choice) {
    const ag::graphify g{"g", body(with_one_before, with_choice)};
    return g.build().spec();
  };
  CHECK(ag::diff(spec(false, false), spec(true, false)).pretty() == "+ new\n");
  CHECK(ag::diff(spec(false, true), spec(true, true)).pretty() == "+ new\n");
  CHECK(ag::diff(spec(false, false), spec(false, true)).pretty() ==
        "- a -> end\n- b -> end\n+ a -> end (any_of)\n+ b -> end (any_of)\n+ odd -> a (condition)\n");
}

TEST_CASE("the graphs of two reactive runs differ in what happened") {
  const auto run = [](int n) {
    auto body = [](int count) -> ag::task<> {
      for (int i = 0; i < count; ++i) co_await trim(i);
      co_await load(1);
    };
    return ag::try_run(body(n)).graph();
  };
  CHECK(ag::diff(run(1), run(1)).empty());
  const ag::graph_difference d = ag::diff(run(1), run(2));
  CHECK(d.removed == strings{"load#2"});
  CHECK(d.added == strings{"trim#2", "load#3"});
}

TEST_CASE("a difference is shown a line each") {
  const ag::graph_difference d{.removed = {"a"},
      .added = {"b"},
      .changed = {"c: tool was x, is y"},
      .removed_edges = {"c -> d"},
      .added_edges = {"d -> c"}};
  CHECK_FALSE(d.empty());
  CHECK(d.pretty() == "- a\n+ b\n~ c: tool was x, is y\n- c -> d\n+ d -> c\n");
}

// --- text

TEST_CASE("text for people has aliases and labels") {
  CHECK(report.build().spec().pretty().starts_with("report: waiting\n  source (0) @in #io of rows: waiting\n"));
}

TEST_CASE("kinds have names") {
  using graph = ag::task_graph;
  CHECK(ag::to_string(ag::node_kind::map) == "map");
  CHECK(ag::to_string(graph::edge_kind::happens_after) == "happens_after");
  CHECK(ag::to_string(graph::edge_kind::condition) == "condition");
  CHECK(ag::to_string(graph::join_kind::join) == "join");
  CHECK(ag::to_string(graph::join_kind::output) == "output");
}
