// What a graph does when nodes fail, by either policy, and what is known of it afterwards.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <stdexcept>
#include <string>

namespace ag = aethergraph;

// snippet graph
const ag::tool fetch{"fetch", [](std::string name) {
  if (name == "beta") throw std::runtime_error("no such page");
  return "<" + name + ">";
}};
const ag::tool render{"render", [](std::string page) { return "rendered " + page; }};

const ag::graphify site{"site", [](ag::node<std::string> first, ag::node<std::string> second) {
  auto a = fetch(first);
  auto b = fetch(second);
  return std::pair{render(a), render(b)};
}};
// end snippet

void show(const ag::task_graph& graph) {
  for (const ag::task_graph::node_view& n : graph.nodes()) fmt::print("  {} {}\n", n.id, to_string(n.state));
}

int main() {
  const auto graph = site.build();

  // snippet stop
  try {
    ag::run(graph("beta", "alpha"));  // on_error::stop: nothing more starts, what runs is asked to stop
  } catch (const ag::graph_error& e) {
    fmt::print("{}\n", e.what());
  }
  // end snippet

  // snippet skip
  const auto outcome = ag::try_run(graph("alpha", "beta"), {.on_error = ag::on_error::skip_dependents});
  fmt::print("{}\n", outcome.ok() ? "ok" : "failed");
  show(outcome.graph());
  if (const std::string* first = outcome.output<std::string>(0)) fmt::print("and yet: {}\n", *first);
  // end snippet
}
