// Runs all benchmarks several times, in mixed order, and prints one table of medians with their ratios; then the aims.
//
// All flags of Google Benchmark work: --benchmark_filter=call, --benchmark_out=figures.json,
// --benchmark_repetitions=21.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

// Collects the nanoseconds an item took, by name: "what is compared/who".
class medians final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      const std::string& name = run.run_name.function_name;
      if (run.error_occurred) {
        fmt::print(stderr, "{}: {}\n", name, run.error_message);
        has_failed_ = true;
        continue;
      }
      names_[run.family_index] = name;
      times_[name].push_back(1e9 / run.counters.at("items_per_second"));
      if (const auto bytes = run.counters.find("bytes_per_item"); bytes != run.counters.end())
        bytes_[name] = bytes->second;
    }
  }

  [[nodiscard]] bool has_failed() const { return has_failed_; }

  /// 0 for what was filtered out.
  [[nodiscard]] double of(const std::string& name) const {
    const auto found = times_.find(name);
    if (found == times_.end()) return 0;
    std::vector<double> sorted = found->second;
    std::ranges::sort(sorted);
    const std::size_t middle = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  /// Bytes an item took; 0 if nobody counted them.
  [[nodiscard]] double bytes_of(const std::string& name) const {
    const auto found = bytes_.find(name);
    return found == bytes_.end() ? 0 : found->second;
  }

  /// The first of each group is what the others are compared with.
  void print() const {
    fmt::print("{:<72} {:>12} {:>8}\n", "median of repeated runs, CPU time", "ns per item", "ratio");
    std::string group;
    double baseline = 0;
    for (const auto& [index, name] : names_) {
      if (std::string its_group = name.substr(0, name.find('/')); its_group != group) {
        group = std::move(its_group);
        baseline = of(name);
      }
      fmt::print("{:<72} {:>12.1f} {:>8.2f}\n", name, of(name), of(name) / baseline);
    }
  }

 private:
  std::map<std::string, std::vector<double>> times_;
  std::map<std::string, double> bytes_;
  std::map<std::int64_t, std::string> names_;  // in the order of registration
  bool has_failed_ = false;
};

void print_ratio(
    const medians& m, std::string_view what, const std::string& above, const std::string& below, std::string_view aim) {
  if (m.of(above) > 0 && m.of(below) > 0) fmt::print("{} = {:.2f} ({})\n", what, m.of(above) / m.of(below), aim);
}

}  // namespace

int main(int argc, char** argv) {
  // Flags of the command line come later, and win. The order is mixed so that a slow moment hits all competitors.
  std::vector<std::string> arguments{
      argv[0], "--benchmark_repetitions=9", "--benchmark_min_time=0.02", "--benchmark_enable_random_interleaving=true"};
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  std::vector<char*> pointers;
  for (std::string& a : arguments) pointers.push_back(a.data());
  int count = static_cast<int>(pointers.size());
  pointers.push_back(nullptr);
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 2;

  medians m;
  if (benchmark::RunSpecifiedBenchmarks(&m) == 0) return 2;
  m.print();

  const std::string call = "call in a loop/", gather = "gather of 20,000/";
  fmt::print("\n");
  const std::string tool = call + "ag::tool, a coroutine", bare = call + "bare coroutine";
  const std::string transfer = bare + ", symmetric transfer";
  const std::string& best_bare = m.of(bare) < m.of(transfer) ? bare : transfer;
  print_ratio(m, "capped call, not recorded / bare coroutine", call + "ag::tool, record off", best_bare, "aim <= 2");
  print_ratio(m, "capped call, recorded / bare coroutine", tool, best_bare, "aim <= 4");
  print_ratio(m, "capped call, recorded with times / bare coroutine", call + "ag::tool, record times", best_bare,
      "two clock readings");
  print_ratio(m, "capped call, observed / bare coroutine", call + "ag::tool, an observer", best_bare,
      "three events, a clock reading each");
  print_ratio(m, "Asio gather / ours, Asio without a cap", gather + "Asio parallel_group, no cap",
      gather + "ag::gather, cap 4", "aim >= 10");
  print_ratio(m, "Asio gather / ours, both capped", gather + "Asio parallel_group and channel, cap 4",
      gather + "ag::gather, cap 4", "aim >= 10");
  if (const double run = m.of("empty run/ag::run"); run > 0) fmt::print("empty run = {:.0f} ns (aim < 1000)\n", run);
  if (const double bytes = m.bytes_of("memory/recorded node"); bytes > 0)
    fmt::print("memory of a recorded node = {:.0f} bytes (aim <= 160)\n", bytes);
  return m.has_failed() ? 1 : 0;
}
