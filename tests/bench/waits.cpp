// What agents wait with: permits, time, the first of two.
#include <aethergraph/aethergraph.hpp>
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

constexpr int items = 1'000;

// `Loop()` gives a task that does the work of all items.
template <auto Loop>
void run_ours(benchmark::State& state) {
  for (auto _ : state) bench::check_sum(state, items, ag::run(Loop()));
  bench::count_items(state, items);
}

// `Loop(sum)` is the same as a coroutine of Asio's.
template <auto Loop>
void run_asio(benchmark::State& state) {
  asio::io_context io(1);
  for (auto _ : state) {
    std::int64_t sum = 0;
    asio::co_spawn(io, Loop(sum), [](std::exception_ptr) {});
    io.run();
    io.restart();
    bench::check_sum(state, items, sum);
  }
  bench::count_items(state, items);
}

// --- a permit that is free
ag::task<std::int64_t> acquire_ours() {
  ag::semaphore permits(2);
  std::int64_t sum = 0;
  for (int i = 0; i < items; ++i) {
    auto permit = co_await permits.acquire();
    sum += bench::work_on(i);
  }
  co_return sum;
}
asio::awaitable<void> acquire_asio(std::int64_t& sum) {
  asio::experimental::channel<void(boost::system::error_code)> taken(co_await asio::this_coro::executor, 2);
  for (int i = 0; i < items; ++i) {
    co_await taken.async_send(boost::system::error_code(), asio::use_awaitable);
    sum += bench::work_on(i);
    taken.try_receive([](boost::system::error_code) {});
  }
}
BENCHMARK(run_ours<acquire_ours>)->Name("free permit/ag::semaphore");
BENCHMARK(run_asio<acquire_asio>)->Name("free permit/Asio channel as semaphore");

// --- time that has come
ag::task<std::int64_t> sleep_ours() {
  std::int64_t sum = 0;
  for (int i = 0; i < items; ++i) {
    co_await ag::sleep_for(0ns);
    sum += bench::work_on(i);
  }
  co_return sum;
}
ag::task<std::int64_t> sleep_use_task() {
  std::int64_t sum = 0;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (int i = 0; i < items; ++i) {
    timer.expires_after(0ns);
    co_await timer.async_wait(ag::use_task);
    sum += bench::work_on(i);
  }
  co_return sum;
}
asio::awaitable<void> sleep_asio(std::int64_t& sum) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (int i = 0; i < items; ++i) {
    timer.expires_after(0ns);
    co_await timer.async_wait(asio::use_awaitable);
    sum += bench::work_on(i);
  }
}
BENCHMARK(run_ours<sleep_ours>)->Name("sleep of 0/ag::sleep_for");
BENCHMARK(run_ours<sleep_use_task>)->Name("sleep of 0/steady_timer with ag::use_task");
BENCHMARK(run_asio<sleep_asio>)->Name("sleep of 0/steady_timer with use_awaitable");

// --- the first of two that end at once
const ag::tool ours{"ours", [](int x) -> ag::task<int> { co_return bench::work_on(x); }};
ag::task<std::int64_t> race_ours() {
  std::int64_t sum = 0;
  for (int i = 0; i < items; ++i) {
    auto first = co_await ag::race(ours(i), ours(i));
    sum += std::visit([](int x) { return x; }, first);
  }
  co_return sum;
}
asio::awaitable<int> theirs(int x) { co_return bench::work_on(x); }
asio::awaitable<void> race_asio(std::int64_t& sum) {
  using namespace asio::experimental::awaitable_operators;
  for (int i = 0; i < items; ++i) {
    auto first = co_await (theirs(i) || theirs(i));
    sum += std::visit([](int x) { return x; }, first);
  }
}
BENCHMARK(run_ours<race_ours>)->Name("race of two/ag::race");
BENCHMARK(run_asio<race_asio>)->Name("race of two/Asio operator ||");

}  // namespace
