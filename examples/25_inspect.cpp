// Why did it take so long? A recorded run as a timeline and explained, and the same of data that came from elsewhere.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <fstream>
#include <ranges>
#include <stdexcept>
#include <string>

namespace ag = aethergraph;
using namespace std::chrono_literals;

ag::resource_pool gpu{"gpu", 1};

// Three kinds of work: one that is flaky, one that needs what there is one of, one that only takes time.
int downloads = 0;
const ag::tool download{"download", [](int part) -> ag::task<int> {
  co_await ag::sleep_for(100ms);
  if (++downloads == 2) throw std::runtime_error("connection reset");
  co_return part;
}, {.retry = {.max_attempts = 3, .first_delay = 50ms}}};

const ag::tool embed{"embed", [](int part) -> ag::task<int> {
  co_await ag::sleep_for(80ms);
  co_return part;
}, {.pool = &gpu}};

const ag::tool index_part{"index", [](int part) -> ag::task<int> {
  co_await ag::sleep_for(60ms);
  co_return part;
}};

const ag::graph_fn build{"build", [](int parts) -> ag::task<> {
  const auto all = std::views::iota(0, parts);
  co_await ag::gather(all | std::views::transform(download));
  co_await ag::gather(all | std::views::transform(embed));
  co_await ag::sleep_for(20ms);
  co_await ag::gather(all | std::views::transform(index_part));
}};

int main(int argc, char** argv) {
  // A simulation, so that it takes the same times each time; `ag::try_run` does as well.
  ag::testing::simulation sim{1};
  // snippet run
  const auto result = sim.try_run(build(4), {.max_concurrency = 2, .record = ag::record::times});
  // end snippet

  // snippet gantt
  const ag::timeline shown(result.graph());
  fmt::print("{}\n", shown.to_gantt(80));
  // end snippet

  // snippet trace
  if (argc > 1) std::ofstream(argv[1]) << shown.to_trace_events();
  // end snippet

  // snippet explain
  const ag::explanation why = ag::explain(result.graph());
  fmt::print("{}\n", why.text());
  // end snippet

  // snippet fields
  if (const auto& forecast = why.one_more_slot)
    fmt::print("{} ms of {} ms were lost to slots on the critical path; one more gives {} ms\n\n",
        why.lost_on_path.slot / 1ms, why.total / 1ms, forecast->gain() / 1ms);
  // end snippet

  // snippet elsewhere
  ag::timed_run nightly;
  nightly.id = "nightly";
  nightly.state = ag::node_state::done;
  nightly.total = 5s;
  nightly.slots = 1;
  for (const char* name : {"extract", "load"}) {
    ag::timed_node n;
    n.id = name;
    n.state = ag::node_state::done;
    nightly.nodes.push_back(n);
  }
  nightly.nodes[0].phases = {{ag::node_phase::body, 0s, 3s}};
  nightly.nodes[1].phases = {{ag::node_phase::slot, 0s, 3s}, {ag::node_phase::body, 3s, 5s}};
  fmt::print("{}", ag::explain(nightly).text());
  // end snippet
}
