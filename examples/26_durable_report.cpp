// 26_durable_report STORE RUN [--pause MILLISECONDS] PATH...: the report of 10_file_report, by a run that survives its
// process. Kill it, and start it again with the same store and run: it reads only the files that it had not read. Each
// file that is read is told on standard error; the report goes to standard output.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/sqlite.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "file_facts.hpp"

namespace ag = aethergraph;
namespace fs = std::filesystem;

std::chrono::milliseconds wait_before_each{0};  // so that there is time to kill it

// snippet durable
// What a tool gives is recorded, so its type has to be one that becomes JSON and comes back.
BOOST_DESCRIBE_STRUCT(file_facts, (), (sha256, lines, words, bytes))

const ag::tool examine{"examine", [](ag::context& ctx, std::string path) -> ag::task<file_facts> {
  co_await ag::sleep_for(wait_before_each);
  file_facts facts = read_file_facts(path);
  co_await ctx.channel().send_text(fmt::format("read {}", path));
  co_return facts;
}};

// The list of files is a part of what the run is: it is listed by a tool, and so recorded as it was at the beginning.
const ag::tool list{"list", [](std::vector<std::string> roots) {
  std::vector<std::string> files;
  for (const std::string& root : roots)
    for (const fs::directory_entry& e : fs::recursive_directory_iterator(root))
      if (e.is_regular_file()) files.push_back(e.path().string());
  std::ranges::sort(files);
  return files;
}};

const ag::graph_fn report{"report", [](std::vector<std::string> roots) -> ag::task<std::string> {
  const std::vector<std::string> files = co_await list(roots);
  const std::vector<file_facts> all = co_await ag::gather(files | std::views::transform(examine));
  std::string text;
  for (std::size_t i = 0; i < files.size(); ++i)
    text +=
        fmt::format("{}  {:>8} {:>8} {:>10}  {}\n", all[i].sha256, all[i].lines, all[i].words, all[i].bytes, files[i]);
  co_return text;
}};

int execute(const std::string& file, const std::string& id, const std::vector<std::string>& roots) {
  ag::callback_channel messages([](const std::string& text) { fmt::print(stderr, "{}\n", text); });
  ag::sqlite_store store(file);
  fmt::print("{}", ag::run(report(roots), {.max_concurrency = 2, .channel = &messages, .store = &store, .run_id = id}));
  return 0;
}
// end snippet

int main(int argc, char** argv) {
  try {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() > 4 && arguments[2] == "--pause") {
      wait_before_each = std::chrono::milliseconds(std::stoi(arguments[3]));
      arguments.erase(arguments.begin() + 2, arguments.begin() + 4);
    }
    if (arguments.size() < 3) throw std::invalid_argument("usage: STORE RUN [--pause MILLISECONDS] PATH...");
    return execute(arguments[0], arguments[1], {arguments.begin() + 2, arguments.end()});
  } catch (const std::exception& e) {
    fmt::print(stderr, "26_durable_report: {}\n", e.what());
    return 2;
  }
}
