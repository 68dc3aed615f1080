#include "aethergraph/timeline.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <map>
#include <ranges>
#include <string>
#include <tuple>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"
#include "support/timed_programs.hpp"

namespace ag = aethergraph;
namespace json = boost::json;
using namespace std::chrono_literals;
using namespace test;

namespace {

json::array events(const ag::timed_run& r) {
  const json::value all = json::parse(ag::timeline(r).to_trace_events());
  return all.at("traceEvents").as_array();
}

std::string text_of(const json::value& v) { return std::string(v.as_string()); }

/// Complete events by name, as "cat lane begin-end", in microseconds.
std::multimap<std::string, std::string> slices(const ag::timed_run& r) {
  std::multimap<std::string, std::string> all;
  for (const json::value& e : events(r))
    if (e.at("ph") == "X")
      all.emplace(text_of(e.at("name")),
          fmt::format("{} {} {}-{}", text_of(e.at("cat")), e.at("tid").to_number<int>(), e.at("ts").to_number<double>(),
              e.at("ts").to_number<double>() + e.at("dur").to_number<double>()));
  return all;
}

std::string one(const std::multimap<std::string, std::string>& all, const std::string& name) {
  return all.count(name) == 1 ? all.find(name)->second : fmt::format("{} of them", all.count(name));
}

const json::value& event_of(const json::array& all, std::string_view name) {
  return *std::ranges::find_if(all, [&](const json::value& e) { return text_of(e.at("name")) == name; });
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

}  // namespace

TEST_CASE("trace events tell the run and each node in microseconds, with what it waited for") {
  const ag::timed_run r = timed(fan(3, 10), {.max_concurrency = 2});
  const auto all = slices(r);
  CHECK(all.size() == 4);
  CHECK(one(all, "fan#1") == "run 0 0-20000");
  CHECK(one(all, "naps#1") == "call 1 0-10000");
  CHECK(one(all, "naps#2") == "call 2 0-10000");
  CHECK(one(all, "naps#3") == "call 1 10000-20000");
  const json::array raw = events(r);
  const json::value& third = event_of(raw, "naps#3");
  CHECK(third.at("args").at("slot_us").to_number<double>() == 10000);
  CHECK(third.at("args").at("path") == "0.2");
  CHECK(third.at("args").at("state") == "done");
  CHECK(third.at("pid") == 1);
}

TEST_CASE("in no lane do nodes overlap, and nested runs stand beside what they call") {
  ag::resource_pool pool("pool", 2);
  const ag::tool pooled{"pooled", nap, {.pool = &pool}};
  auto mixed = [&]() -> ag::task<> {
    auto naps_of_all = std::views::iota(1, 12) | std::views::transform(pooled);
    co_await ag::gather(family(), ag::gather(naps_of_all), outer(), flaky(3));
  };
  std::vector<std::tuple<int, double, double>> nodes;
  std::size_t runs = 0;
  for (const json::value& e : events(timed(mixed(), {.max_concurrency = 3}))) {
    if (e.at("ph") != "X" || e.at("tid") == 0 || e.at("cat") == "attempt" || e.at("cat") == "wait") continue;
    const double begin = e.at("ts").to_number<double>();
    nodes.emplace_back(e.at("tid").to_number<int>(), begin, begin + e.at("dur").to_number<double>());
    if (e.at("cat") == "run") ++runs;
  }
  std::ranges::sort(nodes);
  CHECK(runs == 2);
  bool is_apart = true;
  for (std::size_t i = 0; i + 1 < nodes.size(); ++i) {
    const auto& [lane, begin, end] = nodes[i];
    const auto& [next_lane, next_begin, next_end] = nodes[i + 1];
    is_apart = is_apart && (lane != next_lane || end <= next_begin);
  }
  CHECK(is_apart);
}

TEST_CASE("attempts and the delays between them are slices below their node") {
  const auto all = slices(timed([]() -> ag::task<> { co_await flaky(2); }()));
  CHECK(one(all, "flaky#1") == "call 1 0-21000");
  CHECK(one(all, "attempt 1") == "attempt 1 0-2000");
  CHECK(one(all, "attempt 2") == "attempt 1 7000-9000");
  CHECK(one(all, "attempt 3") == "attempt 1 19000-21000");
  CHECK(all.count("delay") == 2);
}

TEST_CASE("a node that never started is an instant, and times shorter than a microsecond are not lost") {
  const ag::timed_run g = timed(failing_graph(), {.on_error = ag::on_error::skip_dependents});
  const json::array raw = events(g);
  const json::value& skipped = event_of(raw, "naps#2");
  CHECK(skipped.at("ph") == "i");
  CHECK(skipped.at("ts").to_number<double>() == 5000);
  CHECK(skipped.at("args").at("state") == "skipped");
  CHECK(skipped.at("args").at("failure") == "it depends on 'fails#1', which failed");

  ag::timed_run r;
  r.id = "short";
  r.total = 1234567ns;
  CHECK_THAT(ag::timeline(r).to_trace_events(), Catch::Matchers::Contains("\"dur\":1234.567,"));
}

TEST_CASE("names that mean something in JSON, or are no text, make no invalid document") {
  ag::timed_run r;
  r.id = "a \"run\"\\\n";
  r.total = 2ms;
  ag::timed_node n;
  n.id = "bad \xFF\"\t\x01#1";
  n.tool = std::string("\\");  // an assignment of the literal alone has g++ 12 warn of an overlap
  n.failure = "line\nline";
  n.state = ag::node_state::failed;
  n.phases = {{ag::node_phase::body, 0ms, 2ms}};
  r.nodes.push_back(n);
  const json::array raw = events(r);
  CHECK(raw.back().at("name") == "bad \xEF\xBF\xBD\"\t\x01#1");
  CHECK(raw.back().at("args").at("failure") == "line\nline");
  CHECK(raw.front().at("args").at("name") == "a \"run\"\\\n");
  for (const std::string& line : lines_of(ag::timeline(r).to_gantt()))
    CHECK(std::ranges::none_of(line, [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
}

TEST_CASE("a Gantt chart shows waits, bodies and how they ended") {
  auto all = []() -> ag::task<> {
    co_await ag::as_result(ag::gather(fails(10), naps(20), naps(20)));
    co_await family();
  };
  CHECK(ag::timeline(timed(all(), {.max_concurrency = 2})).to_gantt(60) ==
        "task#1: done, 52ms\n"
        "fails#1  failed    |!!!!!!!                                |\n"
        "naps#2   cancelled |xxxxxxx                                |\n"
        "naps#3   skipped   |.......                                |\n"
        "family#4 done      |       ################################|\n"
        "  naps#5 done      |       ########                        |\n"
        "  naps#6 done      |               ###############         |\n"
        "  naps#7 done      |               ######################  |\n"
        "# body  > running  ! failed  x cancelled\n"
        ". slot  p pool  r rate  m permit  - delay\n");
}

TEST_CASE("a Gantt chart marks pools, delays and failed attempts") {
  ag::resource_pool pool("pool", 1);
  const ag::tool pooled{"pooled", nap, {.pool = &pool}};
  auto all = [&]() -> ag::task<> { co_await ag::gather(pooled(10), pooled(11), flaky(2)); };
  CHECK(ag::timeline(timed(all())).to_gantt(60) ==
        "task#1: done, 21ms\n"
        "pooled#1 done      |##################                     |\n"
        "pooled#2 done      |pppppppppppppppppp#####################|\n"
        "flaky#3  done      |!!!----------!!!-------------------####|\n"
        "# body  > running  ! failed  x cancelled\n"
        ". slot  p pool  r rate  m permit  - delay\n");
}

TEST_CASE("no line of a Gantt chart is wider than asked for, however long the names and deep the nests") {
  ag::timed_run r;
  r.id = std::string(500, 'r');
  r.total = 1s;
  for (int i = 0; i < 50; ++i) {
    ag::timed_node n;
    n.id = fmt::format("{}{}", std::string(static_cast<std::size_t>(i), 'x'), i);
    if (i > 0) n.parent = r.nodes.back().id;
    n.phases = {{ag::node_phase::body, 0ms, std::chrono::milliseconds(20 * i)}};
    r.nodes.push_back(n);
  }
  for (const std::size_t width : {1UL, 41UL, 80UL, 200UL}) {
    const std::vector<std::string> lines = lines_of(ag::timeline(r).to_gantt(width));
    CHECK(lines.size() == 53);
    CHECK(std::ranges::all_of(lines, [&](const std::string& l) { return l.size() <= std::max(width, 41UL); }));
  }
}

TEST_CASE("a run without nodes, and one that took no time, have timelines") {
  CHECK(ag::timeline(timed([]() -> ag::task<> { co_return; }())).to_gantt(50) ==
        "task#1: done, 0ns\n"
        "# body  > running  ! failed  x cancelled\n"
        ". slot  p pool  r rate  m permit  - delay\n");
  CHECK(slices(timed([]() -> ag::task<> { co_await plain(1); }())).size() == 2);
}
