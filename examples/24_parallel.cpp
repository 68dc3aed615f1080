// Plain functions on all cores: a graph and an agent that count primes, in parallel runs.

#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <numeric>
#include <ranges>
#include <vector>

namespace ag = aethergraph;

// snippet parallel
const ag::tool count_primes{"count_primes", [](int from, int to) {
  int primes = 0;
  for (int n = from; n < to; ++n) {
    bool is_prime = n > 1;
    for (int d = 2; d * d <= n && is_prime; ++d) is_prime = n % d != 0;
    primes += is_prime;
  }
  return primes;
}};
const ag::tool add{"add", [](std::vector<int> all) { return std::accumulate(all.begin(), all.end(), 0); }};

const ag::graphify primes_below{"primes_below", [](int end, int parts) {
  std::vector<ag::node<int>> counts;
  for (int i = 0; i < parts; ++i) counts.push_back(count_primes(end / parts * i, end / parts * (i + 1)));
  return add(counts);
}};

const ag::graph_fn search{"search", [](int end, int parts) -> ag::task<int> {
  const auto part = [&](int i) { return count_primes(end / parts * i, end / parts * (i + 1)); };
  const auto counts = co_await ag::gather(std::views::iota(0, parts) | std::views::transform(part));
  co_return co_await add(counts);
}};

int main() {
  const ag::run_options on_all_cores{.max_concurrency = 64, .parallel = true};
  fmt::print("as a graph: {}\n", ag::run(primes_below(200'000, 100), on_all_cores));
  fmt::print("as an agent: {}\n", ag::run(search(200'000, 100), on_all_cores));
}
// end snippet
