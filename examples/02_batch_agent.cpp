// A batch agent that caps its own fan-out with a semaphore, next to one that leaves it to the cap of its run.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <ranges>
#include <vector>

namespace ag = aethergraph;
using namespace std::chrono_literals;

const ag::tool twice{"twice", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(1ms);  // stands for a request to some service
  co_return 2 * x;
}};

// snippet permits
ag::task<int> double_with_permit(ag::semaphore& permits, int x) {
  auto permit = co_await permits.acquire();  // given back at the end of this scope, whatever happens in it
  co_return co_await twice(x);
}

// The run has 8 slots, but the service behind `twice` bears 3 requests at a time: a semaphore of the agent's own says
// so. What it caps need not be a tool call: any awaitable will do.
const ag::graph_fn batch_agent{"batch_agent", [](std::vector<int> items) -> ag::task<std::vector<int>> {
  ag::semaphore permits(3);
  std::vector<ag::task<int>> doubled;
  for (const int x : items) doubled.push_back(double_with_permit(permits, x));
  co_return co_await ag::gather(std::move(doubled));
}, {.max_concurrency = 8}};
// end snippet

// snippet cap
// Where all the work is tool calls and one limit is enough, the cap of the run is that limit.
const ag::graph_fn capped_agent{"capped_agent", [](std::vector<int> items) -> ag::task<std::vector<int>> {
  co_return co_await ag::gather(items | std::views::transform(twice));
}, {.max_concurrency = 3}};
// end snippet

int main() {
  for (const auto& agent_run :
      {ag::try_run(batch_agent({1, 2, 3, 4, 5, 6, 7, 8, 9})), ag::try_run(capped_agent({1, 2, 3, 4, 5, 6, 7, 8, 9}))})
    fmt::print("{}, at most {} at a time\n", agent_run.value(), agent_run.peak_concurrency());
}
