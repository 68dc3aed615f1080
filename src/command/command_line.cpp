#include "command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>

#include "aethergraph/detail/joined.hpp"

namespace aethergraph::command {

const std::string_view help = R"(aethergraph - looks at durable runs, and acts on them

SYNOPSIS
  aethergraph [--store FILE] [--json] COMMAND …

LOOKING
  runs                          all runs, the oldest first
  show RUN                      one run: what it is, where it stands, what it waits for, its nodes
  graph RUN [--dot|--mermaid|--svg]
                                its nodes and what happened after what; as text, unless told otherwise
  timeline RUN [--gantt|--trace FILE]
                                its nodes along its time, as text, or for a trace viewer such as ui.perfetto.dev
  explain RUN                   what its time went into: the critical path, and what was lost
  events RUN [--follow]         what has happened in it, in the order of writing; until it has ended
  questions                     what runs wait to be answered

ACTING
  answer TOKEN VALUE            answers a question; a parked run goes on when its id is run again
  rerun RUN [SELECTOR…] [--failed] [--accept-changes]
                                forgets nodes and what depends on them, so that they are computed anew when the id
                                is run again; a selector is "tool:PREFIX", an id such as load#3, or a path; with
                                neither a selector nor --failed nothing is forgotten, and the run is only opened again
  cancel RUN                    stops a run for good
  prune [--older-than 30d] [--status STATUS]…
                                removes runs that have not changed for so long (s, m, h or d): those that are
                                done, failed or cancelled, or those of the given status only

OPTIONS, each also as --NAME=VALUE
  --store FILE       the store; else the variable AETHERGRAPH_STORE, else runs.db. It is never made by looking.
  --json             one JSON document in place of text; of events, one in each line
  --follow           goes on until the run has ended
  --failed           all calls that have failed are selected
  --accept-changes   at its next run, the structure of the graph and the versions of tools may have changed; nodes that
                     did are computed anew, too
  --help, -h         this text
  --                 what follows is no option, such as an answer that begins with --

STATUSES
  running, parked, done, failed, cancelled; interrupted is said of one that is running, but nobody executes it

EXIT STATUS
  0 done; 1 it cannot be done, for the reason that is told; 2 wrong usage
)";

namespace {

struct command {
  std::string_view name;
  std::size_t least;
  std::size_t most;
  std::string_view usage;
  std::string_view options;  // with a space before and after each
};
constexpr std::size_t any = std::numeric_limits<std::size_t>::max();
constexpr command commands[] = {
    {"runs", 0, 0, "runs", ""},
    {"show", 1, 1, "show RUN", ""},
    {"graph", 1, 1, "graph RUN [--dot|--mermaid|--svg]", " --dot --mermaid --svg "},
    {"timeline", 1, 1, "timeline RUN [--gantt|--trace FILE]", " --gantt --trace "},
    {"explain", 1, 1, "explain RUN", ""},
    {"events", 1, 1, "events RUN [--follow]", " --follow "},
    {"questions", 0, 0, "questions", ""},
    {"answer", 2, 2, "answer TOKEN VALUE", ""},
    {"rerun", 1, any, "rerun RUN [SELECTOR...] [--failed] [--accept-changes]", " --failed --accept-changes "},
    {"cancel", 1, 1, "cancel RUN", ""},
    {"prune", 0, 0, "prune [--older-than 30d] [--status STATUS]...", " --older-than --status "},
};

std::string names_of_commands() {
  std::vector<std::string> names;
  for (const command& c : commands) names.emplace_back(c.name);
  return detail::joined(names, ", ");
}

std::chrono::seconds parse_age(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  constexpr std::chrono::days longest{36'500};  // more may be before all that a clock knows
  const std::chrono::seconds one = unit == "s"   ? std::chrono::seconds{1}
                                   : unit == "m" ? std::chrono::minutes{1}
                                   : unit == "h" ? std::chrono::hours{1}
                                   : unit == "d" ? std::chrono::days{1}
                                                 : std::chrono::seconds{0};
  if (failure != std::errc() || count < 0 || one.count() == 0 || count > longest / one)
    throw usage_error(fmt::format("--older-than {}: it must be a number and s, m, h or d, such as 30d", text));
  return count * one;
}

run_status parse_status(std::string_view text) {
  for (const run_status s :
      {run_status::running, run_status::parked, run_status::done, run_status::failed, run_status::cancelled})
    if (to_string(s) == text) return s;
  if (text == "interrupted") return run_status::running;  // of which only those are meant that nobody executes
  throw usage_error(
      fmt::format("--status {}: it must be interrupted, running, parked, done, failed or cancelled", text));
}

}  // namespace

command_line parse(const std::vector<std::string>& arguments) {
  command_line line;
  if (const char* const store = std::getenv("AETHERGRAPH_STORE"); store && *store) line.store = store;
  std::vector<std::string> given;  // options that not all commands have
  bool is_after_options = false;
  for (auto a = arguments.begin(); a != arguments.end(); ++a) {
    if (is_after_options || (!a->starts_with("--") && *a != "-h")) {
      (line.name.empty() ? line.name : line.operands.emplace_back()) = *a;
      continue;
    }
    const std::size_t equals = a->find('=');
    const std::string option = a->substr(0, equals);
    const bool has_value = equals != std::string::npos;
    bool is_value_read = false;
    const auto value = [&]() -> std::string {
      is_value_read = true;
      if (has_value) return a->substr(equals + 1);
      if (std::next(a) == arguments.end()) throw usage_error(fmt::format("{}: its value is missing", option));
      return *++a;
    };
    if (option == "--") is_after_options = true;
    else if (option == "--help" || option == "-h") return line.name = "help", line;
    else if (option == "--store") line.store = value();
    else if (option == "--json") line.wants_json = true;
    else {
      given.push_back(option);
      if (option == "--dot" || option == "--mermaid" || option == "--svg" || option == "--gantt")
        line.format = option.substr(2);
      else if (option == "--follow") line.follows = true;
      else if (option == "--accept-changes") line.accepts_changes = true;
      else if (option == "--failed") line.wants_failed = true;
      else if (option == "--trace") line.trace = value();
      else if (option == "--older-than") line.older_than = parse_age(value());
      else if (option == "--status") line.statuses.push_back(parse_status(value()));
      else throw usage_error(fmt::format("{}: there is no such option; see aethergraph --help", option));
    }
    if (has_value && !is_value_read) throw usage_error(fmt::format("{}: it takes no value", option));
  }
  if (line.name.empty()) throw usage_error("a command is missing; it must be one of: " + names_of_commands());
  if (line.name == "help") return line;
  const auto c = std::ranges::find(commands, line.name, &command::name);
  if (c == std::end(commands))
    throw usage_error(
        fmt::format("{}: there is no such command; it must be one of: {}", line.name, names_of_commands()));
  for (const std::string& option : given)
    if (c->options.find(' ' + option + ' ') == std::string_view::npos)
      throw usage_error(fmt::format("{}: '{}' has no such option; it is: aethergraph {}", option, c->name, c->usage));
  if (line.operands.size() < c->least || line.operands.size() > c->most)
    throw usage_error(fmt::format("{}: {}; it is: aethergraph {}", c->name,
        line.operands.size() < c->least ? "too few words" : "too many words", c->usage));
  return line;
}

}  // namespace aethergraph::command
