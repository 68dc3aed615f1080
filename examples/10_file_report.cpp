// 10_file_report [--cap N] PATH...: hashes and counts files, many at a time; a directory stands for all files below it.
// Progress goes to standard error, the report to standard output. Status 1: some files could not be read.
#include <fmt/format.h>
#include <unistd.h>

#include <aethergraph/aethergraph.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/system_executor.hpp>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "file_facts.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
namespace fs = std::filesystem;

// Reading a file blocks, so it happens on a thread of Asio's pool; the run goes on with others in the meantime.
asio::awaitable<file_facts> read_elsewhere(std::string path) { co_return read_file_facts(path); }

const ag::tool examine{"examine", [](ag::context& ctx, std::string path) -> ag::task<file_facts> {
  auto facts = co_await asio::co_spawn(asio::system_executor(), read_elsewhere(path), ag::use_task);
  co_await ctx.channel().send_text(fmt::format("{}: {} bytes", path, facts.bytes));
  co_return facts;
}};

// One outcome for each path: a file that cannot be read must not cost the report of the others.
const ag::graph_fn examine_all{
    "examine_all", [](std::vector<std::string> paths) -> ag::task<std::vector<ag::result<file_facts>>> {
  co_return co_await ag::gather_results(paths | std::views::transform(examine));
}};

// Follows no symbolic links, as `find`. What cannot be opened is listed too: whoever reads it says why.
void list_files(const fs::directory_entry& entry, std::vector<std::string>& files) {
  std::error_code unreadable;
  fs::directory_iterator below(entry.path(), unreadable);
  if (unreadable) return files.push_back(entry.path().string());
  for (const fs::directory_entry& e : below) {
    const fs::path name = e.path().filename();
    const bool is_directory = e.is_directory() && !e.is_symlink();
    if (is_directory && name != ".git" && name != "build") list_files(e, files);
    if (e.is_regular_file() && !e.is_symlink()) files.push_back(e.path().string());
  }
}

int report(const std::vector<std::string>& paths, int cap) {
  // Messages and progress share standard error; on a terminal a message first wipes out the line of the progress.
  const bool on_terminal = ::isatty(STDERR_FILENO) != 0;
  const auto wipe = on_terminal ? "\r\x1b[K" : "";
  ag::callback_channel messages([wipe](const std::string& text) { fmt::print(stderr, "{}{}\n", wipe, text); });
  ag::progress progress(stderr, on_terminal);
  const auto run =
      ag::try_run(examine_all(paths), {.max_concurrency = cap, .channel = &messages, .observer = &progress});
  const std::vector<ag::result<file_facts>>& outcomes = run.value();

  constexpr auto row = "{:64}  {:>8} {:>8} {:>10}  {}\n";
  file_facts total{.sha256 = "total"};
  std::size_t unreadable = 0;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    try {
      const file_facts& facts = outcomes[i].value();
      fmt::print(row, facts.sha256, facts.lines, facts.words, facts.bytes, paths[i]);
      total.lines += facts.lines;
      total.words += facts.words;
      total.bytes += facts.bytes;
    } catch (const std::exception& e) {
      fmt::print(stderr, "{}\n", e.what());
      ++unreadable;
    }
  }
  const std::string files = fmt::format("{} files", paths.size() - unreadable);
  fmt::print(row, total.sha256, total.lines, total.words, total.bytes, files);
  fmt::print("peak concurrency {} of {}\n", run.peak_concurrency(), cap);
  return unreadable > 0 ? 1 : 0;
}

int main(int argc, char** argv) {
  try {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    int cap = 4;
    if (arguments.size() > 1 && arguments[0] == "--cap") {
      std::size_t digits = 0;
      if (std::isdigit(static_cast<unsigned char>(arguments[1][0]))) cap = std::stoi(arguments[1], &digits);
      if (digits != arguments[1].size())
        throw std::invalid_argument("--cap needs a number, not '" + arguments[1] + "'");
      arguments.erase(arguments.begin(), arguments.begin() + 2);
    }
    if (arguments.empty()) throw std::invalid_argument("usage: 10_file_report [--cap N] PATH...");
    std::vector<std::string> paths;
    for (const std::string& path : arguments) list_files(fs::directory_entry(path), paths);
    std::ranges::sort(paths);
    return report(paths, cap);
  } catch (const std::exception& e) {
    fmt::print(stderr, "10_file_report: {}\n", e.what());
    return 2;
  }
}
