#include "output.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "aethergraph/codec.hpp"
#include "aethergraph/detail/joined.hpp"
#include "aethergraph/detail/utf8.hpp"

namespace aethergraph::command {

namespace json = boost::json;

namespace {

/// In characters, each of which is taken for one column.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

json::value text_or_null(std::string_view text) {
  return text.empty() ? json::value(nullptr) : json::value(detail::valid_utf8(text));
}
/// What was recorded as JSON.
json::value recorded(std::string_view text) {
  if (text.empty()) return nullptr;
  const std::string readable = detail::valid_utf8(text);
  try {
    return detail::parse_json(readable);
  } catch (const boost::system::system_error&) {
    return json::value(readable);
  }
}
json::value time_or_null(std::chrono::system_clock::time_point t) {
  if (t == std::chrono::system_clock::time_point()) return nullptr;
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(t).time_since_epoch() % std::chrono::seconds{1};
  return json::string(
      fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(t)), millis.count()));
}
json::value milliseconds(duration d) { return static_cast<double>(d.count()) / 1e6; }

json::value json_of(const lost_time& l) {
  return json::object{{"dependencies", milliseconds(l.dependencies)}, {"slot", milliseconds(l.slot)},
      {"permit", milliseconds(l.permit)}, {"pool", milliseconds(l.pool)}, {"rate", milliseconds(l.rate)},
      {"delay", milliseconds(l.delay)}, {"failed_attempts", milliseconds(l.failed_attempts)}};
}

}  // namespace

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      text.append(widths[i] - width_of(row[i]) + 2, ' ');
    }
    text.resize(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

std::string text_of(std::chrono::system_clock::time_point t) {
  if (t == std::chrono::system_clock::time_point()) return "-";
  return fmt::format("{:%F %T}", fmt::gmtime(std::chrono::system_clock::to_time_t(t)));
}

std::string one_line(std::string_view text, std::size_t most) {
  std::string line = detail::valid_utf8(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  if (width_of(line) <= most) return line;
  std::size_t end = 0;
  for (std::size_t shown = 0; shown < most; ++shown) do
      ++end;
    while ((line[end] & 0xC0) == 0x80);
  return line.substr(0, end) + "…";
}

std::string valid_answers(const question& q) {
  switch (q.kind) {
    case question_kind::text:
      return "a text";
    case question_kind::approval:
      return "yes or no";
    case question_kind::choice:
      return detail::joined(q.choices, ", ");
    case question_kind::event:
      break;
  }
  return "an event, JSON";
}

json::value json_of(const stored_run& r) {
  return json::object{{"id", detail::valid_utf8(r.id)}, {"program", detail::valid_utf8(r.program)},
      {"version", text_or_null(r.version)}, {"arguments", recorded(r.arguments)}, {"status", to_string(r.status)},
      {"outcome", recorded(r.outcome)}, {"owner", text_or_null(r.owner)}, {"epoch", r.epoch},
      {"created", time_or_null(r.created)}, {"changed", time_or_null(r.changed)},
      {"due", r.due ? time_or_null(*r.due) : nullptr}, {"forked_from", text_or_null(r.forked_from)},
      {"cancel_requested", r.cancel_requested}};
}

json::value json_of(const fact& f) {
  const bool is_call = f.kind == fact_kind::call;
  return json::object{{"number", f.number}, {"kind", to_string(f.kind)},
      {"state", is_call ? json::value(to_string(f.state)) : json::value(nullptr)},
      {"attempts", is_call ? json::value(f.attempts) : json::value(nullptr)}, {"path", detail::valid_utf8(f.path)},
      {"name", detail::valid_utf8(f.name)}, {"version", text_or_null(f.version)}, {"arguments", recorded(f.arguments)},
      {"value", recorded(f.value)}, {"made", time_or_null(f.made)}, {"started", time_or_null(f.started)},
      {"ended", time_or_null(f.ended)}};
}

json::value json_of(const question& q) {
  json::array choices;
  for (const std::string& c : q.choices) choices.emplace_back(detail::valid_utf8(c));
  return json::object{{"token", detail::valid_utf8(q.token)}, {"run", detail::valid_utf8(q.run_id)},
      {"path", detail::valid_utf8(q.path)}, {"kind", to_string(q.kind)}, {"prompt", detail::valid_utf8(q.prompt)},
      {"choices", std::move(choices)}, {"deadline", q.deadline ? time_or_null(*q.deadline) : nullptr},
      {"answer", q.answer ? recorded(*q.answer) : nullptr}};
}

json::value json_of(const explanation& e) {
  json::array path;
  for (const explanation::step& s : e.critical_path)
    path.push_back(json::object{{"node", text_or_null(s.node)}, {"what", to_string(s.what)},
        {"begin_ms", milliseconds(s.begin)}, {"end_ms", milliseconds(s.end)}});
  json::array nodes;
  for (const explanation::node_loss& n : e.nodes)
    nodes.push_back(json::object{{"node", detail::valid_utf8(n.node)}, {"lost_ms", json_of(n.lost)}});
  json::value forecast;
  if (const auto& f = e.one_more_slot)
    forecast = json::object{
        {"slots", f->slots}, {"now_ms", milliseconds(f->now)}, {"with_one_more_ms", milliseconds(f->with_one_more)}};
  return json::object{{"run", detail::valid_utf8(e.run)}, {"state", to_string(e.state)},
      {"total_ms", milliseconds(e.total)}, {"working_ms", milliseconds(e.working)}, {"critical_path", std::move(path)},
      {"lost_on_path_ms", json_of(e.lost_on_path)}, {"lost_ms", json_of(e.lost)}, {"nodes", std::move(nodes)},
      {"one_more_slot", std::move(forecast)}};
}

}  // namespace aethergraph::command
