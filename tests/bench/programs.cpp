// Figures that only a process of its own can give: programs/many.cpp and programs/loopback.cpp.
#include <cstdio>
#include <string>

#include "work.hpp"

namespace {

void run_program(benchmark::State& state, const std::string& program, const std::string& what) {
  const std::string command = program + " " + what + " " + std::to_string(state.range(0));
  double items = 0, bytes = 0, cpu_seconds = 0;
  for (auto _ : state) {
    std::FILE* const output = ::popen(command.c_str(), "r");
    double seconds = 0;
    if (!output || std::fscanf(output, "%lf %lf %lf %lf", &items, &seconds, &bytes, &cpu_seconds) < 3)
      state.SkipWithError(("no figures came from: " + command).c_str());
    if (output) ::pclose(output);
    state.SetIterationTime(seconds);
  }
  bench::count_items(state, static_cast<std::int64_t>(items));
  if (bytes > 0) state.counters["bytes_per_item"] = bytes / items;
  if (cpu_seconds > 0) state.counters["cpu_ns_per_item"] = 1e9 * cpu_seconds / items;
}

benchmark::internal::Benchmark* add(const char* name, const char* program, const char* what) {
  return benchmark::RegisterBenchmark(name, [=](benchmark::State& s) { run_program(s, program, what); })
      ->UseManualTime()
      ->Iterations(1);
}
benchmark::internal::Benchmark* add_many(const char* name, const char* what) {
  return add(name, AETHERGRAPH_BENCH_MANY, what);
}

[[maybe_unused]] const bool are_added = [] {
  add_many("suspended calls/aethergraph_timers", "timers")->Apply(bench::sizes);
  add_many("suspended calls/aethergraph_event", "event")->Apply(bench::sizes);
  add_many("suspended calls/asio_timers", "asio_timers")->Apply(bench::sizes);
  add_many("suspended agents/aethergraph", "agents")->Apply(bench::small_sizes);
  add_many("suspended agents/aethergraph_nested", "nested_agents")->Apply(bench::small_sizes);
  add_many("suspended agents/asio", "asio_agents")->Apply(bench::small_sizes);
  for (const char* who : {"aethergraph", "asio"})
    add((std::string("requests over loopback/") + who).c_str(), AETHERGRAPH_BENCH_LOOPBACK, who)
        ->Arg(1'000)
        ->Arg(10'000);
  return true;
}();

}  // namespace
