// task_graph as JSON. The form is that of docs/reference/task_graph.schema.json.

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string_view>

#include "aethergraph/detail/message_of.hpp"
#include "aethergraph/detail/utf8.hpp"
#include "aethergraph/task_graph.hpp"

namespace aethergraph {

namespace {

namespace json = boost::json;

json::string text(std::string_view s) { return json::string(detail::valid_utf8(s)); }

json::array names(const std::vector<std::string>& all) {
  json::array a;
  a.reserve(all.size());
  for (const std::string& n : all) a.emplace_back(text(n));
  return a;
}

json::object node_object(const task_graph::node_view& n) {
  json::object o;
  o.reserve(16);
  o.emplace("id", text(n.id));
  o.emplace("tool", text(n.tool));
  o.emplace("label", text(n.label));
  o.emplace("alias", text(n.alias));
  o.emplace("cluster", text(n.cluster));
  o.emplace("inputs", names(n.inputs));
  o.emplace("outputs", names(n.outputs));
  o.emplace("path", text(n.path));
  o.emplace("parent", text(n.parent));
  o.emplace("kind", to_string(n.kind));
  o.emplace("state", to_string(n.state));
  o.emplace("attempts", n.attempts);
  if (n.start) o.emplace("start_ns", n.start->count());
  if (n.end) o.emplace("end_ns", n.end->count());
  if (!n.failed_attempts.empty()) {
    json::array texts;
    texts.reserve(n.failed_attempts.size());
    for (const std::exception_ptr& e : n.failed_attempts) texts.emplace_back(text(detail::message_of(e)));
    o.emplace("failed_attempts", std::move(texts));
  }
  if (n.failure) o.emplace("failure", text(detail::message_of(n.failure)));
  return o;
}

json::object join_object(const task_graph::join_view& j) {
  json::object o;
  o.reserve(5);
  o.emplace("kind", to_string(j.kind));
  o.emplace("path", text(j.path));
  o.emplace("parent", text(j.parent));
  o.emplace("cluster", text(j.cluster));
  o.emplace("type", text(j.type));
  return o;
}

}  // namespace

std::string task_graph::to_json() const {
  static_assert(std::is_same_v<duration::period, std::nano>);
  const std::vector<node_view>& all_nodes = nodes();
  const std::vector<join_view>& all_joins = joins();
  // An end of an edge: what it is, and its id or path. Both together are unique.
  const auto end = [&](std::size_t position) {
    json::object o;
    if (position < all_nodes.size()) {
      o.emplace("node", text(all_nodes[position].id));
    } else {
      const join_view& j = all_joins[position - all_nodes.size()];
      o.emplace(to_string(j.kind), text(j.path));
    }
    return o;
  };
  const auto list = [](const auto& all, auto to_object) {
    json::array a;
    a.reserve(all.size());
    for (const auto& one : all) a.emplace_back(to_object(one));
    return a;
  };

  json::object graph;
  graph.emplace("id", text(id()));
  graph.emplace("state", to_string(state()));
  graph.emplace("signature", text(signature()));
  graph.emplace("nodes", list(all_nodes, node_object));
  graph.emplace("joins", list(all_joins, join_object));
  graph.emplace("edges", list(edges(), [&](const edge_view& e) {
    json::object o;
    o.reserve(4);
    o.emplace("from", end(e.from));
    o.emplace("to", end(e.to));
    o.emplace("kind", to_string(e.kind));
    if (e.kind == edge_kind::data && e.to < all_nodes.size()) o.emplace("parameter", e.parameter);
    return o;
  }));
  const folded_nodes f = folded();
  graph.emplace("folded",
      json::object{{"done", f.done}, {"failed", f.failed}, {"cancelled", f.cancelled}, {"skipped", f.skipped}});
  return json::serialize(graph);
}

}  // namespace aethergraph
