// The command `aethergraph`: looks at the runs of a store, and acts on them.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "aethergraph/recorded_graph.hpp"
#include "aethergraph/rerun.hpp"
#include "aethergraph/sqlite.hpp"
#include "aethergraph/timeline.hpp"
#include "command_line.hpp"
#include "output.hpp"

namespace aethergraph::command {

namespace {

void print_json(const boost::json::value& v) { fmt::print("{}\n", detail::serialize_json(v)); }

/// A store that is there: to look at one must not make it.
class existing_store {
 public:
  explicit existing_store(const std::string& path) : store_(checked(path)) {}
  [[nodiscard]] run_store& operator*() noexcept { return store_; }
  [[nodiscard]] run_store* operator->() noexcept { return &store_; }

  [[nodiscard]] stored_run find(const std::string& id) {
    std::optional<stored_run> found = store_.find(id);
    if (!found) throw store_error(fmt::format("there is no run '{}'; `aethergraph runs` lists those that are", id));
    return std::move(*found);
  }

 private:
  static const std::string& checked(const std::string& path) {
    std::error_code failure;
    if (std::filesystem::file_size(path, failure) == 0 || failure)
      throw store_error(fmt::format(
          "'{}': there is no store; name one with --store FILE, or in the variable AETHERGRAPH_STORE", path));
    return path;
  }

  sqlite_store store_;
};

/// In one line, and all of it: to be copied.
std::string whole(std::string_view name) { return one_line(name, std::string_view::npos); }

void flush() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) throw error("what was to be printed cannot be written");
}

std::vector<question> open_questions(run_store& store, const std::string& run = {}) {
  std::vector<question> all = store.questions(run);
  std::erase_if(all, [](const question& q) { return q.answer.has_value(); });
  return all;
}

/// Where a run stands, with who executes it.
std::string standing_of(const stored_run& r) {
  if (r.status != run_status::running) return std::string(to_string(r.status));
  return r.owner.empty() ? "interrupted" : fmt::format("running in {}", r.owner);
}

void runs(const command_line& line, existing_store& store) {
  const std::vector<stored_run> all = store->runs();
  if (line.wants_json) return print_json(json_of(all));
  std::vector<std::vector<std::string>> rows{{"RUN", "PROGRAM", "STATUS", "MADE", "CHANGED", "OUTCOME"}};
  for (const stored_run& r : all)
    rows.push_back({whole(r.id), one_line(r.program), standing_of(r), text_of(r.created), text_of(r.changed),
        one_line(r.outcome, 40)});
  fmt::print("{}", table(rows));
}

void show(const command_line& line, existing_store& store) {
  const stored_run r = store.find(line.operands[0]);
  const std::vector<question> asked = open_questions(*store, r.id);
  const task_graph graph = recorded_graph(*store, r.id);
  if (line.wants_json) {
    boost::json::value v = json_of(r);
    v.as_object()["questions"] = json_of(asked);
    v.as_object()["facts"] = store->facts(r.id).size();
    return print_json(v);
  }
  std::vector<std::vector<std::string>> rows{{"run", whole(r.id)}, {"program", one_line(r.program)}};
  if (!r.version.empty()) rows.push_back({"version", one_line(r.version)});
  rows.push_back({"arguments", one_line(r.arguments, 200)});
  rows.push_back({"status", standing_of(r) + (r.cancel_requested && !has_ended(r.status) ? ", to be cancelled" : "")});
  rows.push_back({"made", text_of(r.created)});
  rows.push_back({"changed", text_of(r.changed)});
  if (r.due) rows.push_back({"goes on", text_of(*r.due) + " at the latest"});
  if (!r.forked_from.empty()) rows.push_back({"copy of", whole(r.forked_from)});
  if (!r.outcome.empty()) rows.push_back({"outcome", one_line(r.outcome, 200)});
  for (const question& q : asked)
    rows.push_back(
        {"question", fmt::format("{}: {} ({})", whole(q.token), one_line(q.prompt), one_line(valid_answers(q)))});
  fmt::print("{}\n{}", table(rows), graph.pretty());
}

void draw_svg(const std::string& dot) {
  if (std::system("command -v dot > /dev/null 2>&1") != 0)
    throw error("--svg: Graphviz' `dot` is not there; install Graphviz, or use --dot or --mermaid");
  std::fflush(stdout);
  std::FILE* const pipe = popen("dot -Tsvg", "w");
  if (!pipe) throw error("--svg: `dot` cannot be started");
  const bool is_written = std::fwrite(dot.data(), 1, dot.size(), pipe) == dot.size();
  if (pclose(pipe) != 0 || !is_written) throw error("--svg: `dot` has failed");
}

void graph(const command_line& line, existing_store& store) {
  static_cast<void>(store.find(line.operands[0]));
  const task_graph g = recorded_graph(*store, line.operands[0]);
  if (line.format == "svg") return draw_svg(g.to_dot());
  fmt::print("{}", line.format == "dot"       ? g.to_dot()
                   : line.format == "mermaid" ? g.to_mermaid()
                   : line.wants_json          ? g.to_json() + '\n'
                                              : g.pretty());
}

void timeline_of(const command_line& line, existing_store& store) {
  static_cast<void>(store.find(line.operands[0]));
  const timeline t(recorded_times(*store, line.operands[0]));
  if (!line.trace.empty()) {
    std::ofstream file(line.trace);
    file << t.to_trace_events();
    if (!file.flush()) throw error(fmt::format("--trace {}: it cannot be written", line.trace));
  } else {
    fmt::print("{}", line.wants_json ? t.to_trace_events() + '\n' : t.to_gantt());
  }
}

void explain_run(const command_line& line, existing_store& store) {
  static_cast<void>(store.find(line.operands[0]));
  const explanation why = explain(recorded_times(*store, line.operands[0]));
  if (line.wants_json) print_json(json_of(why));
  else fmt::print("{}", why.text());
}

void print_event(const fact& f, bool as_json) {
  if (as_json) return print_json(json_of(f));
  const std::string_view what = f.kind == fact_kind::call ? to_string(f.state) : to_string(f.kind);
  fmt::print("{:>6}  {}  {:<9}  {:<12}  {}{}{}\n", f.number, text_of(f.ended), what, f.path, one_line(f.name),
      f.value.empty() ? "" : "  ", one_line(f.value));
}

void events(const command_line& line, existing_store& store) {
  for (std::size_t seen = 0;;) {
    const bool is_last = !line.follows || has_ended(store.find(line.operands[0]).status);  // before its last facts
    const std::vector<fact> more = store->facts(store.find(line.operands[0]).id, seen);
    for (const fact& f : more) print_event(f, line.wants_json);
    flush();
    if (is_last) return;
    seen += more.size();
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  }
}

void questions(const command_line& line, existing_store& store) {
  const std::vector<question> all = open_questions(*store);
  if (line.wants_json) return print_json(json_of(all));
  std::vector<std::vector<std::string>> rows{{"TOKEN", "QUESTION", "ANSWER", "UNTIL"}};
  for (const question& q : all)
    rows.push_back(
        {whole(q.token), one_line(q.prompt), one_line(valid_answers(q)), q.deadline ? text_of(*q.deadline) : "-"});
  fmt::print("{}", table(rows));
}

void answer(const command_line& line, existing_store& store) {
  const std::string& token = line.operands[0];
  const std::vector<question> all = store->questions();
  const auto asked = std::ranges::find(all, token, &question::token);
  if (asked == all.end())
    throw store_error(fmt::format("there is no question '{}'; `aethergraph questions` lists those that are", token));
  const std::string json = parse_answer(*asked, line.operands[1]);
  store->answer(token, json);
  const bool is_executed = !store.find(asked->run_id).owner.empty();
  if (line.wants_json) print_json(boost::json::object{{"token", token}, {"answered", true}});
  else if (is_executed) fmt::print("answered; run '{}' has been told\n", whole(asked->run_id));
  else fmt::print("answered; run '{}' goes on when its id is run again\n", whole(asked->run_id));
}

void rerun_nodes(const command_line& line, existing_store& store) {
  const std::string id = store.find(line.operands[0]).id;
  std::vector<std::string_view> selectors(line.operands.begin() + 1, line.operands.end());
  std::vector<fact> failed;
  if (line.wants_failed) {
    failed = store->facts(id);
    std::erase_if(failed, [](const fact& f) { return f.kind != fact_kind::call || f.state != node_state::failed; });
    if (failed.empty()) throw store_error(fmt::format("--failed: no call of run '{}' has failed", whole(id)));
    for (const fact& f : failed) selectors.push_back(f.path);
  }
  const std::vector<fact> forgotten = rerun(*store, id, selectors, {.accept_changes = line.accepts_changes});
  if (line.wants_json) return print_json(json_of(forgotten));
  for (const fact& f : forgotten) fmt::print("forgotten: {} {}\n", whole(f.path), one_line(f.name));
  fmt::print("run '{}' computes the rest when its id is run again\n", whole(id));
}

void cancel(const command_line& line, existing_store& store) {
  const std::string id = store.find(line.operands[0]).id;
  store->cancel(id);
  const stored_run r = store.find(id);
  if (line.wants_json) print_json(json_of(r));
  else if (r.owner.empty()) fmt::print("cancelled\n");
  else fmt::print("{} has been asked to stop\n", r.owner);
}

void prune(const command_line& line, existing_store& store) {
  const auto newest = std::chrono::system_clock::now() - line.older_than;
  std::vector<stored_run> removed;
  for (const stored_run& r : store->runs()) {
    const bool is_meant =
        line.statuses.empty() ? has_ended(r.status) : std::ranges::find(line.statuses, r.status) != line.statuses.end();
    if (!is_meant || r.changed > newest || !r.owner.empty()) continue;
    try {
      store->erase(r.id);
      removed.push_back(r);
    } catch (const store_error&) {
      // Another process has been first, or executes it by now.
      const std::optional<stored_run> now = store->find(r.id);
      if (now && now->owner.empty()) throw;
    }
  }
  if (line.wants_json) return print_json(json_of(removed));
  for (const stored_run& r : removed) fmt::print("removed: {}\n", whole(r.id));
  fmt::print("{} run{} removed\n", removed.size(), removed.size() == 1 ? "" : "s");
}

void execute(const command_line& line) {
  if (line.name == "help") {
    fmt::print("{}", help);
    return flush();
  }
  existing_store store(line.store);
  using function = void (*)(const command_line&, existing_store&);
  constexpr std::pair<std::string_view, function> functions[] = {{"runs", runs}, {"show", show}, {"graph", graph},
      {"timeline", timeline_of}, {"explain", explain_run}, {"events", events}, {"questions", questions},
      {"answer", answer}, {"rerun", rerun_nodes}, {"cancel", cancel}, {"prune", prune}};
  for (const auto& [name, fn] : functions)
    if (name == line.name) fn(line, store);
  flush();
}

}  // namespace
}  // namespace aethergraph::command

int main(int argc, char** argv) {
  using namespace aethergraph::command;
  try {
    execute(parse({argv + 1, argv + argc}));
    return 0;
  } catch (const usage_error& e) {
    fmt::print(stderr, "aethergraph: {}\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    fmt::print(stderr, "aethergraph: {}\n", e.what());
    return 1;
  }
}
