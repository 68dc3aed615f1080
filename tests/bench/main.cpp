// Runs all benchmarks several times, in mixed order. report.py makes one table of what --benchmark_out=FILE keeps.
//
// All flags of Google Benchmark work, and win: --benchmark_filter=call, --benchmark_repetitions=21.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string>
#include <vector>

namespace {

// Says that it goes on.
class progress final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    if (runs.front().run_type != Run::RT_Iteration) return;
    fmt::print(stderr, "  {}{}\n", runs.front().run_name.str(), runs.front().error_occurred ? ": went wrong" : "");
  }
};

}  // namespace

int main(int argc, char** argv) {
  // The order is mixed so that a slow moment hits all competitors.
  std::vector<std::string> arguments{
      argv[0], "--benchmark_repetitions=9", "--benchmark_min_time=0.01", "--benchmark_enable_random_interleaving=true"};
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  std::vector<char*> pointers;
  for (std::string& a : arguments) pointers.push_back(a.data());
  int count = static_cast<int>(pointers.size());
  pointers.push_back(nullptr);
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 2;
  progress p;
  return benchmark::RunSpecifiedBenchmarks(&p) == 0 ? 2 : 0;
}
