// A whole run that does nothing, as a root and nested.
#include <aethergraph/aethergraph.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "work.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;

namespace {

const ag::graph_fn empty{"empty", [](int x) -> ag::task<int> { co_return bench::work_on(x); }};

void empty_run(benchmark::State& state) {
  int x = 0;
  for (auto _ : state) x = ag::run(empty(x)) & 0xffff;
  benchmark::DoNotOptimize(x);
  bench::count_items(state, 1);
}
BENCHMARK(empty_run)->Name("empty run/aethergraph");

void nested_run(benchmark::State& state) {
  const int items = bench::size_of(state);
  const ag::graph_fn loop{"loop", [](int n) -> ag::task<std::int64_t> {
    std::int64_t sum = 0;
    for (int i = 0; i < n; ++i) sum += co_await empty(i);
    co_return sum;
  }};
  for (auto _ : state) bench::check_sum(state, items, ag::run(loop(items)));
  bench::count_items(state, items);
}
BENCHMARK(nested_run)->Name("nested run/aethergraph")->Apply(bench::sizes);

// What it takes without the library, to block on a coroutine that might wait for something.
asio::awaitable<int> asio_empty(int x) { co_return bench::work_on(x); }
void asio_run(benchmark::State& state) {
  int x = 0;
  for (auto _ : state) {
    asio::io_context io(1);
    asio::co_spawn(io, asio_empty(x), [&x](std::exception_ptr, int result) { x = result & 0xffff; });
    io.run();
  }
  benchmark::DoNotOptimize(x);
  bench::count_items(state, 1);
}
BENCHMARK(asio_run)->Name("empty run/asio");

}  // namespace
