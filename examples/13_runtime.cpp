// A runtime hosts many runs at once: started, cancelled, awaited and looked at from outside.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <ranges>
#include <regex>
#include <string>
#include <thread>
#include <vector>

namespace ag = aethergraph;
using namespace std::chrono_literals;

const ag::tool square{"square", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(1ms);
  co_return x* x;
}};

const ag::graph_fn squares{"squares", [](int n) -> ag::task<int> {
  int sum = 0;
  for (const int s : co_await ag::gather(std::views::iota(1, n + 1) | std::views::transform(square))) sum += s;
  co_return sum;
}};

const ag::tool await_news{"await_news", []() -> ag::task<> { co_await ag::sleep_for(1h); }};

const ag::graph_fn watch{"watch", []() -> ag::task<> {
  for (;;) co_await ag::gather(await_news(), await_news());
}};

// snippet drain
// Awaited in a run that is not the runtime's: it ends when the runtime has no live run.
ag::task<> until_idle(ag::runtime& rt) { co_await rt.drain(); }
// end snippet

void wait_until_it_waits(const ag::run_handle<void>& run) {
  const auto is_running = [](const ag::task_graph::node_view& n) { return n.state == ag::node_state::running; };
  while (std::ranges::count_if(run.graph().nodes(), is_running) < 2) std::this_thread::sleep_for(1ms);
}

int main() {
  // snippet start
  // Two threads, and at most 8 tool bodies at a time in all of its runs together.
  ag::runtime rt({.threads = 2, .max_concurrency = 8});
  std::vector<ag::run_handle<int>> runs;
  for (int n = 1; n <= 20; ++n) runs.push_back(ag::start(rt, squares(n)));  // goes on at once
  int sum = 0;
  for (const ag::run_handle<int>& run : runs) sum += run.get();
  fmt::print("{} runs gave {}; the last was {}\n", runs.size(), sum, runs.back().id());
  // end snippet

  // snippet handle
  const ag::run_handle<void> run = ag::start(rt, watch());
  wait_until_it_waits(run);
  fmt::print("live: {}, done: {}\n", rt.runs().front().id, run.done());
  // end snippet

  // How long ago it was started is another number each time.
  fmt::print("{}", std::regex_replace(rt.dump(), std::regex("[0-9]+ ms"), "… ms"));

  // snippet cancel
  run.cancel();
  try {
    run.get();
  } catch (const ag::cancelled& e) {
    fmt::print("{}\n", e.what());
  }
  fmt::print("{}", run.graph().pretty());
  // end snippet

  // snippet shutdown
  ag::start(rt, squares(3));  // a handle that is dropped: the runtime owns the run
  ag::run(until_idle(rt));
  fmt::print("live: {}\n", rt.runs().size());

  ag::start(rt, watch());
  for (const std::string& name : rt.shutdown(10s)) fmt::print("still stopping: {}\n", name);
  try {
    ag::start(rt, squares(1));
  } catch (const ag::error& e) {
    fmt::print("{}\n", e.what());
  }
  // end snippet
}
