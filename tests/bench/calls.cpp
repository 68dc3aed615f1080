// Awaiting in a loop: a capped call of a tool next to a bare coroutine and to a coroutine of Asio's.
#include <aethergraph/aethergraph.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "bare_task.hpp"
#include "work.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;

namespace {

// One run, one spawned coroutine: its cost vanishes among so many.
constexpr int items = 10'000;

template <bench::resumption How>
[[gnu::noinline]] bench::bare_task<int, How> bare_work(int x) {
  co_return bench::work_on(x);
}
template <bench::resumption How>
bench::bare_task<std::int64_t, How> bare_loop() {
  std::int64_t sum = 0;
  for (int i = 0; i < items; ++i) sum += co_await bare_work<How>(i);
  co_return sum;
}
template <bench::resumption How>
void bare_coroutine(benchmark::State& state) {
  for (auto _ : state) bench::check_sum(state, items, bare_loop<How>().run());
  bench::count_items(state, items);
}
BENCHMARK(bare_coroutine<bench::resumption::flag>)->Name("call in a loop/bare coroutine");
BENCHMARK(bare_coroutine<bench::resumption::transfer>)->Name("call in a loop/bare coroutine, symmetric transfer");

[[gnu::noinline]] asio::awaitable<int> asio_work(int x) { co_return bench::work_on(x); }
asio::awaitable<void> asio_loop(std::int64_t& sum) {
  for (int i = 0; i < items; ++i) sum += co_await asio_work(i);
}
void asio_awaitable(benchmark::State& state) {
  asio::io_context io(1);
  for (auto _ : state) {
    std::int64_t sum = 0;
    asio::co_spawn(io, asio_loop(sum), [](std::exception_ptr) {});
    io.run();
    io.restart();
    bench::check_sum(state, items, sum);
  }
  bench::count_items(state, items);
}
BENCHMARK(asio_awaitable)->Name("call in a loop/asio::awaitable");

[[gnu::noinline]] ag::task<int> task_work(int x) { co_return bench::work_on(x); }
const ag::tool coroutine_tool{"coroutine_tool", [](int x) -> ag::task<int> { co_return bench::work_on(x); }};
const ag::tool function_tool{"function_tool", [](int x) { return bench::work_on(x); }};

template <auto& Work>
void run_loop(benchmark::State& state) {
  const ag::graph_fn loop{"loop", []() -> ag::task<std::int64_t> {
    std::int64_t sum = 0;
    for (int i = 0; i < items; ++i) sum += co_await Work(i);
    co_return sum;
  }};
  for (auto _ : state) bench::check_sum(state, items, ag::run(loop()));
  bench::count_items(state, items);
}
BENCHMARK(run_loop<task_work>)->Name("call in a loop/ag::task");
BENCHMARK(run_loop<coroutine_tool>)->Name("call in a loop/ag::tool, a coroutine");
BENCHMARK(run_loop<function_tool>)->Name("call in a loop/ag::tool, a plain function");

}  // namespace
