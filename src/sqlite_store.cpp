#include "aethergraph/sqlite.hpp"

#include "sqlite_records.hpp"
#include "sqlite_writer.hpp"

namespace aethergraph {

using namespace detail;

struct sqlite_store::parts {
  parts(std::string_view path, const sqlite_options& options) : writer(path, options), reader(path, options) {}
  sqlite_writer writer;  // makes the file
  sqlite_reader reader;
};

sqlite_store::sqlite_store(std::string_view path, const sqlite_options& options)
    : parts_(std::make_unique<parts>(path, options)) {}
sqlite_store::~sqlite_store() = default;

std::unique_ptr<run_journal> sqlite_store::open(const run_claim& claim, store_client& client) {
  return std::make_unique<sqlite_journal>(parts_->writer, parts_->reader, claim, client);
}

std::vector<stored_run> sqlite_store::runs() { return parts_->reader.read(read_runs); }

std::optional<stored_run> sqlite_store::find(std::string_view id) {
  std::optional<sqlite_run> run = parts_->reader.read([&](sqlite_database& db) { return find_run(db, id); });
  if (!run) return std::nullopt;
  return std::move(run->info);
}

std::vector<fact> sqlite_store::facts(std::string_view id, std::size_t skipped) {
  return parts_->reader.read([&](sqlite_database& db) { return read_facts(db, existing_run(db, id).number, skipped); });
}

std::vector<question> sqlite_store::questions(std::string_view id) {
  return parts_->reader.read([&](sqlite_database& db) {
    return read_questions(db, id.empty() ? std::nullopt : std::optional(existing_run(db, id).number));
  });
}

void sqlite_store::answer(std::string_view token, std::string_view value) {
  std::int64_t run = 0;
  const auto work = [&](sqlite_database& db) { run = answer_question(db, token, value); };
  parts_->writer.transact(work, [&](bool is_committed) {
    if (is_committed) parts_->writer.tell_answer(run, token, value);
  });
}

void sqlite_store::cancel(std::string_view id) {
  std::int64_t run = 0;
  const auto work = [&](sqlite_database& db) { run = cancel_run(db, id); };
  parts_->writer.transact(work, [&](bool is_committed) {
    if (is_committed) parts_->writer.tell_cancel(run);
  });
}

void sqlite_store::forget(std::string_view id, const std::vector<std::uint64_t>& facts) {
  parts_->writer.transact([&](sqlite_database& db) { forget_facts(db, id, facts); });
}

void sqlite_store::fork(std::string_view id, std::string_view new_id, const std::vector<std::uint64_t>& without) {
  parts_->writer.transact([&](sqlite_database& db) { fork_run(db, id, new_id, without); });
}

void sqlite_store::restate(const run_claim& claim) {
  parts_->writer.transact([&](sqlite_database& db) { restate_run(db, claim); });
}

void sqlite_store::erase(std::string_view id) {
  parts_->writer.transact([&](sqlite_database& db) { erase_run(db, id); });
}

}  // namespace aethergraph
