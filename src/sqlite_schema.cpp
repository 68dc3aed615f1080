// The tables of a sqlite_store's file, and how those of earlier versions become them.
#include <fmt/format.h>

#include <array>

#include "sqlite_database.hpp"

namespace aethergraph::detail {

namespace {

constexpr std::int64_t application_id = 0x41475230;  // "AGR0"

/// Each makes version n + 1 of version n; the first one makes it of an empty file. What was released is not changed any
/// more: a change of the schema is one more step. docs/design/store.md says what the columns mean.
constexpr std::array steps{// 1
    R"(
create table run(
  number integer primary key autoincrement,
  id text not null unique,
  status integer not null,
  epoch integer not null,
  owner text,
  cancel_requested integer not null default 0,
  signal integer not null default 0,
  created integer not null,
  changed integer not null,
  due integer,
  forked_from text not null
) strict;
create index run_signal on run(signal) where signal > 0;

create table detail(
  run integer primary key,
  program text not null,
  version text not null,
  arguments text not null,
  structure text not null,
  outcome text not null default ''
) strict;

create table tool(
  number integer primary key,
  name text not null,
  version text not null,
  unique(name, version)
) strict;

create table fact(
  key integer primary key,
  number integer not null,
  kind integer not null,
  state integer not null,
  attempts integer not null,
  path text not null,
  tool integer,
  name text,
  arguments text,
  value text,
  made integer,
  started integer,
  ended integer
) strict;

create table large(
  fact integer not null,
  field integer not null,
  body text not null,
  unique(fact, field)
) strict;

create table question(
  number integer primary key,
  token text not null unique,
  run integer not null,
  path text not null,
  kind text not null,
  prompt text not null,
  choices text not null,
  deadline integer,
  answer text
) strict;
create index question_run on question(run);

create table signal(last integer not null) strict;
insert into signal values(0);
)",
    // 2
    R"(
alter table run add column slots integer not null default 0;
alter table fact add column phases text;
)"};
constexpr auto latest = static_cast<std::int64_t>(steps.size());

/// The version of a file of ours, 0 of an empty one.
std::int64_t version_of(sqlite_database& db) {
  // In one statement, since another process may be making the tables.
  sqlite_rows r = db.query(
      "select p.application_id, v.user_version, (select count(*) from sqlite_schema) "
      "from pragma_application_id p, pragma_user_version v");
  r.next();
  const std::int64_t program = r.integer(0);
  const std::int64_t version = r.integer(1);
  if (program == 0 && version == 0 && r.integer(2) == 0) return 0;
  if (program != application_id)
    throw store_error(
        fmt::format("'{}' is an SQLite database of another program: give the store a file of its own", db.path()));
  if (version < 1 || version > latest)
    throw store_error(
        fmt::format("'{}' has version {} of the schema, and this library knows those up to {}: use a newer "
                    "version of the library",
            db.path(), version, latest));
  return version;
}

}  // namespace

bool has_sqlite_schema(sqlite_database& db) { return version_of(db) == latest; }

void make_sqlite_schema(sqlite_database& db) {
  sqlite_transaction t(db);
  std::int64_t version = version_of(db);  // another process may have been first
  for (; version < latest; ++version) db.execute_all(steps.at(static_cast<std::size_t>(version)));
  db.execute_all(fmt::format("pragma application_id = {}; pragma user_version = {}", application_id, latest).c_str());
  t.commit();
}

}  // namespace aethergraph::detail
