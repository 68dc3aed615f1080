// What agents wait with: permits, time, the first of two, so long and no longer. Each next to what Asio has for it, and
// to the least that Asio needs for a timer: `asio_timer`.
#include <aethergraph/aethergraph.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "work.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

// `Loop(items)` gives a task that does the work of all items.
template <auto Loop>
void run_ours(benchmark::State& state) {
  const int items = bench::size_of(state);
  for (auto _ : state) bench::check_sum(state, items, ag::run(Loop(items)));
  bench::count_items(state, items);
}

// `Loop(items, sum)` is the same as a coroutine of Asio's.
template <auto Loop>
void run_asio(benchmark::State& state) {
  const int items = bench::size_of(state);
  asio::io_context io(1);
  for (auto _ : state) {
    std::int64_t sum = 0;
    asio::co_spawn(io, Loop(items, sum), [](std::exception_ptr) {});
    io.run();
    io.restart();
    bench::check_sum(state, items, sum);
  }
  bench::count_items(state, items);
}

// One timer, as little as can be: made, set, cancelled before its time, its handler called. An earlier timer waits too,
// so that none of it needs the kernel.
void asio_timer(benchmark::State& state) {
  const int items = bench::size_of(state);
  asio::io_context io(1);
  asio::steady_timer earlier(io, 1h);
  earlier.async_wait([](boost::system::error_code) {});
  for (auto _ : state) {
    std::int64_t sum = 0;
    for (int i = 0; i < items; ++i) {
      asio::steady_timer timer(io, 2h);
      timer.async_wait([&sum, i](boost::system::error_code) { sum += bench::work_on(i); });
      timer.cancel();
      io.run_one();
    }
    bench::check_sum(state, items, sum);
  }
  bench::count_items(state, items);
}
BENCHMARK(asio_timer)->Name("semaphore/asio_timer")->Apply(bench::sizes);
BENCHMARK(asio_timer)->Name("race/asio_timer")->Apply(bench::sizes);
BENCHMARK(asio_timer)->Name("timeout/asio_timer")->Apply(bench::sizes);

// --- a permit that is free
ag::task<std::int64_t> acquire_ours(int items) {
  ag::semaphore permits(2);
  std::int64_t sum = 0;
  for (int i = 0; i < items; ++i) {
    auto permit = co_await permits.acquire();
    sum += bench::work_on(i);
  }
  co_return sum;
}
asio::awaitable<void> acquire_asio(int items, std::int64_t& sum) {
  asio::experimental::channel<void(boost::system::error_code)> taken(co_await asio::this_coro::executor, 2);
  for (int i = 0; i < items; ++i) {
    co_await taken.async_send(boost::system::error_code(), asio::use_awaitable);
    sum += bench::work_on(i);
    taken.try_receive([](boost::system::error_code) {});
  }
}
BENCHMARK(run_ours<acquire_ours>)->Name("semaphore/aethergraph")->Apply(bench::sizes);
BENCHMARK(run_asio<acquire_asio>)->Name("semaphore/asio_channel")->Apply(bench::sizes);

// --- time that has come
ag::task<std::int64_t> sleep_ours(int items) {
  std::int64_t sum = 0;
  for (int i = 0; i < items; ++i) {
    co_await ag::sleep_for(0ns);
    sum += bench::work_on(i);
  }
  co_return sum;
}
ag::task<std::int64_t> sleep_use_task(int items) {
  std::int64_t sum = 0;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (int i = 0; i < items; ++i) {
    timer.expires_after(0ns);
    co_await timer.async_wait(ag::use_task);
    sum += bench::work_on(i);
  }
  co_return sum;
}
asio::awaitable<void> sleep_asio(int items, std::int64_t& sum) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (int i = 0; i < items; ++i) {
    timer.expires_after(0ns);
    co_await timer.async_wait(asio::use_awaitable);
    sum += bench::work_on(i);
  }
}
BENCHMARK(run_ours<sleep_ours>)->Name("sleep of 0/aethergraph")->Apply(bench::sizes);
BENCHMARK(run_ours<sleep_use_task>)->Name("sleep of 0/aethergraph_use_task")->Arg(1'000);
BENCHMARK(run_asio<sleep_asio>)->Name("sleep of 0/asio")->Arg(1'000);

// --- the first of two that end at once
const ag::tool ours{"ours", [](int x) -> ag::task<int> { co_return bench::work_on(x); }};
ag::task<std::int64_t> race_ours(int items) {
  std::int64_t sum = 0;
  for (int i = 0; i < items; ++i) {
    auto first = co_await ag::race(ours(i), ours(i));
    sum += std::visit([](int x) { return x; }, first);
  }
  co_return sum;
}
asio::awaitable<int> theirs(int x) { co_return bench::work_on(x); }
asio::awaitable<void> race_asio(int items, std::int64_t& sum) {
  using namespace asio::experimental::awaitable_operators;
  for (int i = 0; i < items; ++i) {
    auto first = co_await (theirs(i) || theirs(i));
    sum += std::visit([](int x) { return x; }, first);
  }
}
BENCHMARK(run_ours<race_ours>)->Name("race/aethergraph")->Apply(bench::sizes);
BENCHMARK(run_asio<race_asio>)->Name("race/asio")->Apply(bench::sizes);

// The loser waits for long, and has to be cancelled.
const ag::tool late{"late", []() -> ag::task<int> {
  co_await ag::sleep_for(1h);
  co_return 0;
}};
ag::task<std::int64_t> race_late(int items) {
  std::int64_t sum = 0;
  for (int i = 0; i < items; ++i) {
    auto first = co_await ag::race(late(), ours(i));
    sum += std::visit([](int x) { return x; }, first);
  }
  co_return sum;
}
BENCHMARK(run_ours<race_late>)->Name("race/aethergraph_late_loser")->Apply(bench::small_sizes);

// --- what ends in time, at once or after it was suspended
ag::task<std::int64_t> timeout_ours(int items) {
  std::int64_t sum = 0;
  for (int i = 0; i < items; ++i) sum += co_await ag::timeout(ours(i), 1h);
  co_return sum;
}
const ag::tool pausing{"pausing", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(0ns);
  co_return bench::work_on(x);
}};
ag::task<std::int64_t> timeout_pausing(int items) {
  std::int64_t sum = 0;
  for (int i = 0; i < items; ++i) sum += co_await ag::timeout(pausing(i), 1h);
  co_return sum;
}
asio::awaitable<void> asio_late() {
  asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}
asio::awaitable<void> timeout_asio(int items, std::int64_t& sum) {
  using namespace asio::experimental::awaitable_operators;
  for (int i = 0; i < items; ++i) {
    auto first = co_await (theirs(i) || asio_late());
    sum += std::get<0>(first);
  }
}
BENCHMARK(run_ours<timeout_ours>)->Name("timeout/aethergraph")->Apply(bench::sizes);
BENCHMARK(run_ours<timeout_pausing>)->Name("timeout/aethergraph_pausing")->Apply(bench::sizes);
BENCHMARK(run_asio<timeout_asio>)->Name("timeout/asio")->Arg(1'000)->Arg(10'000);

}  // namespace
