// 18_graph_csv FILE [PICTURE.dot]: a table of packages (package,section,kib) through load, clean, aggregate and report,
// as one graph. Rows that make no sense are left out and reported. The picture is the graph as it ran, for Graphviz.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ag = aethergraph;

struct package {
  std::string name;
  std::string section;
  std::uint64_t kib = 0;
};
struct cleaned {
  std::vector<package> rows;
  std::vector<std::string> rejected;  // lines, as they stand in the file
};
struct section_sum {
  std::size_t packages = 0;
  std::uint64_t kib = 0;
};
using sections = std::map<std::string, section_sum>;

// --- the steps

const ag::tool load{"load", [](const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot open '" + path + "'");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  if (lines.empty() || lines.front() != "package,section,kib")
    throw std::runtime_error("'" + path + "' does not begin with the line 'package,section,kib'");
  lines.erase(lines.begin());
  return lines;
}};

std::optional<package> parse(const std::string& line) {
  const std::size_t first = line.find(','), second = line.find(',', first + 1);
  if (first == std::string::npos || second == std::string::npos || line.find(',', second + 1) != std::string::npos)
    return std::nullopt;
  package p{line.substr(0, first), line.substr(first + 1, second - first - 1), 0};
  const char* const end = line.data() + line.size();
  const auto [at, error] = std::from_chars(line.data() + second + 1, end, p.kib);
  if (error != std::errc() || at != end || p.name.empty() || p.section.empty()) return std::nullopt;
  return p;
}
const ag::tool clean{"clean", [](const std::vector<std::string>& lines) {
  cleaned c;
  for (const std::string& line : lines)
    if (auto p = parse(line)) c.rows.push_back(std::move(*p));
    else c.rejected.push_back(line);
  return c;
}};

const ag::tool by_section{"by_section", [](const std::vector<package>& rows) {
  sections all;
  for (const package& p : rows) {
    section_sum& s = all[p.section];
    ++s.packages;
    s.kib += p.kib;
  }
  return all;
}};
const ag::tool total{"total", [](const sections& all) {
  section_sum sum;
  for (const auto& [name, s] : all) {
    sum.packages += s.packages;
    sum.kib += s.kib;
  }
  return sum;
}};
const ag::tool largest{"largest", [](const std::vector<package>& rows) {
  const auto p = std::ranges::max_element(rows, {}, &package::kib);
  return p == rows.end() ? std::string("none") : p->name;
}};

const ag::tool has_any{"has_any", [](const std::vector<std::string>& lines) { return !lines.empty(); }};
const ag::tool list_rejected{"list_rejected", [](const std::vector<std::string>& lines) {
  std::string text = fmt::format("{} rows rejected:\n", lines.size());
  for (const std::string& line : lines) text += "  " + line + "\n";
  return text;
}};

const ag::tool report{
    "report", [](const sections& all, const section_sum& sum, const std::string& top, const std::string& rejected) {
  std::string text;
  for (const auto& [name, s] : all) text += fmt::format("{} {} {}\n", name, s.packages, s.kib);
  return text + fmt::format("total {} {}\nlargest {}\n{}", sum.packages, sum.kib, top, rejected);
}};

// --- the graph

// snippet graph
struct summary {
  sections by_section;
  section_sum total;
  std::string largest;
};
const ag::graphify summarise{"summarise", [](ag::node<std::vector<package>> rows) {
  auto all = by_section(rows);
  auto sum = total(all);
  return ag::make<summary>(all, sum, largest(rows));
}, ag::inputs{"rows"}};

const ag::graphify describe_packages{"describe_packages", [](ag::node<std::string> path) {
  auto table = clean(load(path));
  auto sums = summarise(table[&cleaned::rows]);  // a sub-graph
  auto rejected = table[&cleaned::rejected];
  auto is_any = has_any(rejected);
  auto remarks = ag::value_or(ag::when(is_any, list_rejected(rejected)), std::string());
  return report(sums[&summary::by_section], sums[&summary::total], sums[&summary::largest], remarks);
}, ag::inputs{"path"}, ag::outputs{"report"}};
// end snippet

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw std::invalid_argument("usage: 18_graph_csv FILE [PICTURE.dot]");
    const auto graph = describe_packages.build();
    const auto outcome = ag::try_run(graph(argv[1]), {.record = ag::record::times});
    if (argc > 2) std::ofstream(argv[2]) << outcome.graph().to_dot();
    fmt::print("{}", outcome.value());
  } catch (const std::exception& e) {
    fmt::print(stderr, "18_graph_csv: {}\n", e.what());
    return 1;
  }
}
