#include "aethergraph/detail/recorded_structure.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <charconv>
#include <map>
#include <optional>

#include "aethergraph/detail/recorder.hpp"

namespace aethergraph::detail {

namespace {

using edge_view = task_graph::edge_view;
using edge_kind = task_graph::edge_kind;

/// "a -> b parameter 0" without " parameter 0", or what stands in its place; nothing: it is no edge.
std::optional<std::string_view> take_kind(std::string_view line, edge_view& e) {
  constexpr std::string_view parameter = " parameter ";
  for (const edge_kind k : {edge_kind::order, edge_kind::condition, edge_kind::happens_after}) {
    e.kind = k;
    if (const std::string kind = ' ' + std::string(to_string(k)); line.ends_with(kind))
      return line.substr(0, line.size() - kind.size());
  }
  e.kind = edge_kind::data;
  const std::size_t at = line.rfind(parameter);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view number = line.substr(at + parameter.size());
  if (std::from_chars(number.data(), number.data() + number.size(), e.parameter).ec != std::errc()) return std::nullopt;
  return line.substr(0, at);
}

}  // namespace

recorded_structure read_structure(std::string_view json) {
  if (json.starts_with(accepts_changes)) json.remove_prefix(1);
  recorded_structure s;
  if (json.empty()) return s;
  boost::system::error_code failure;
  const boost::json::value all = boost::json::parse(json, failure);
  if (failure || !all.is_array()) throw store_error("the recorded structure of a graph is damaged");

  std::map<std::string, std::size_t, std::less<>> positions;
  std::vector<std::string_view> edges;
  for (const boost::json::value& v : all.get_array()) {
    const boost::json::string* const text = v.if_string();
    const std::string_view line = text ? std::string_view(*text) : std::string_view();
    const std::size_t arrow = line.find(" -> ");
    const std::size_t is = line.find(" = ");
    if (is < arrow) {
      const std::string id(line.substr(0, is));
      positions.emplace(id, s.nodes.size());
      s.lines[id].insert(std::string(line));
      s.nodes.push_back({id, std::string(line.substr(is + 3))});
      if (const std::size_t version = s.nodes.back().tool.rfind(", version "); version != std::string::npos)
        s.nodes.back().tool.resize(version);
    } else if (arrow != std::string_view::npos) {
      edges.push_back(line);
    } else {
      throw store_error("the recorded structure of a graph is damaged");
    }
  }
  const auto position_of = [&](std::string_view name) {
    const auto found = positions.find(name);
    if (found != positions.end()) return found->second;
    s.joins.emplace_back(name);
    return positions.emplace(name, s.nodes.size() + s.joins.size() - 1).first->second;
  };
  for (const std::string_view line : edges) {
    edge_view e;
    const auto both = take_kind(line, e);
    if (!both) throw store_error("the recorded structure of a graph is damaged");
    const std::size_t arrow = both->find(" -> ");
    const std::string_view to = both->substr(arrow + 4);
    e.from = position_of(both->substr(0, arrow));
    e.to = position_of(to);
    s.edges.push_back(e);
    s.lines[std::string(to)].insert(std::string(line));
  }
  std::ranges::sort(s.edges, {}, &edge_view::from);
  return s;
}

std::string node_of_path(std::string_view path) {
  if (!path.starts_with(':')) return {};
  path = path.substr(1, path.find_first_of("/~:.", 1) - 1);
  std::string id;
  for (std::size_t i = 0; i < path.size(); ++i) {
    int code = path[i];
    if (path[i] == '%' && i + 2 < path.size())
      if (std::from_chars(path.data() + i + 1, path.data() + i + 3, code, 16).ec == std::errc()) i += 2;
    id += static_cast<char>(code);
  }
  return id;
}

void accept_changes(run_store& store, const stored_run& recorded, const run_claim& now) {
  const recorded_structure before = read_structure(recorded.structure);
  const recorded_structure after = read_structure(now.structure);
  // What has changed, and all that depends on it.
  std::vector<bool> is_void(after.nodes.size() + after.joins.size());
  std::vector<std::size_t> ahead;
  const auto note = [&](std::size_t i) {
    if (is_void[i]) return;
    is_void[i] = true;
    ahead.push_back(i);
  };
  for (std::size_t i = 0; i < is_void.size(); ++i) {
    const std::string& name = i < after.nodes.size() ? after.nodes[i].id : after.joins[i - after.nodes.size()];
    const auto was = before.lines.find(name);
    const auto is = after.lines.find(name);  // of an input there are none
    if (is != after.lines.end() && (was == before.lines.end() || was->second != is->second)) note(i);
  }
  while (!ahead.empty()) {
    const std::size_t i = ahead.back();
    ahead.pop_back();
    for (auto e = std::ranges::lower_bound(after.edges, i, {}, &edge_view::from);
        e != after.edges.end() && e->from == i; ++e)
      note(e->to);
  }
  std::set<std::string, std::less<>> kept;
  for (std::size_t i = 0; i < after.nodes.size(); ++i)
    if (!is_void[i]) kept.insert(after.nodes[i].id);
  if (before.nodes.empty() && after.nodes.empty()) kept.insert("");  // all of an agent
  std::vector<std::uint64_t> forgotten;
  for (const fact& f : store.facts(now.id))
    if (!kept.contains(node_of_path(f.path))) forgotten.push_back(f.number);
  // If this is interrupted, it is done again.
  store.forget(now.id, forgotten);
  store.restate(now);
}

}  // namespace aethergraph::detail
