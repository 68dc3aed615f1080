// 17_graph_files PATH...: a graph with a node for each file: hashes and counts it; totals, and files that are the same.
// The report goes to standard output; a directory stands for all files below it.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "file_facts.hpp"

namespace ag = aethergraph;
namespace fs = std::filesystem;

const ag::tool examine{"examine", [](const std::string& path) { return read_file_facts(path); }};

const ag::tool add{"add", [](const file_facts& a, const file_facts& b) {
  return file_facts{"total", a.lines + b.lines, a.words + b.words, a.bytes + b.bytes};
}};

// Files with the same contents, by the position of the first of them.
const ag::tool find_equal{"find_equal", [](const std::vector<file_facts>& all) {
  std::map<std::string, std::vector<std::size_t>> by_hash;
  for (std::size_t i = 0; i < all.size(); ++i) by_hash[all[i].sha256].push_back(i);
  std::vector<std::vector<std::size_t>> equal;
  for (auto& [hash, positions] : by_hash)
    if (positions.size() > 1) equal.push_back(std::move(positions));
  std::ranges::sort(equal);
  return equal;
}};

// snippet graph
/// Pairs, then pairs of pairs: a tree of sums.
ag::node<file_facts> sum(std::vector<ag::node<file_facts>> all) {
  while (all.size() > 1) {
    std::vector<ag::node<file_facts>> sums;
    for (std::size_t i = 0; i + 1 < all.size(); i += 2) sums.push_back(add(all[i], all[i + 1]));
    if (all.size() % 2 == 1) sums.push_back(all.back());
    all = std::move(sums);
  }
  return all.front();
}

const ag::graphify examine_files{"examine_files", [](std::vector<std::string> paths) {
  std::vector<ag::node<file_facts>> facts;
  for (const std::string& path : paths) facts.push_back(examine(path));
  return std::tuple(facts, sum(facts), find_equal(facts));
}};
// end snippet

int main(int argc, char** argv) {
  try {
    std::vector<std::string> paths;
    for (int i = 1; i < argc; ++i)
      if (fs::is_directory(argv[i])) {
        for (const fs::directory_entry& e : fs::recursive_directory_iterator(argv[i]))
          if (e.is_regular_file() && !e.is_symlink()) paths.push_back(e.path().string());
      } else {
        paths.emplace_back(argv[i]);
      }
    if (paths.empty()) throw std::invalid_argument("usage: 17_graph_files PATH...");
    std::ranges::sort(paths);

    ag::progress progress;
    const auto [facts, total, equal] = ag::run(examine_files(paths), {.observer = &progress});
    constexpr auto row = "{:64}  {:>8} {:>8} {:>10}  {}\n";
    for (std::size_t i = 0; i < paths.size(); ++i)
      fmt::print(row, facts[i].sha256, facts[i].lines, facts[i].words, facts[i].bytes, paths[i]);
    fmt::print(row, "total", total.lines, total.words, total.bytes, fmt::format("{} files", paths.size()));
    for (const std::vector<std::size_t>& same : equal) {
      fmt::print("equal:");
      for (const std::size_t i : same) fmt::print(" {}", paths[i]);
      fmt::print("\n");
    }
  } catch (const std::exception& e) {
    fmt::print(stderr, "17_graph_files: {}\n", e.what());
    return 1;
  }
}
