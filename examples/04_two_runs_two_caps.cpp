// Two runs side by side, each with a cap of its own: 8 and 2.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <future>
#include <ranges>

namespace ag = aethergraph;
using namespace std::chrono_literals;

const ag::tool fetch{"fetch", [](int page) -> ag::task<int> {
  co_await ag::sleep_for(10ms);
  co_return page;
}};

// Sums 16 pages. It does not know its cap: whoever runs it decides.
const ag::graph_fn crawl{"crawl", []() -> ag::task<int> {
  const std::vector<int> pages = co_await ag::gather(std::views::iota(1, 17) | std::views::transform(fetch));
  int sum = 0;
  for (const int page : pages) sum += page;
  co_return sum;
}};

// Both as nested runs of one agent, on one thread: each has its own slots, and none of this agent's.
const ag::graph_fn both{"both", [](ag::context& ctx) -> ag::task<int> {
  const auto crawl_and_tell = [](ag::context& c, int cap) -> ag::task<int> {
    const int sum = co_await ag::run_async(crawl(), {.max_concurrency = cap});
    co_await c.channel().send_text(fmt::format("cap {} has finished", cap));
    co_return sum;
  };
  auto sums = co_await ag::gather(crawl_and_tell(ctx, 2), crawl_and_tell(ctx, 8));
  co_return std::get<0>(sums) + std::get<1>(sums);
}};

int main() {
  // snippet caps
  // Each on a thread of its own. A run's result tells how many of its slots were taken at one time.
  auto wide = std::async(std::launch::async, [] { return ag::try_run(crawl(), {.max_concurrency = 8}); });
  auto narrow = std::async(std::launch::async, [] { return ag::try_run(crawl(), {.max_concurrency = 2}); });
  const auto wide_result = wide.get();
  const auto narrow_result = narrow.get();
  fmt::print("cap 8: sum {}, peak {}\n", wide_result.value(), wide_result.peak_concurrency());
  fmt::print("cap 2: sum {}, peak {}\n", narrow_result.value(), narrow_result.peak_concurrency());
  // end snippet

  // Side by side they take as long as the slower: 16 pages of 10 ms, 2 at a time.
  ag::testing::simulation sim{1};
  const int sum = sim.run(both());
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(sim.elapsed());
  fmt::print("both: sum {}, after {}\n", sum, elapsed);
}
