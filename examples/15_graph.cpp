// A pipeline as a graph: declared once, looked at, run any number of times.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <numeric>
#include <string>
#include <vector>

namespace ag = aethergraph;
using namespace std::chrono_literals;

// snippet tools
const ag::tool work{"work", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(1ms);  // say, a request
  co_return 2 * x;
}};
const ag::tool total{"total", [](const std::vector<int>& xs) { return std::accumulate(xs.begin(), xs.end(), 0); }};
const ag::tool is_even{"is_even", [](int x) { return x % 2 == 0; }};
const ag::tool halve{"halve", [](int x) { return x / 2; }};
// end snippet

// snippet graphify
// A plain parameter is known while the body is traced, so it may decide the shape: here the number of calls.
const ag::graphify map_reduce{"map_reduce", [](std::vector<int> values) {
  std::vector<ag::node<int>> results;
  for (const int v : values) results.push_back(work(v));
  return total(results);
}};

// A node parameter is bound at each run; how many calls there are is seen only then.
const ag::graphify scaled{"scaled", [](ag::node<std::vector<int>> values) { return total(ag::map(work, values)); }};
// end snippet

// snippet parts
struct statistics {
  double mean = 0;
  int largest = 0;
};
const ag::tool examine{"examine", [](const std::vector<int>& xs) {
  return statistics{std::accumulate(xs.begin(), xs.end(), 0.0) / static_cast<double>(xs.size()), std::ranges::max(xs)};
}};
const ag::tool describe{"describe", [](double mean, int largest, std::string note) {
  return fmt::format("mean {}, largest {}, {}", mean, largest, note);
}};
const ag::tool note{"note", [](int half) { return fmt::format("half of it is {}", half); }};

const ag::graphify describe_all{"describe_all", [](ag::node<std::vector<int>> values) {
  auto s = examine(values);
  auto largest = s[&statistics::largest];
  // A call that is skipped has no value; `value_or` says what stands in for it.
  auto condition = is_even(largest);
  auto half = halve(largest);
  auto if_even = ag::value_or(ag::when(condition, note(half)), std::string("odd"));
  return describe(s[&statistics::mean], largest, if_even).id("report");
}, ag::inputs{"values"}, ag::outputs{"text"}};
// end snippet

// snippet nesting
const ag::graphify both{"both", [](ag::node<std::vector<int>> values) {
  auto sum = scaled(values);  // a sub-graph: its nodes are nodes of this graph, under the same cap
  auto text = describe_all(values);
  return std::tuple(sum, text);
}};
// end snippet

int main() {
  fmt::print("{}\n", ag::run(map_reduce({1, 2, 3})));  // builds and runs

  // snippet run
  const auto graph = scaled.build();  // ag::graph<int(std::vector<int>)>: immutable, cheap to copy
  for (const int n : {3, 4}) {
    std::vector<int> values(static_cast<std::size_t>(n));
    std::iota(values.begin(), values.end(), 1);
    fmt::print("{} ", ag::run(graph(values), {.max_concurrency = 2}));
  }
  fmt::print("\n");
  // end snippet

  const auto whole = both.build();
  const auto [sum, text] = ag::run(whole({3, 8, 1}));
  fmt::print("{}; {}\n", sum, text);

  fmt::print("{}\n{}", whole.spec().signature(), whole.spec().pretty());
}
