// Runs, facts and questions in the tables of a sqlite_store: how they are read, and how they are changed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sqlite_database.hpp"

namespace aethergraph::detail {

/// A text above this stands in a table of its own, so that nobody reads it who does not ask for it.
inline constexpr std::size_t large_text = 64 * 1024;
/// The most that a text may have.
inline constexpr std::size_t largest_text = 256 * 1024 * 1024;

/// The places of facts end below it.
inline constexpr std::int64_t all_places = 1LL << 32;

using sqlite_time = std::chrono::system_clock::time_point;
[[nodiscard]] std::int64_t to_integer(sqlite_time t) noexcept;

/// A run, by its number in the file.
struct sqlite_run {
  std::int64_t number = 0;
  stored_run info;
  std::string owner;  // as `sqlite_lease` has it, dead or alive
};

// --- looking
[[nodiscard]] std::vector<stored_run> read_runs(sqlite_database& db);
[[nodiscard]] std::optional<sqlite_run> find_run(sqlite_database& db, std::string_view id);
/// The same; an error if there is none.
[[nodiscard]] sqlite_run existing_run(sqlite_database& db, std::string_view id);
/// The same; an error if somebody executes it.
[[nodiscard]] sqlite_run idle_run(sqlite_database& db, std::string_view id);
/// Up to a place.
[[nodiscard]] std::vector<fact> read_facts(
    sqlite_database& db, std::int64_t run, std::size_t skipped, std::int64_t last_place = all_places - 1);
/// All of them where there is no run.
[[nodiscard]] std::vector<question> read_questions(sqlite_database& db, std::optional<std::int64_t> run);

// --- changing, within a transaction
/// The numbers of tools' names and versions, as far as this process has met them.
class sqlite_tools {
 public:
  [[nodiscard]] std::int64_t number(sqlite_database& db, const std::string& name, const std::string& version);
  /// What was numbered in a transaction that has failed has no number.
  void clear() noexcept { numbers_.clear(); }

 private:
  std::map<std::pair<std::string, std::string>, std::int64_t> numbers_;
};

/// A run that this process has opened.
struct opened_run {
  sqlite_run before;
  std::int64_t epoch = 0;       // 0: it has ended, and is only read
  std::int64_t last_place = 0;  // of its facts
};
[[nodiscard]] opened_run open_run(sqlite_database& db, const run_claim& claim, const std::string& owner);
void release_run(sqlite_database& db, std::int64_t run, std::int64_t epoch);
void insert_fact(sqlite_database& db, sqlite_tools& tools, std::int64_t run, std::int64_t place, const fact& f);
/// Returns the answer to the question if it has one.
[[nodiscard]] std::optional<std::string> insert_question(sqlite_database& db, std::int64_t run, const question& q);
void end_run(
    sqlite_database& db, std::int64_t run, run_status s, const std::string& outcome, std::optional<sqlite_time> due);
/// Returns the run of the question.
[[nodiscard]] std::int64_t answer_question(sqlite_database& db, std::string_view token, std::string_view value);
/// Returns the number of the run.
[[nodiscard]] std::int64_t cancel_run(sqlite_database& db, std::string_view id);
void forget_facts(sqlite_database& db, std::string_view id, const std::vector<std::uint64_t>& facts);
void fork_run(
    sqlite_database& db, std::string_view id, std::string_view new_id, const std::vector<std::uint64_t>& without);
void restate_run(sqlite_database& db, const run_claim& claim);
void erase_run(sqlite_database& db, std::string_view id);

/// Refuses a text that is too long; `what` names it.
void check_length(std::string_view path, std::string_view what, std::string_view text);

}  // namespace aethergraph::detail
