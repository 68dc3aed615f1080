#include "aethergraph/sqlite.hpp"

#include <fmt/format.h>
#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>

#include <string>
#include <thread>

#include "support/catch.hpp"
#include "support/store_contract.hpp"
#include "support/store_file.hpp"

namespace ag = aethergraph;
using Catch::Matchers::Contains;
using test::claim_of;
using test::fact_with;
using test::recording_client;

TEST_CASE("sqlite_store does what a store has to do") {
  for (const test::contract_case& c : test::store_contract()) {
    DYNAMIC_SECTION(c.name) {
      const test::store_file file;
      ag::sqlite_store s{file.path(), {.synchronous = ag::synchronous::normal}};
      c.check(s);
    }
  }
}

TEST_CASE("What was written to a sqlite_store is there when the file is opened again") {
  const test::store_file file;
  {
    ag::sqlite_store s{file.path()};
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    j->write(fact_with(1));
    j->ask(test::question_with("t", "a"));
    j->end(ag::run_status::parked, "", std::nullopt);
  }
  ag::sqlite_store s{file.path()};
  CHECK(s.find("a").value().status == ag::run_status::parked);
  REQUIRE(s.facts("a").size() == 1);
  CHECK(test::text_of(s.facts("a")[0]) == test::text_of(fact_with(1)));
  CHECK(s.questions("a").size() == 1);
  CHECK(test::sql(file.path()).value("pragma integrity_check") == "ok");
}

TEST_CASE("A sqlite_store commits many facts in one transaction") {
  const test::store_file file;
  ag::sqlite_store s{file.path()};
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  test::sql other(file.path());
  other.execute("begin immediate");  // nothing can be committed meanwhile
  for (std::uint64_t i = 1; i <= 1000; ++i) j->write(fact_with(i));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(c.count() == 0);
  other.execute("commit");
  REQUIRE(c.waits_for(1000));
  CHECK(c.commits() <= 2);  // of those that it had found at first, and of all others
  CHECK(s.facts("a").size() == 1000);
}

TEST_CASE("Whoever looks at a sqlite_store does not wait for whoever writes it") {
  const test::store_file file;
  ag::sqlite_store s{file.path()};
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  j->write(fact_with(1));
  REQUIRE(c.waits_for(1));
  test::sql other(file.path());
  other.execute("begin immediate; update run set changed = 0");
  ag::sqlite_store looking{file.path()};
  CHECK(looking.runs().size() == 1);
  CHECK(looking.facts("a").size() == 1);
  other.execute("rollback");
}

TEST_CASE("Two sqlite_stores of one process do not execute the same run") {
  const test::store_file file;
  ag::sqlite_store one{file.path()};
  ag::sqlite_store two{file.path()};
  recording_client c;
  recording_client d;
  {
    const auto j = one.open(claim_of("a"), c);
    CHECK_THROWS_WITH(
        two.open(claim_of("a"), d), Contains(fmt::format("'a' is being executed, by process {}", ::getpid())));
  }
  CHECK(two.open(claim_of("a"), d)->info().epoch == 1);
}

TEST_CASE("A run is told what was done to it through another sqlite_store") {
  const test::store_file file;
  ag::sqlite_store one{file.path()};
  recording_client c;
  const auto j = one.open(claim_of("a"), c);
  j->ask(test::question_with("t", "a"));
  REQUIRE(c.waits_for(1));
  ag::sqlite_store two{file.path()};
  SECTION("an answer") {
    two.answer("t", "1");
    REQUIRE(c.waits_for_answer());
    CHECK(c.answers().at(0) == std::pair<std::string, std::string>("t", "1"));
    CHECK_THROWS_AS(one.answer("t", "2"), ag::store_error);
  }
  SECTION("a cancellation, also after others of runs that are gone") {
    for (const char* id : {"b", "c"}) {
      recording_client d;
      static_cast<void>(two.open(claim_of(id), d));
      two.cancel(id);
      two.erase(id);
    }
    two.cancel("a");
    CHECK(c.waits_for_cancel());
  }
}

TEST_CASE("A run that somebody else has taken over writes nothing any more") {
  const test::store_file file;
  ag::sqlite_store one{file.path()};
  recording_client c;
  const auto j = one.open(claim_of("a"), c);
  j->write(fact_with(1));
  REQUIRE(c.waits_for(1));
  // As if this process had been taken for dead.
  test::sql(file.path()).execute("update run set owner = '1 1 another-boot 1'");
  CHECK(one.find("a").value().owner.empty());
  ag::sqlite_store two{file.path()};
  recording_client d;
  const auto k = two.open(claim_of("a"), d);
  CHECK(test::numbers_of(k->take_facts()) == std::vector<std::uint64_t>{1});

  SECTION("what it writes is refused") {
    j->write(fact_with(2));
    j->end(ag::run_status::done, "1", std::nullopt);
  }
  SECTION("it is told even if it writes nothing") {}
  CHECK_THAT(c.failure(), Contains("'a' has been taken over"));
  CHECK_THROWS_AS(std::rethrow_exception(c.why()), ag::lease_lost);
  CHECK(c.count() == 1);
  k->write(fact_with(3));
  REQUIRE(d.waits_for(1));
  CHECK(test::numbers_of(one.facts("a")) == std::vector<std::uint64_t>{1, 3});
  CHECK(one.find("a").value().status == ag::run_status::running);
}

TEST_CASE("A run that was taken over is not given up by whoever had it") {
  const test::store_file file;
  ag::sqlite_store one{file.path()};
  recording_client c;
  auto j = one.open(claim_of("a"), c);
  test::sql(file.path()).execute("update run set owner = '1 1 another-boot 1'");
  recording_client d;
  const auto k = one.open(claim_of("a"), d);
  j.reset();
  CHECK_FALSE(one.find("a").value().owner.empty());
  one.cancel("a");
  CHECK(d.waits_for_cancel());
}

TEST_CASE("A run that was erased and made again is not written by whoever had the first one") {
  const test::store_file file;
  ag::sqlite_store s{file.path()};
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  test::sql(file.path()).execute("update run set owner = null");
  s.erase("a");
  recording_client d;
  const auto k = s.open(claim_of("a"), d);
  j->write(fact_with(1));
  CHECK_THAT(c.failure(), Contains("taken over by another process, or erased"));
  CHECK(s.facts("a").empty());
}

TEST_CASE("Large texts of facts stand in a table of their own") {
  const test::store_file file;
  ag::sqlite_store s{file.path()};
  {
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    for (std::uint64_t i = 1; i <= 4; ++i) {
      ag::fact f = fact_with(i);
      f.value = std::string(64 * 1024 + (i % 2), 'x');
      j->write(f);
    }
  }
  test::sql other(file.path());
  CHECK(other.number("select count(*) from large") == 2);
  CHECK(other.number("select max(length(value)) from fact") == 64 * 1024);
  s.fork("a", "b", {1});
  CHECK(other.number("select count(*) from large") == 3);
  s.forget("a", {1});
  CHECK(other.number("select count(*) from large") == 2);
  s.erase("a");
  s.erase("b");
  CHECK(other.number("select count(*) from large") == 0);
}

TEST_CASE("A text that is too long is refused, with what the run writes after it") {
  const test::store_file file;
  ag::sqlite_store s{file.path()};
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  j->write(fact_with(1));
  ag::fact f = fact_with(2);
  f.value.resize(256 * 1024 * 1024 + 1);
  j->write(std::move(f));
  j->write(fact_with(3));
  CHECK_THAT(
      c.failure(), Contains("the value of fact 'main/2' of run 'a' has 268435457 bytes, and a store keeps 268435456"));
  CHECK(c.count() == 1);
  CHECK(s.facts("a").size() == 1);
}

// --- the schema
namespace {

/// A file as the first version made it.
constexpr const char* version_1 = R"(
create table run(number integer primary key autoincrement, id text not null unique, status integer not null,
  epoch integer not null, owner text, cancel_requested integer not null default 0, signal integer not null default 0,
  created integer not null, changed integer not null, due integer, forked_from text not null) strict;
create index run_signal on run(signal) where signal > 0;
create table detail(run integer primary key, program text not null, version text not null, arguments text not null,
  structure text not null, outcome text not null default '') strict;
create table tool(number integer primary key, name text not null, version text not null, unique(name, version)) strict;
create table fact(key integer primary key, number integer not null, kind integer not null, state integer not null,
  attempts integer not null, path text not null, tool integer, name text, arguments text, value text, made integer,
  started integer, ended integer) strict;
create table large(fact integer not null, field integer not null, body text not null, unique(fact, field)) strict;
create table question(number integer primary key, token text not null unique, run integer not null, path text not null,
  kind text not null, prompt text not null, choices text not null, deadline integer, answer text) strict;
create index question_run on question(run);
create table signal(last integer not null) strict;
insert into signal values(5);
insert into run values(3, 'old', 1, 2, '1 2 long-ago 3', 0, 5, 1700000000000000000, 1700000001000000000,
  1700000002000000000, 'older');
insert into detail values(3, 'nightly', '7', '[1,2]', '{}', '');
insert into tool values(1, 'fetch', '2');
insert into fact values((3 << 32) + 1, 1, 1, 4, 3, 'main/1', 1, null, '[1]', '{"value":1}', 1700000000010000000,
  1700000000011000000, 1700000000015000000);
insert into fact values((3 << 32) + 2, 2, 6, 3, 0, 'main/2', null, 'now', '', null, null, null, null);
insert into large values((3 << 32) + 2, 2, 'large');
insert into question values(1, 't', 3, 'main/1', 'choice', 'which?', '["a","b"]', null, null);
pragma application_id = 0x41475230;
pragma user_version = 1;
)";

}  // namespace

TEST_CASE("A file of the first version is read and gone on with") {
  const test::store_file file;
  test::sql(file.path()).execute(version_1);
  ag::sqlite_store s{file.path()};
  const auto i = s.find("old").value();
  CHECK(i.program == "nightly");
  CHECK(i.status == ag::run_status::parked);
  CHECK(i.epoch == 2);
  CHECK(i.owner.empty());
  CHECK(i.forked_from == "older");
  CHECK(i.due.value().time_since_epoch() == std::chrono::seconds(1'700'000'002));
  const auto facts = s.facts("old");
  REQUIRE(facts.size() == 2);
  ag::fact first = fact_with(1);
  first.phases.clear();  // of which the first version knew nothing, nor of slots
  CHECK(test::text_of(facts[0]) == test::text_of(first));
  CHECK(i.slots == 0);
  CHECK(facts[1].kind == ag::fact_kind::value);
  CHECK(facts[1].name == "now");
  CHECK(facts[1].value == "large");
  CHECK(s.questions().at(0).run_id == "old");

  recording_client c;
  const auto j = s.open(claim_of("old"), c);
  j->write(fact_with(3));
  REQUIRE(c.waits_for(1));
  s.answer("t", "1");
  CHECK(s.facts("old").size() == 3);
  CHECK(test::sql(file.path()).value("select sql from sqlite_schema where name = 'large'") ==
        "CREATE TABLE large(fact integer not null, field integer not null, body text not null, unique(fact, field)) "
        "strict");
}

TEST_CASE("A new file has the same tables as one that was brought up to date") {
  const test::store_file file;
  {
    const ag::sqlite_store made{file.path("new.db")};
  }
  test::sql(file.path("old.db")).execute(version_1);
  {
    const ag::sqlite_store opened{file.path("old.db")};
  }
  // In one line, without spaces that mean nothing.
  const std::string schema =
      "select group_concat(replace(replace(replace(sql, char(10), ''), ' ', ''), ',', ', '), ';') from (select sql "
      "from "
      "sqlite_schema where sql is not null order by name)";
  test::sql made(file.path("new.db"));
  test::sql opened(file.path("old.db"));
  CHECK(made.value(schema) == opened.value(schema));
  CHECK(made.value("pragma user_version") == opened.value("pragma user_version"));
  CHECK(made.value("pragma application_id") == opened.value("pragma application_id"));
}

TEST_CASE("in a simulation, a question is asked when the store has it, though others wait for who asks") {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const test::store_file file;
    ag::sqlite_store store{file.path(), {.synchronous = ag::synchronous::normal}};
    ag::semaphore one{1};
    const ag::graph_fn agent{"agent", [&](ag::context& ctx) -> ag::task<int> {
      auto asks = [](ag::semaphore& s, ag::context& c) -> ag::task<bool> {
        const auto permit = co_await s.acquire();
        co_return co_await c.channel().ask_approval("Well?");
      };
      auto waits = [](ag::semaphore& s) -> ag::task<int> {
        const auto permit = co_await s.acquire();
        co_return 2;
      };
      const auto [a, b] = co_await ag::gather(asks(one, ctx), waits(one));
      co_return a + b;
    }};
    ag::callback_channel answers{[&](std::string_view) {
      for (const ag::question& q : store.questions("a")) ag::deliver(store, q.token, true);
    }};
    const ag::run_options o{.channel = &answers, .store = &store, .run_id = "a"};
    ag::testing::simulation sim{seed};
    CHECK(sim.run(agent(), o) == 3);
  }
}
