// Fan-out and fan-in: gather under a cap next to bare coroutines in a loop, and to what Asio offers for it.
#include <aethergraph/aethergraph.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <numeric>
#include <ranges>
#include <vector>

#include "bare_task.hpp"
#include "work.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

// Whether the work of an item lets others go on in the middle, so that the cap has somebody to hold back.
enum class pause { never, once };

template <pause Pause>
const ag::tool work{"work", [](int x) -> ag::task<int> {
  if constexpr (Pause == pause::once) co_await ag::sleep_for(0ns);
  co_return bench::work_on(x);
}};

template <pause Pause, int Cap, bool IsRecorded = true>
void gather(benchmark::State& state) {
  const int items = bench::size_of(state);
  const ag::graph_fn fan{"fan", [](int n) -> ag::task<std::int64_t> {
    const std::vector<int> results = co_await ag::gather(std::views::iota(0, n) | std::views::transform(work<Pause>));
    co_return std::accumulate(results.begin(), results.end(), std::int64_t{0});
  }};
  for (auto _ : state)
    bench::check_sum(state, items, ag::run(fan(items), {.max_concurrency = Cap, .record = IsRecorded}));
  bench::count_items(state, items);
}

using bare = bench::bare_task<int, bench::resumption::flag>;
[[gnu::noinline]] bare bare_work(int x) { co_return bench::work_on(x); }
bench::bare_task<std::int64_t, bench::resumption::flag> bare_loop(int items) {
  std::vector<int> results;
  results.reserve(static_cast<std::size_t>(items));
  for (int i = 0; i < items; ++i) results.push_back(co_await bare_work(i));
  co_return std::accumulate(results.begin(), results.end(), std::int64_t{0});
}
void bare_coroutine(benchmark::State& state) {
  const int items = bench::size_of(state);
  for (auto _ : state) bench::check_sum(state, items, bare_loop(items).run());
  bench::count_items(state, items);
}

using permits = asio::experimental::channel<void(boost::system::error_code)>;

template <pause Pause>
asio::awaitable<int> asio_work(int x) {
  if constexpr (Pause == pause::once) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  co_return bench::work_on(x);
}

// A full channel holds back who sends: each message in it is a permit that was taken.
template <pause Pause>
asio::awaitable<int> asio_capped_work(permits& taken, int x) {
  co_await taken.async_send(boost::system::error_code(), asio::use_awaitable);
  const int result = co_await asio_work<Pause>(x);
  taken.try_receive([](boost::system::error_code) {});
  co_return result;
}

// `make` gives the coroutine of an item. All run at the same time, in one parallel group.
template <class Make>
void asio_gather(benchmark::State& state, asio::io_context& io, Make make) {
  const int items = bench::size_of(state);
  for (auto _ : state) {
    using operation = decltype(asio::co_spawn(io, make(0), asio::deferred));
    std::vector<operation> operations;
    operations.reserve(static_cast<std::size_t>(items));
    for (int i = 0; i < items; ++i) operations.push_back(asio::co_spawn(io, make(i), asio::deferred));
    std::int64_t sum = 0;
    asio::experimental::make_parallel_group(std::move(operations))
        .async_wait(asio::experimental::wait_for_all(),
            [&sum](const std::vector<std::size_t>&, const std::vector<std::exception_ptr>&,
                const std::vector<int>& results) {
      sum = std::accumulate(results.begin(), results.end(), std::int64_t{0});
    });
    io.run();
    io.restart();
    bench::check_sum(state, items, sum);
  }
  bench::count_items(state, items);
}

template <pause Pause>
void asio_parallel_group(benchmark::State& state) {
  asio::io_context io(1);
  asio_gather(state, io, [](int x) { return asio_work<Pause>(x); });
}

template <pause Pause, std::size_t Cap>
void asio_channel(benchmark::State& state) {
  asio::io_context io(1);
  permits taken(io, Cap);
  asio_gather(state, io, [&taken](int x) { return asio_capped_work<Pause>(taken, x); });
}

BENCHMARK(bare_coroutine)->Name("gather/bare_coroutine")->Apply(bench::sizes);
BENCHMARK(gather<pause::never, 4>)->Name("gather/aethergraph")->Apply(bench::sizes);
BENCHMARK(gather<pause::never, 4, false>)->Name("gather/aethergraph_unrecorded")->Apply(bench::sizes);
BENCHMARK(gather<pause::never, 64>)->Name("gather/aethergraph_cap64")->Arg(10'000);
BENCHMARK(asio_parallel_group<pause::never>)->Name("gather/asio_uncapped")->Apply(bench::small_sizes);
BENCHMARK(asio_channel<pause::never, 4>)->Name("gather/asio_channel")->Apply(bench::small_sizes);

BENCHMARK(gather<pause::once, 4>)->Name("gather that pauses/aethergraph")->Apply(bench::sizes);
BENCHMARK(gather<pause::once, 64>)->Name("gather that pauses/aethergraph_cap64")->Apply(bench::sizes);
BENCHMARK(asio_parallel_group<pause::once>)->Name("gather that pauses/asio_uncapped")->Apply(bench::small_sizes);
BENCHMARK(asio_channel<pause::once, 4>)->Name("gather that pauses/asio_channel")->Apply(bench::small_sizes);

}  // namespace
