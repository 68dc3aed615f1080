// Work whose amount shows only while it is done, and results in the order in which they come.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <set>
#include <string>
#include <vector>

namespace ag = aethergraph;
using namespace std::chrono_literals;

// A small web: page n links to pages 2n and 2n + 1, up to 12.
const ag::tool links_of{"links_of", [](int page) -> ag::task<std::vector<int>> {
  co_await ag::sleep_for(1ms);
  std::vector<int> links;
  for (const int link : {2 * page, 2 * page + 1})
    if (link <= 12) links.push_back(link);
  co_return links;
}};

// snippet group
// Whoever has the group may spawn into it, children too.
ag::task<> visit(ag::task_group& group, std::set<int>& seen, int page) {
  if (!seen.insert(page).second) co_return;  // no lock: all of a run is on one strand
  for (const int link : co_await links_of(page)) group.spawn(visit(group, seen, link));
}

// with_group ends when its body and everything spawned have ended: no counter, no "is it finished?" flag. Should one of
// them fail, the others are cancelled and awaited, and the failure is thrown here.
const ag::graph_fn crawl{"crawl", [](int start) -> ag::task<std::size_t> {
  std::set<int> seen;
  co_await ag::with_group([&](ag::task_group& group) -> ag::task<> {
    group.spawn(visit(group, seen, start));
    co_return;
  });
  co_return seen.size();
}};
// end snippet

const ag::tool measure{"measure", [](int delay_ms) -> ag::task<std::string> {
  co_await ag::sleep_for(std::chrono::milliseconds(delay_ms));
  co_return fmt::format("{} ms", delay_ms);
}};

// as_completed hands on each result as soon as it is there, one at a time; the function may itself be a coroutine.
const ag::graph_fn first_come{"first_come", [](ag::context& ctx, std::vector<int> delays) -> ag::task<> {
  co_await ag::as_completed(delays | std::views::transform(measure),
      [&ctx](std::string text) -> ag::task<> { co_await ctx.channel().send_text(text); });
}};

int main() {
  fmt::print("pages found: {}\n", ag::run(crawl(1)));

  ag::testing::simulation sim{1};  // in virtual time, so that the order is sure
  sim.run(first_come({30, 10, 20}));
}
