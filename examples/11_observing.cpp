// What a run did: its nodes, and what followed what; afterwards, or as it happens.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

namespace ag = aethergraph;
using namespace std::chrono_literals;

// snippet names
// Names of what goes in and what comes out are kept in graphs and errors; so is a label, to find the nodes by.
const ag::tool measure{"measure", [](std::string station) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{station.size()});
  if (station == "Atlantis") throw std::runtime_error("no such station");
  co_return static_cast<int>(station.size());
}, {.label = "remote"}, ag::inputs{"station"}, ag::outputs{"degrees"}};
// end snippet

const ag::tool stations{"stations", [] { return std::vector<std::string>{"Oslo", "Atlantis", "Reykjavik"}; }};

const ag::tool look_at{"look_at", [](std::string station) -> ag::task<int> {
  const ag::result<int> degrees = co_await ag::as_result(measure(station));
  co_return degrees ? degrees.value() : 0;
}};

const ag::tool mean{"mean", [](std::vector<int> all) {
  int sum = 0;
  for (const int degrees : all) sum += degrees;
  return sum / static_cast<int>(all.size());
}};

const ag::graph_fn weather{"weather", []() -> ag::task<int> {
  const std::vector<std::string> all = co_await stations();
  const std::vector<int> degrees = co_await ag::gather(all | std::views::transform(look_at));
  co_return co_await mean(degrees);
}};

// snippet observer
// An observer hears of everything as it happens. The event refers to the run: what is to be kept is copied.
class printer final : public ag::observer {
 public:
  void on_event(const ag::event& e) override {
    if (e.is_node_event()) fmt::print("{:12} {} ({})\n", to_string(e.kind()), e.id(), e.path());
    else fmt::print("{:12} {}\n", to_string(e.kind()), e.run_id());
  }
};
// end snippet

int main() {
  // In a simulation, since this example must take the same times each time. Any run has a graph.
  ag::testing::simulation sim{1};

  // snippet graph
  const auto result = sim.try_run(weather(), {.record = ag::record::times});
  const ag::task_graph graph = result.graph();
  fmt::print("{}", graph.pretty());
  // end snippet

  // snippet select
  fmt::print("\nremote: {}\n", fmt::join(graph.select("#remote"), " "));
  fmt::print("1.2/0 is {}\n", graph.find("1.2/0")->id);
  fmt::print("mean#8 needs {}\n", fmt::join(graph.upstream("mean#8"), " "));
  // end snippet

  fmt::print("\n");
  // snippet observed
  printer shown;
  sim.run(weather(), {.observer = &shown});
  // end snippet
}
