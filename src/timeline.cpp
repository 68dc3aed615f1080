#include "aethergraph/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <functional>
#include <queue>
#include <string_view>
#include <vector>

#include "aethergraph/detail/timed_order.hpp"
#include "aethergraph/detail/utf8.hpp"

namespace aethergraph {

namespace {

using detail::nowhere;

duration end_of(const timed_node& n) { return n.phases.back().end; }

// --- for trace viewers

std::string quoted(std::string_view s) { return boost::json::serialize(boost::json::string(detail::valid_utf8(s))); }

/// In microseconds, the unit of the format.
std::string micros(duration d) { return fmt::format("{}.{:03}", d.count() / 1000, d.count() % 1000); }

/// For each node that started: a lane in which no other is meanwhile, from 1 on; else 0.
std::vector<std::size_t> lanes_of(const timed_run& r, std::size_t& count) {
  std::vector<std::size_t> starting;
  for (std::size_t i = 0; i < r.nodes.size(); ++i)
    if (r.nodes[i].started()) starting.push_back(i);
  // Of those that start at the same time, who made the other one comes first.
  std::ranges::sort(starting, {}, [&](std::size_t i) { return std::pair(*r.nodes[i].started(), i); });
  using free_at = std::pair<duration, std::size_t>;
  std::priority_queue<free_at, std::vector<free_at>, std::greater<>> busy;
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> free;
  std::vector<std::size_t> lanes(r.nodes.size());
  count = 0;
  for (const std::size_t i : starting) {
    for (; !busy.empty() && busy.top().first <= *r.nodes[i].started(); busy.pop()) free.push(busy.top().second);
    if (free.empty()) {
      lanes[i] = ++count;
    } else {
      lanes[i] = free.top();
      free.pop();
    }
    busy.emplace(end_of(r.nodes[i]), lanes[i]);
  }
  return lanes;
}

std::string arguments_of(const timed_node& n) {
  std::string text = fmt::format("{{\"id\":{},\"path\":{},\"tool\":{},\"state\":\"{}\",\"attempts\":{}", quoted(n.id),
      quoted(n.path), quoted(n.tool), to_string(n.state), n.attempts);
  if (!n.parent.empty()) text += fmt::format(",\"parent\":{}", quoted(n.parent));
  if (n.slots) text += fmt::format(",\"slots\":{}", *n.slots);
  if (!n.failure.empty()) text += fmt::format(",\"failure\":{}", quoted(n.failure));
  std::array<duration, static_cast<std::size_t>(node_phase::body) + 1> waited{};
  for (const timed_phase& p : n.phases) waited[static_cast<std::size_t>(p.what)] += p.end - p.begin;
  for (std::size_t p = 0; p < static_cast<std::size_t>(node_phase::failed_attempt); ++p)
    if (waited[p] > duration::zero())
      text += fmt::format(",\"{}_us\":{}", to_string(static_cast<node_phase>(p)), micros(waited[p]));
  return text + '}';
}

}  // namespace

std::string timeline::to_trace_events() const {
  std::string text = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";
  std::size_t lane_count = 0;
  const std::vector<std::size_t> lanes = lanes_of(run_, lane_count);
  const auto name_of = [&](std::string_view what, std::size_t lane, std::string_view name) {
    return fmt::format(
        "{{\"ph\":\"M\",\"pid\":1,\"tid\":{},\"name\":\"{}\",\"args\":{{\"name\":{}}}}}", lane, what, quoted(name));
  };
  const auto slice = [&](std::string_view name, std::string_view category, std::size_t lane, duration begin,
                         duration end, std::string_view arguments) {
    text += fmt::format(
        ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":{},\"ts\":{},\"dur\":{},\"name\":{},\"cat\":\"{}\",\"args\":{}}}", lane,
        micros(begin), micros(end - begin), quoted(name), category, arguments);
  };
  text += name_of("process_name", 0, run_.id);
  text += ",\n" + name_of("thread_name", 0, "the run; nodes that never started");
  for (std::size_t lane = 1; lane <= lane_count; ++lane)
    text += ",\n" + name_of("thread_name", lane, fmt::format("lane {}", lane));
  slice(run_.id, "run", 0, duration::zero(), run_.total, fmt::format("{{\"state\":\"{}\"}}", to_string(run_.state)));
  for (std::size_t i = 0; i < run_.nodes.size(); ++i) {
    const timed_node& n = run_.nodes[i];
    if (n.phases.empty()) continue;
    if (lanes[i] == 0) {
      text += fmt::format(
          ",\n{{\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":0,\"ts\":{},\"name\":{},\"cat\":\"{}\",\"args\":{}}}",
          micros(end_of(n)), quoted(n.id), to_string(n.kind), arguments_of(n));
      continue;
    }
    const duration started = *n.started();
    slice(n.id, to_string(n.kind), lanes[i], started, end_of(n), arguments_of(n));
    if (n.phases.back().what == node_phase::body && n.phases.back().begin == started) continue;  // nothing but that
    int attempt = 0;
    for (const timed_phase& p : n.phases) {
      if (p.begin < started) continue;
      const bool is_attempt = p.what >= node_phase::failed_attempt;
      slice(is_attempt ? fmt::format("attempt {}", ++attempt) : std::string(to_string(p.what)),
          is_attempt ? "attempt" : "wait", lanes[i], p.begin, p.end, "{}");
    }
  }
  return text + "\n]}\n";
}

// --- as text

namespace {

/// At most so many characters, which all take one column each in plain text.
std::string cut(std::string_view s, std::size_t most) {
  std::string text;
  std::size_t length = 0;
  const std::string valid = detail::valid_utf8(s);
  for (std::size_t i = 0; i < valid.size();) {
    const auto u = static_cast<unsigned char>(valid[i]);
    const std::size_t bytes = u < 0x80 ? 1 : u < 0xE0 ? 2 : u < 0xF0 ? 3 : 4;
    if (length == most) {
      // Its last one makes room for the sign that there is more.
      while ((static_cast<unsigned char>(text.back()) & 0xC0U) == 0x80U) text.pop_back();
      text.back() = '~';
      return text;
    }
    if (u < 0x20 || u == 0x7F) text += '?';
    else text.append(valid, i, bytes);
    i += bytes;
    ++length;
  }
  text.append(most - length, ' ');
  return text;
}

char mark_of(const timed_node& n, node_phase p) {
  switch (p) {
    case node_phase::dependencies:
      return ' ';
    case node_phase::slot:
      return '.';
    case node_phase::permit:
      return 'm';
    case node_phase::pool:
      return 'p';
    case node_phase::rate:
      return 'r';
    case node_phase::delay:
      return '-';
    case node_phase::failed_attempt:
      return '!';
    case node_phase::body:
      break;
  }
  return n.state == node_state::failed      ? '!'
         : n.state == node_state::cancelled ? 'x'
         : n.state == node_state::done      ? '#'
                                            : '>';
}

constexpr std::string_view legend =
    "# body  > running  ! failed  x cancelled\n"
    ". slot  p pool  r rate  m permit  - delay\n";

std::string bar_of(const timed_node& n, duration total, std::size_t width) {
  std::string bar(width, ' ');
  if (total <= duration::zero()) return bar;
  const auto column = [&](duration t) {
    const double c = static_cast<double>(t.count()) * static_cast<double>(width) / static_cast<double>(total.count());
    return std::min(static_cast<std::size_t>(c), width);
  };
  for (const timed_phase& p : n.phases) {
    const std::size_t first = std::min(column(p.begin), width - 1);
    // What takes less than a column is seen all the same.
    const std::size_t last = std::max(column(p.end), first + 1);
    std::fill(bar.begin() + static_cast<std::ptrdiff_t>(first), bar.begin() + static_cast<std::ptrdiff_t>(last),
        mark_of(n, p.what));
  }
  return bar;
}

}  // namespace

std::string timeline::to_gantt(std::size_t width) const {
  width = std::max<std::size_t>(width, 41);  // of the legend
  const std::size_t count = run_.nodes.size();
  const std::vector<std::size_t> parents = detail::parents_of(run_);
  std::vector<std::vector<std::size_t>> children(count + 1);  // the last: of the run itself
  std::vector<std::size_t> depth(count, 0);
  std::size_t longest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_inner = parents[i] != nowhere;
    children[is_inner ? parents[i] : count].push_back(i);
    if (is_inner) depth[i] = std::min<std::size_t>(depth[parents[i]] + 1, 8);
    longest = std::max(longest, run_.nodes[i].id.size() + 2 * depth[i]);
  }
  constexpr std::size_t state_width = 9;  // of the longest, "cancelled"
  const std::size_t names = std::min(std::max<std::size_t>(longest, 4), (width - state_width) / 3);
  const std::size_t bar = width - names - state_width - 4;  // two spaces, two bars

  std::string text =
      cut(fmt::format("{}: {}, {}", run_.id, to_string(run_.state), detail::short_text(run_.total)), width);
  text.erase(text.find_last_not_of(' ') + 1);
  text += '\n';
  std::vector<std::size_t> ahead(children[count].rbegin(), children[count].rend());
  while (!ahead.empty()) {
    const std::size_t i = ahead.back();
    ahead.pop_back();
    const timed_node& n = run_.nodes[i];
    text += fmt::format("{} {:{}} |{}|\n", cut(std::string(2 * depth[i], ' ') + n.id, names), to_string(n.state),
        state_width, bar_of(n, run_.total, bar));
    ahead.insert(ahead.end(), children[i].rbegin(), children[i].rend());
  }
  if (run_.folded > 0) text += fmt::format("and {} older nodes\n", run_.folded);
  return text.append(legend);
}

}  // namespace aethergraph
