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

template <bench::resumption How>
[[gnu::noinline]] bench::bare_task<int, How> bare_work(int x) {
  co_return bench::work_on(x);
}
template <bench::resumption How>
bench::bare_task<std::int64_t, How> bare_loop(int items) {
  std::int64_t sum = 0;
  for (int i = 0; i < items; ++i) sum += co_await bare_work<How>(i);
  co_return sum;
}
template <bench::resumption How>
void bare_coroutine(benchmark::State& state) {
  const int items = bench::size_of(state);
  for (auto _ : state) bench::check_sum(state, items, bare_loop<How>(items).run());
  bench::count_items(state, items);
}
BENCHMARK(bare_coroutine<bench::resumption::flag>)->Name("call/bare_coroutine")->Apply(bench::sizes);
BENCHMARK(bare_coroutine<bench::resumption::transfer>)->Name("call/bare_coroutine_transfer")->Apply(bench::sizes);

[[gnu::noinline]] asio::awaitable<int> asio_work(int x) { co_return bench::work_on(x); }
asio::awaitable<void> asio_loop(int items, std::int64_t& sum) {
  for (int i = 0; i < items; ++i) sum += co_await asio_work(i);
}
void asio_awaitable(benchmark::State& state) {
  const int items = bench::size_of(state);
  asio::io_context io(1);
  for (auto _ : state) {
    std::int64_t sum = 0;
    asio::co_spawn(io, asio_loop(items, sum), [](std::exception_ptr) {});
    io.run();
    io.restart();
    bench::check_sum(state, items, sum);
  }
  bench::count_items(state, items);
}
BENCHMARK(asio_awaitable)->Name("call/asio")->Apply(bench::sizes);

[[gnu::noinline]] ag::task<int> task_work(int x) { co_return bench::work_on(x); }
const ag::tool coroutine_tool{"coroutine_tool", [](int x) -> ag::task<int> { co_return bench::work_on(x); }};
const ag::tool function_tool{"function_tool", [](int x) { return bench::work_on(x); }};

template <auto& Work>
void run_loop(benchmark::State& state, const ag::run_options& options) {
  const int items = bench::size_of(state);
  const ag::graph_fn loop{"loop", [](int n) -> ag::task<std::int64_t> {
    std::int64_t sum = 0;
    for (int i = 0; i < n; ++i) sum += co_await Work(i);
    co_return sum;
  }};
  for (auto _ : state) bench::check_sum(state, items, ag::run(loop(items), options));
  bench::count_items(state, items);
}
template <auto& Work, ag::record::level Level = ag::record::nodes>
void recorded_loop(benchmark::State& state) {
  run_loop<Work>(state, {.record = Level});
}
BENCHMARK(recorded_loop<coroutine_tool, ag::record::off>)->Name("call/aethergraph_unrecorded")->Apply(bench::sizes);
BENCHMARK(recorded_loop<coroutine_tool>)->Name("call/aethergraph")->Apply(bench::sizes);
BENCHMARK(recorded_loop<coroutine_tool, ag::record::times>)->Name("call/aethergraph_times")->Arg(10'000);
BENCHMARK(recorded_loop<function_tool>)->Name("call/aethergraph_function")->Arg(10'000);
BENCHMARK(recorded_loop<task_work>)->Name("call/aethergraph_task")->Arg(10'000);

class counting_observer final : public ag::observer {
 public:
  void on_event(const ag::event& e) override { ended_ += e.kind() == ag::event_kind::node_ended; }
  [[nodiscard]] std::int64_t ended() const { return ended_; }

 private:
  std::int64_t ended_ = 0;
};
void observed_loop(benchmark::State& state) {
  counting_observer o;
  run_loop<coroutine_tool>(state, {.observer = &o});
  if (o.ended() != state.iterations() * state.range(0)) state.SkipWithError("not every event came");
}
BENCHMARK(observed_loop)->Name("call/aethergraph_observer")->Arg(10'000);

}  // namespace
