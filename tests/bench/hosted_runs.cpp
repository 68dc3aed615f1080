// Many runs side by side: each is started from outside, suspends once, and ends when all others have begun.
#include <aethergraph/aethergraph.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

#include "work.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;

namespace {

constexpr int items = 10'000;

const ag::tool pausing_work{"pausing_work", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(ag::duration::zero());
  co_return bench::work_on(x);
}};
const ag::graph_fn one_call{"one_call", [](int x) -> ag::task<int> { co_return co_await pausing_work(x); }};

void runs_of_a_runtime(benchmark::State& state) {
  asio::io_context io(1);
  ag::runtime rt(io);
  std::vector<ag::run_handle<int>> runs;
  for (auto _ : state) {
    for (int i = 0; i < items; ++i) runs.push_back(ag::start(rt, one_call(i)));
    io.run();
    io.restart();
    std::int64_t sum = 0;
    for (const ag::run_handle<int>& run : runs) sum += run.get();
    runs.clear();
    bench::check_sum(state, items, sum);
  }
  bench::count_items(state, items);
}
BENCHMARK(runs_of_a_runtime)->Name("10,000 side by side/ag::start");

asio::awaitable<int> asio_one_call(int x) {
  asio::steady_timer timer(co_await asio::this_coro::executor, ag::duration::zero());
  co_await timer.async_wait(asio::use_awaitable);
  co_return bench::work_on(x);
}
void spawned_coroutines(benchmark::State& state) {
  asio::io_context io(1);
  for (auto _ : state) {
    std::int64_t sum = 0;
    for (int i = 0; i < items; ++i)
      asio::co_spawn(asio::make_strand(io), asio_one_call(i), [&sum](std::exception_ptr, int x) { sum += x; });
    io.run();
    io.restart();
    bench::check_sum(state, items, sum);
  }
  bench::count_items(state, items);
}
BENCHMARK(spawned_coroutines)->Name("10,000 side by side/Asio co_spawn and a timer, each on a strand");

}  // namespace
