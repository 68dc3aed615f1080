#include "sqlite_records.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>
#include <map>
#include <tuple>

#include "aethergraph/codec.hpp"
#include "sqlite_lease.hpp"

namespace aethergraph::detail {

namespace {

/// Where the facts of a run stand: its number above 32 bits, their places below.
[[nodiscard]] std::int64_t key_of(std::int64_t run, std::int64_t place) noexcept { return run * all_places + place; }
[[nodiscard]] std::int64_t first_key(std::int64_t run) noexcept { return key_of(run, 0); }
[[nodiscard]] std::int64_t last_key(std::int64_t run) noexcept { return key_of(run + 1, 0) - 1; }

/// Of `large`.
enum field : std::int64_t { arguments_field = 1, value_field = 2 };

/// Kinds and choices of questions stand in the file as texts.
[[nodiscard]] question_kind question_kind_of(const std::string& name) {
  for (const question_kind k : {question_kind::text, question_kind::approval, question_kind::choice})
    if (name == to_string(k)) return k;
  return question_kind::event;
}
[[nodiscard]] std::string to_json(const std::vector<std::string>& choices) {
  return boost::json::serialize(boost::json::value_from(choices));
}
[[noreturn]] void refuse_foreign(const sqlite_database& db, std::string_view what) {
  throw store_error(fmt::format("'{}' was changed by somebody else: it has '{}' where a store writes something else",
      db.path(), what.substr(0, 100)));
}
/// A number of the file as what it has to be.
template <class E>
[[nodiscard]] E enumerator(const sqlite_database& db, std::int64_t n, E first, E last) {
  if (n < static_cast<std::int64_t>(first) || n > static_cast<std::int64_t>(last))
    refuse_foreign(db, std::to_string(n));
  return static_cast<E>(n);
}
/// A text of the file as what it has to be.
template <class T>
[[nodiscard]] T read_json(const sqlite_database& db, const std::string& json) {
  try {
    return boost::json::value_to<T>(parse_json(json));
  } catch (const boost::system::system_error&) {
    refuse_foreign(db, json);
  }
}

[[nodiscard]] sqlite_time now() noexcept { return std::chrono::system_clock::now(); }
[[nodiscard]] sqlite_time to_time(std::int64_t n) noexcept {
  return sqlite_time(std::chrono::duration_cast<sqlite_time::duration>(std::chrono::nanoseconds(n)));
}
/// The time that is none is NULL.
[[nodiscard]] std::optional<std::int64_t> or_null(sqlite_time t) noexcept {
  if (t == sqlite_time{}) return std::nullopt;
  return to_integer(t);
}
[[nodiscard]] std::optional<std::int64_t> or_null(std::optional<sqlite_time> t) noexcept {
  if (!t) return std::nullopt;
  return to_integer(*t);
}
[[nodiscard]] sqlite_time time_or_none(const sqlite_rows& r, int column) {
  return r.is_null(column) ? sqlite_time{} : to_time(r.integer(column));
}
[[nodiscard]] std::optional<sqlite_time> optional_time(const sqlite_rows& r, int column) {
  if (r.is_null(column)) return std::nullopt;
  return to_time(r.integer(column));
}
[[nodiscard]] std::optional<std::string> optional_text(const sqlite_rows& r, int column) {
  if (r.is_null(column)) return std::nullopt;
  return r.text(column);
}

/// Phases stand in the file as numbers and nanoseconds since the call was made: "[[3,0],[6,1200000]]".
[[nodiscard]] std::string to_json(const std::vector<recorded_phase>& phases, sqlite_time made) {
  boost::json::array all;
  for (const recorded_phase& p : phases)
    all.push_back({static_cast<int>(p.what), to_integer(p.begin) - to_integer(made)});
  return boost::json::serialize(all);
}
[[nodiscard]] std::vector<recorded_phase> phases_of(
    const sqlite_database& db, const std::string& json, sqlite_time made) {
  std::vector<recorded_phase> phases;
  for (const auto& [what, since] : read_json<std::vector<std::pair<int, std::int64_t>>>(db, json))
    phases.push_back(
        {enumerator(db, what, node_phase::dependencies, node_phase::body), to_time(to_integer(made) + since)});
  return phases;
}

// The columns of a run, as `read_run` takes them.
#define AETHERGRAPH_RUN                                                                                            \
  "select r.number, r.id, d.program, d.version, d.arguments, d.structure, r.status, d.outcome, r.owner, r.epoch, " \
  "r.created, r.changed, r.due, r.forked_from, r.cancel_requested, r.slots from run r join detail d on d.run = "   \
  "r.number "

/// But for who executes it.
[[nodiscard]] sqlite_run read_run(const sqlite_database& db, const sqlite_rows& r) {
  sqlite_run run{.number = r.integer(0), .info = {}, .owner = r.text(8)};
  stored_run& i = run.info;
  i.id = r.text(1);
  i.program = r.text(2);
  i.version = r.text(3);
  i.arguments = r.text(4);
  i.structure = r.text(5);
  i.status = enumerator(db, r.integer(6), run_status::running, run_status::cancelled);
  i.outcome = r.text(7);
  i.epoch = static_cast<std::uint64_t>(r.integer(9));
  i.created = to_time(r.integer(10));
  i.changed = to_time(r.integer(11));
  i.due = optional_time(r, 12);
  i.forked_from = r.text(13);
  i.cancel_requested = r.integer(14) != 0;
  i.slots = static_cast<std::size_t>(r.integer(15));
  return run;
}

/// Numbers as JSON, which a statement reads by `json_each`.
[[nodiscard]] std::string as_json(const std::vector<std::uint64_t>& numbers) {
  std::string text = "[";
  for (const std::uint64_t n : numbers) {
    if (text.size() > 1) text += ',';
    text += fmt::to_string(static_cast<std::int64_t>(n));
  }
  return text += ']';
}

/// Has the process that executes a run look at it.
void signal(sqlite_database& db, std::int64_t run) {
  db.execute("update signal set last = last + 1");
  db.execute("update run set signal = (select last from signal) where number = ?1", run);
}

void refuse_known(sqlite_database& db, std::string_view id) {
  if (find_run(db, id)) throw store_error(fmt::format("'{}': there is a run '{}' already", db.path(), id));
}

[[nodiscard]] std::int64_t insert_run(sqlite_database& db, const run_claim& claim, std::string_view forked_from) {
  const std::int64_t at = to_integer(now());
  db.execute("insert into run(id, status, epoch, created, changed, forked_from) values(?1, ?2, 0, ?3, ?3, ?4)",
      claim.id, static_cast<int>(run_status::running), at, forked_from);
  const std::int64_t number = db.last_row();
  db.execute("insert into detail(run, program, version, arguments, structure) values(?1, ?2, ?3, ?4, ?5)", number,
      claim.program, claim.version, claim.arguments, claim.structure);
  return number;
}

void put_large(sqlite_database& db, std::int64_t key, field f, const std::string& text) {
  if (text.size() > large_text) db.execute("insert into large(fact, field, body) values(?1, ?2, ?3)", key, +f, text);
}
[[nodiscard]] std::optional<std::string_view> unless_large(const std::string& text) noexcept {
  if (text.size() > large_text) return std::nullopt;
  return text;
}

void check_lengths(const sqlite_database& db, const run_claim& claim) {
  for (const auto& [what, text] : {std::pair{"the id", &claim.id}, {"the name of the program", &claim.program},
           {"the version", &claim.version}, {"the arguments", &claim.arguments}, {"the structure", &claim.structure}})
    check_length(db.path(), fmt::format("{} of a run", what), *text);
}

}  // namespace

std::int64_t to_integer(sqlite_time t) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
}

void check_length(std::string_view path, std::string_view what, std::string_view text) {
  if (text.size() > largest_text)
    throw store_error(
        fmt::format("'{}': {} has {} bytes, and a store keeps {} at most; keep it in a file, and its name in "
                    "the run",
            path, what, text.size(), largest_text));
}

// --- looking
std::vector<stored_run> read_runs(sqlite_database& db) {
  std::vector<stored_run> all;
  std::map<std::string, std::string> known;  // a process has many runs, and is asked for once
  sqlite_rows rows = db.query(AETHERGRAPH_RUN "order by r.number");
  while (rows.next()) {
    sqlite_run run = read_run(db, rows);
    if (!run.owner.empty()) {
      const auto [at, is_new] = known.try_emplace(run.owner);
      if (is_new) at->second = who_has(run.owner);
      run.info.owner = at->second;
    }
    all.push_back(std::move(run.info));
  }
  return all;
}

std::optional<sqlite_run> find_run(sqlite_database& db, std::string_view id) {
  sqlite_rows rows = db.query(AETHERGRAPH_RUN "where r.id = ?1", id);
  if (!rows.next()) return std::nullopt;
  sqlite_run run = read_run(db, rows);
  if (!run.owner.empty()) run.info.owner = who_has(run.owner);
  return run;
}

sqlite_run existing_run(sqlite_database& db, std::string_view id) {
  std::optional<sqlite_run> run = find_run(db, id);
  if (!run) throw store_error(fmt::format("'{}': there is no run '{}'", db.path(), id));
  return *std::move(run);
}

sqlite_run idle_run(sqlite_database& db, std::string_view id) {
  sqlite_run run = existing_run(db, id);
  if (!run.info.owner.empty())
    throw run_busy(fmt::format("'{}': run '{}' is being executed, by {}", db.path(), id, run.info.owner));
  return run;
}

std::vector<fact> read_facts(sqlite_database& db, std::int64_t run, std::size_t skipped, std::int64_t last_place) {
  std::vector<fact> all;
  sqlite_rows r = db.query(
      "select f.number, f.kind, f.state, f.attempts, f.path, coalesce(f.name, t.name), t.version, "
      "coalesce(f.arguments, (select body from large where fact = f.key and field = 1)), "
      "coalesce(f.value, (select body from large where fact = f.key and field = 2)), f.made, f.started, f.ended, "
      "f.phases "
      "from fact f left join tool t on t.number = f.tool where f.key between ?1 and ?2 order by f.key limit -1 offset "
      "?3",
      first_key(run), key_of(run, last_place), skipped);
  while (r.next()) {
    fact& f = all.emplace_back();
    f.number = static_cast<std::uint64_t>(r.integer(0));
    f.kind = enumerator(db, r.integer(1), fact_kind::call, fact_kind::answer);
    f.state = enumerator(db, r.integer(2), node_state::waiting, node_state::skipped);
    f.attempts = static_cast<int>(r.integer(3));
    f.path = r.text(4);
    f.name = r.text(5);
    f.version = r.text(6);
    f.arguments = r.text(7);
    f.value = r.text(8);
    f.made = time_or_none(r, 9);
    f.started = time_or_none(r, 10);
    f.ended = time_or_none(r, 11);
    if (!r.is_null(12)) f.phases = phases_of(db, r.text(12), f.made);
  }
  return all;
}

std::vector<question> read_questions(sqlite_database& db, std::optional<std::int64_t> run) {
#define AETHERGRAPH_QUESTION                                                                                       \
  "select q.token, r.id, q.path, q.kind, q.prompt, q.choices, q.deadline, q.answer from question q join run r on " \
  "r.number = q.run "
  std::vector<question> all;
  sqlite_rows r = run ? db.query(AETHERGRAPH_QUESTION "where q.run = ?1 order by q.number", *run)
                      : db.query(AETHERGRAPH_QUESTION "order by q.number");
#undef AETHERGRAPH_QUESTION
  while (r.next()) {
    question& q = all.emplace_back();
    q.token = r.text(0);
    q.run_id = r.text(1);
    q.path = r.text(2);
    q.kind = question_kind_of(r.text(3));
    q.prompt = r.text(4);
    q.choices = read_json<std::vector<std::string>>(db, r.text(5));
    q.deadline = optional_time(r, 6);
    q.answer = optional_text(r, 7);
  }
  return all;
}

// --- changing
std::int64_t sqlite_tools::number(sqlite_database& db, const std::string& name, const std::string& version) {
  const auto [at, is_new] = numbers_.try_emplace({name, version}, 0);
  if (!is_new) return at->second;
  try {
    db.execute("insert or ignore into tool(name, version) values(?1, ?2)", name, version);
    sqlite_rows r = db.query("select number from tool where name = ?1 and version = ?2", name, version);
    r.next();
    return at->second = r.integer(0);
  } catch (...) {
    numbers_.erase(at);
    throw;
  }
}

opened_run open_run(sqlite_database& db, const run_claim& claim, const std::string& owner) {
  std::optional<sqlite_run> known = find_run(db, claim.id);
  const bool is_for_reading = known && has_ended(known->info.status);
  if (known && !is_for_reading && !known->info.owner.empty())
    throw run_busy(fmt::format("'{}': run '{}' is being executed, by {}", db.path(), claim.id, known->info.owner));
  if (!known) {
    check_lengths(db, claim);
    static_cast<void>(insert_run(db, claim, ""));
    known = find_run(db, claim.id);
  }
  const std::int64_t number = known->number;
  sqlite_rows last =
      db.query("select max(key) from fact where key between ?1 and ?2", first_key(number), last_key(number));
  last.next();
  const std::int64_t last_place = last.is_null(0) ? 0 : last.integer(0) - first_key(number);
  if (is_for_reading) return {.before = *std::move(known), .epoch = 0, .last_place = last_place};
  // A process that was taken for dead, and is not, is told.
  if (!known->owner.empty()) signal(db, number);
  db.execute(
      "update run set epoch = epoch + 1, owner = ?2, due = null, "
      "status = case status when ?3 then ?4 else status end, slots = ?5 where number = ?1",
      number, owner, static_cast<int>(run_status::parked), static_cast<int>(run_status::running), claim.slots);
  return {
      .before = *std::move(known), .epoch = static_cast<std::int64_t>(known->info.epoch) + 1, .last_place = last_place};
}

void release_run(sqlite_database& db, std::int64_t run, std::int64_t epoch) {
  db.execute("update run set owner = null where number = ?1 and epoch = ?2", run, epoch);
}

void insert_fact(sqlite_database& db, sqlite_tools& tools, std::int64_t run, std::int64_t place, const fact& f) {
  if (place >= all_places)
    throw store_error(fmt::format("'{}': a run has {} facts, and a store keeps no more of one", db.path(), place));
  const std::int64_t key = key_of(run, place);
  // Tools and graphs are few; what else has a name, such as an event, may have one of its own each time.
  const bool is_of_tool = f.kind == fact_kind::call || f.kind == fact_kind::run || !f.version.empty();
  std::optional<std::int64_t> tool;
  std::optional<std::string_view> name;
  if (is_of_tool) tool = tools.number(db, f.name, f.version);
  else name = f.name;
  db.execute(
      "insert into fact(key, number, kind, state, attempts, path, tool, name, arguments, value, made, started, ended, "
      "phases) values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
      key, f.number, static_cast<int>(f.kind), static_cast<int>(f.state), f.attempts, f.path, tool, name,
      unless_large(f.arguments), unless_large(f.value), or_null(f.made), or_null(f.started), or_null(f.ended),
      f.phases.empty() ? std::nullopt : std::optional(to_json(f.phases, f.made)));
  put_large(db, key, arguments_field, f.arguments);
  put_large(db, key, value_field, f.value);
}

std::optional<std::string> insert_question(sqlite_database& db, std::int64_t run, const question& q) {
  const std::int64_t made = db.execute(
      "insert or ignore into question(token, run, path, kind, prompt, choices, deadline, answer) "
      "values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
      q.token, run, q.path, std::string(to_string(q.kind)), q.prompt, to_json(q.choices), or_null(q.deadline),
      q.answer);
  if (made != 0) return std::nullopt;
  sqlite_rows r = db.query("select run, answer from question where token = ?1", q.token);
  r.next();
  if (r.integer(0) != run)
    throw store_error(
        fmt::format("'{}': question '{}' of run '{}' is known as one of another run; a token names one question of all",
            db.path(), q.token, q.run_id));
  return optional_text(r, 1);
}

void end_run(
    sqlite_database& db, std::int64_t run, run_status s, const std::string& outcome, std::optional<sqlite_time> due) {
  db.execute("update run set status = ?2, due = ?3 where number = ?1", run, static_cast<int>(s), or_null(due));
  db.execute("update detail set outcome = ?2 where run = ?1", run, outcome);
  if (has_ended(s)) db.execute("delete from question where run = ?1 and answer is null", run);
}

std::int64_t answer_question(sqlite_database& db, std::string_view token, std::string_view value) {
  check_length(db.path(), fmt::format("the answer to question '{}'", token), value);
  sqlite_rows r = db.query("select run, deadline, answer is not null from question where token = ?1", token);
  if (!r.next()) throw store_error(fmt::format("'{}': there is no open question '{}'", db.path(), token));
  if (r.integer(2) != 0)
    throw store_error(fmt::format("question '{}' has been answered before; the first answer counts", token));
  if (const auto deadline = optional_time(r, 1); deadline && *deadline < now())
    throw store_error(fmt::format("question '{}': its deadline has passed", token));
  const std::int64_t run = r.integer(0);
  db.execute("update question set answer = ?2 where token = ?1", token, value);
  signal(db, run);
  return run;
}

namespace {
/// A process that was taken for dead, and is not, must not go on with a run that is changed.
void disown(sqlite_database& db, const sqlite_run& run) {
  if (run.owner.empty()) return;
  signal(db, run.number);
  db.execute("update run set epoch = epoch + 1, owner = null where number = ?1", run.number);
}
}  // namespace

std::int64_t cancel_run(sqlite_database& db, std::string_view id) {
  const sqlite_run run = existing_run(db, id);
  if (has_ended(run.info.status))
    throw store_error(fmt::format("run '{}' has ended: it is {}", id, to_string(run.info.status)));
  db.execute("update run set cancel_requested = 1 where number = ?1", run.number);
  signal(db, run.number);
  if (run.info.owner.empty()) {
    disown(db, run);
    db.execute("update run set changed = ?2 where number = ?1", run.number, to_integer(now()));
    end_run(db, run.number, run_status::cancelled, "", std::nullopt);
  }
  return run.number;
}

void forget_facts(sqlite_database& db, std::string_view id, const std::vector<std::uint64_t>& facts) {
  const sqlite_run idle = idle_run(db, id);
  disown(db, idle);
  const std::int64_t run = idle.number;
  const std::string numbers = as_json(facts);
  db.execute(
      "delete from question where run = ?1 and path in (select path from fact where key between ?2 and ?3 and "
      "number in (select value from json_each(?4)))",
      run, first_key(run), last_key(run), numbers);
  db.execute(
      "delete from large where fact in (select key from fact where key between ?1 and ?2 and number in (select "
      "value from json_each(?3)))",
      first_key(run), last_key(run), numbers);
  db.execute("delete from fact where key between ?1 and ?2 and number in (select value from json_each(?3))",
      first_key(run), last_key(run), numbers);
  db.execute("update run set status = ?2, due = null, cancel_requested = 0, changed = ?3 where number = ?1", run,
      static_cast<int>(run_status::running), to_integer(now()));
  db.execute("update detail set outcome = '' where run = ?1", run);
}

void fork_run(
    sqlite_database& db, std::string_view id, std::string_view new_id, const std::vector<std::uint64_t>& without) {
  refuse_known(db, new_id);
  const sqlite_run from = existing_run(db, id);
  const stored_run& i = from.info;
  const std::int64_t made = insert_run(db, {std::string(new_id), i.program, i.version, i.arguments, i.structure}, id);
  const std::int64_t shift = first_key(made) - first_key(from.number);
  db.execute(
      "insert into fact(key, number, kind, state, attempts, path, tool, name, arguments, value, made, started, ended, "
      "phases) "
      "select key + ?3, number, kind, state, attempts, path, tool, name, arguments, value, made, started, ended, "
      "phases "
      "from fact where key between ?1 and ?2 and number not in (select value from json_each(?4))",
      first_key(from.number), last_key(from.number), shift, as_json(without));
  db.execute(
      "insert into large(fact, field, body) select fact + ?3, field, body from large where fact between ?1 and ?2 "
      "and fact + ?3 in (select key from fact)",
      first_key(from.number), last_key(from.number), shift);
}

void restate_run(sqlite_database& db, const run_claim& claim) {
  check_lengths(db, claim);
  const sqlite_run idle = idle_run(db, claim.id);
  disown(db, idle);
  db.execute("update detail set program = ?2, version = ?3, arguments = ?4, structure = ?5 where run = ?1", idle.number,
      claim.program, claim.version, claim.arguments, claim.structure);
}

void erase_run(sqlite_database& db, std::string_view id) {
  const std::int64_t run = idle_run(db, id).number;
  db.execute("delete from large where fact between ?1 and ?2", first_key(run), last_key(run));
  db.execute("delete from fact where key between ?1 and ?2", first_key(run), last_key(run));
  db.execute("delete from question where run = ?1", run);
  db.execute("delete from detail where run = ?1", run);
  db.execute("delete from run where number = ?1", run);
}

}  // namespace aethergraph::detail
