// Many agents side by side on one io_context, each of three tools: what one costs when its tools end at once, and when
// each of them suspends.
#include <aethergraph/aethergraph.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

#include "work.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;

namespace {

enum class pause { never, once };

template <pause Pause>
const ag::tool work{"work", [](int x) -> ag::task<int> {
  if constexpr (Pause == pause::once) co_await ag::sleep_for(ag::duration::zero());
  co_return bench::work_on(x);
}};
template <pause Pause>
const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> {
  const int a = co_await work<Pause>(x);
  const int b = co_await work<Pause>(a - 1);
  co_return co_await work<Pause>(b - 1);
}};

template <pause Pause>
void agents(benchmark::State& state) {
  const int items = bench::size_of(state);
  asio::io_context io(1);
  ag::runtime rt(io);
  std::vector<ag::run_handle<int>> runs;
  for (auto _ : state) {
    for (int i = 0; i < items; ++i) runs.push_back(ag::start(rt, agent<Pause>(i)));
    io.run();
    io.restart();
    std::int64_t sum = 0;
    for (const ag::run_handle<int>& run : runs) sum += run.get();
    runs.clear();
    bench::check_sum(state, items, sum);
  }
  bench::count_items(state, items);
}
BENCHMARK(agents<pause::never>)->Name("agents/aethergraph")->Apply(bench::small_sizes);
BENCHMARK(agents<pause::once>)->Name("agents that pause/aethergraph")->Apply(bench::small_sizes);

template <pause Pause>
asio::awaitable<int> asio_work(int x) {
  if constexpr (Pause == pause::once) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  co_return bench::work_on(x);
}
template <pause Pause>
asio::awaitable<int> asio_agent(int x) {
  const int a = co_await asio_work<Pause>(x);
  const int b = co_await asio_work<Pause>(a - 1);
  co_return co_await asio_work<Pause>(b - 1);
}
template <pause Pause>
void asio_agents(benchmark::State& state) {
  const int items = bench::size_of(state);
  asio::io_context io(1);
  for (auto _ : state) {
    std::int64_t sum = 0;
    for (int i = 0; i < items; ++i)
      asio::co_spawn(asio::make_strand(io), asio_agent<Pause>(i), [&sum](std::exception_ptr, int x) { sum += x; });
    io.run();
    io.restart();
    bench::check_sum(state, items, sum);
  }
  bench::count_items(state, items);
}
BENCHMARK(asio_agents<pause::never>)->Name("agents/asio")->Apply(bench::small_sizes);
BENCHMARK(asio_agents<pause::once>)->Name("agents that pause/asio")->Apply(bench::small_sizes);

}  // namespace
