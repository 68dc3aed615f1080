// instructions MODE N: does one thing N times, for a tool that counts instructions. Two Ns tell the cost of one.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <ranges>
#include <string_view>

namespace ag = aethergraph;

namespace {

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return x + 1; }};

const ag::graph_fn calls{"calls", [](int n) -> ag::task<std::int64_t> {
  std::int64_t sum = 0;
  for (int i = 0; i < n; ++i) sum += co_await work(i);
  co_return sum;
}};

const ag::graph_fn fan{"fan", [](int n) -> ag::task<std::int64_t> {
  const auto all = co_await ag::gather(std::views::iota(0, n) | std::views::transform(work));
  co_return std::accumulate(all.begin(), all.end(), std::int64_t{0});
}};

const ag::tool plain{"plain", [](std::int64_t x) { return x + 1; }};
const ag::tool coroutine{"coroutine", [](std::int64_t x) -> ag::task<std::int64_t> { co_return x + 1; }};
constexpr int chain_nodes = 1000;
template <class Tool>
ag::graph<std::int64_t(std::int64_t)> chain(const Tool& tool) {
  const ag::graphify traced{"chain", [&tool](ag::node<std::int64_t> x) {
    for (int i = 0; i < chain_nodes; ++i) x = tool(x);
    return x;
  }};
  return traced.build();
}
template <class Tool>
std::int64_t run_chain(const Tool& tool, int n) {
  const auto graph = chain(tool);
  std::int64_t sum = 0;
  for (int i = 0; i < n; i += chain_nodes) sum += ag::run(graph(i));
  return sum;
}

const ag::tool sum_of{"sum_of", [](std::int64_t x, std::int64_t y) { return x + y; }};
const ag::graphify three{"three", [](ag::node<std::int64_t> x) {
  const ag::node<std::int64_t> one = plain(x);
  const ag::node<std::int64_t> other = plain(x);
  return sum_of(one, other);
}};

const ag::graph_fn empty{"empty", [](int x) -> ag::task<int> { co_return x + 1; }};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc == 3 ? argv[1] : "";
  const int n = argc == 3 ? std::atoi(argv[2]) : 0;
  std::int64_t sum = 0;
  if (mode == "call") {
    sum = ag::run(calls(n), {.record = ag::record::off});
  } else if (mode == "recorded_call") {
    sum = ag::run(calls(n));
  } else if (mode == "gather") {
    sum = ag::run(fan(n), {.record = ag::record::off});
  } else if (mode == "recorded_gather") {
    sum = ag::run(fan(n));
  } else if (mode == "graph_node") {
    sum = run_chain(plain, n);
  } else if (mode == "graph_coroutine") {
    sum = run_chain(coroutine, n);
  } else if (mode == "run") {
    for (int i = 0; i < n; ++i) sum += ag::run(empty(i));
  } else if (mode == "graph_run") {
    const auto graph = three.build();
    for (int i = 0; i < n; ++i) sum += ag::run(graph(i));
  } else {
    fmt::print(stderr,
        "usage: instructions call|recorded_call|gather|recorded_gather|graph_node|graph_coroutine|graph_run|run N\n");
    return 2;
  }
  fmt::print("{}\n", sum);  // so that nothing is left out
}
