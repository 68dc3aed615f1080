// Other programs as tools: their output, their failure, and their end when time is up.
#include <fmt/format.h>
#include <aethergraph/aethergraph.hpp>
#include <aethergraph/process.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace ag = aethergraph;
using namespace std::chrono_literals;

// snippet tool
// No shell reads the words of a command: a file may be called what it likes.
const ag::tool count_lines{"count_lines", [](std::string text) -> ag::task<int> {
  const auto r = co_await ag::run_process({"wc", "-l"}, {.input = text, .out_limit = 100});
  if (!r.ok()) throw std::runtime_error("wc: " + r.err);
  co_return std::stoi(r.out);
}};
// end snippet

const ag::graph_fn count_all{"count_all", [](std::vector<std::string> texts) -> ag::task<std::vector<int>> {
  co_return co_await ag::gather(texts | std::views::transform(count_lines));
}, {.max_concurrency = 2}};

// snippet stop
// Whatever ends the wait ends the program, with all that it has started: here a shell and two children of its own,
// which get a second to tidy up.
ag::task<> too_slow() {
  co_await ag::timeout(ag::run_process({"sh", "-c", "sleep 1000 & sleep 2000 & wait"}, {.grace = 1s}), 100ms);
}
// end snippet

int main() {
  for (const int n : ag::run(count_all({"a\nb\n", "", "c\n"}))) fmt::print("{} lines\n", n);

  const auto failed = ag::run(ag::run_process({"sh", "-c", "echo no such luck >&2; exit 3"}));
  fmt::print("exit code {}: {}", failed.exit_code, failed.err);

  try {
    ag::run(ag::run_process({"no-such-program"}));
  } catch (const ag::process_error& e) {
    fmt::print("{}\n", e.what());
  }

  try {
    ag::run(too_slow());
  } catch (const ag::timed_out& e) {
    fmt::print("{}\n", e.what());
  }
}
