// Writes graphs of every kind into a directory, as NAME.dot, NAME.mmd and NAME.json, for check_export.sh to look at.

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "aethergraph/aethergraph.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool load{
    "load", [](std::string path) { return std::vector<int>(path.size(), 1); }, ag::inputs{"path"}, ag::outputs{"rows"}};
const ag::tool trim{"trim", [](std::vector<int> rows) { return rows; }};
const ag::tool is_large{"is_large", [](const std::vector<int>& rows) { return rows.size() > 3; }};
const ag::tool work{"work", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(1ms);
  co_return 2 * x;
}};
const ag::tool total{"total", [](std::vector<int> xs) { return std::accumulate(xs.begin(), xs.end(), 0); }};
const ag::tool summary{"summary", [](int sum) { return fmt::format("{}", sum); }, {.label = "text"}};
const ag::tool notify{"notify", [](std::string) {}};
const ag::tool fails{
    "fails", [](int x) -> int { throw std::runtime_error(fmt::format("\"{}\" is <no> & never\n\\", x)); }};
const ag::tool outer{"outer", [](int x) -> ag::task<int> { co_return co_await work(x) + co_await work(x); }};

const ag::graph_fn nested{"nested", [](int x) -> ag::task<int> {
  auto all = co_await ag::gather(outer(x), work(x));
  co_return std::get<0>(all) + std::get<1>(all);
}};
const ag::graphify tidy{"tidy", [](ag::node<std::vector<int>> rows) { return trim(trim(rows)); }};
const ag::graphify clean{"clean", [](ag::node<std::vector<int>> rows) { return trim(tidy(rows)); }};

const ag::graphify pipeline{"pipeline", [](ag::node<std::string> path) {
  auto rows = clean(load(path).id("source").alias("in"));
  auto sum = total(ag::map(work, rows));
  auto large = ag::when(is_large(rows), summary(sum));
  auto text = ag::value_or(large, std::string("small"));
  auto said = notify(text);
  auto again = nested(sum).after(said).label("last");
  return std::tuple(text, again);
}, ag::inputs{"path"}, ag::outputs{"report", "again"}};

const ag::graphify breaks{"breaks", [](ag::node<int> x) {
  auto bad = fails(work(x));
  return std::tuple(summary(bad), total(std::vector{work(x), work(x)}), ag::make<std::pair<int, int>>(x, bad));
}};

const ag::graph_fn agent{"agent", [](int n) -> ag::task<int> {
  std::vector<int> items(static_cast<std::size_t>(n), 1);
  const std::vector<int> doubled = co_await ag::gather(items | std::views::transform(work));
  const int more = co_await nested(n);
  const auto graph = pipeline.build();
  co_await graph("input.csv");
  co_await ag::as_result(fails(1));
  co_return std::accumulate(doubled.begin(), doubled.end(), more);
}};

// Names that mean something to somebody.
constexpr std::string_view nasty = "a\"b\\c\\\nd]]<b>&amp;#35;%%{x}|`é日本\x01\xFF;end";
const ag::tool odd{nasty, [](int x) { return x; }, {.label = "\\N \\\\"}, ag::inputs{std::string(nasty)}};
const ag::graphify odd_graph{nasty, [](ag::node<int> x) {
  const ag::graphify inner{nasty, [](ag::node<int> y) { return odd(y).id(nasty).alias(nasty); }};
  return odd(inner(x));
}, ag::inputs{std::string(nasty)}, ag::outputs{"\\"}};

void write(const std::filesystem::path& directory, std::string_view name, const ag::task_graph& g) {
  const auto put = [&](std::string_view ending, const std::string& text) {
    const std::filesystem::path file = directory / fmt::format("{}.{}", name, ending);
    std::ofstream out(file, std::ios::binary);
    out << text;
    if (!out.flush()) throw std::runtime_error(fmt::format("cannot write {}", file.string()));
  };
  put("dot", g.to_dot());
  put("mmd", g.to_mermaid());
  put("json", g.to_json());
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: export_graphs DIRECTORY");
  const std::filesystem::path directory = argv[1];
  std::filesystem::create_directories(directory);

  write(directory, "empty", ag::task_graph());
  const auto graph = pipeline.build();
  write(directory, "static", graph.spec());
  write(directory, "static_done", ag::try_run(graph("input.csv"), {.record = ag::record::times}).graph());
  const auto broken = breaks.build();
  write(directory, "static_failed", ag::try_run(broken(1)).graph());
  write(directory, "static_failed_partly", ag::try_run(broken(1), {.on_error = ag::on_error::skip_dependents}).graph());
  write(directory, "reactive", ag::try_run(agent(5), {.record = ag::record::times}).graph());
  const auto odd_names = odd_graph.build();
  write(directory, "odd_names", odd_names.spec());
  write(directory, "odd_names_done", ag::try_run(odd_names(1)).graph());
  return 0;
} catch (const std::exception& e) {
  fmt::print(stderr, "export_graphs: {}\n", e.what());
  return 1;
}
