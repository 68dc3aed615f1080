// What a sqlite_store says when its file cannot do what it should.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "aethergraph/sqlite.hpp"
#include "support/catch.hpp"
#include "support/store_contract.hpp"
#include "support/store_file.hpp"

namespace ag = aethergraph;
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using test::claim_of;
using test::fact_with;
using test::recording_client;

namespace {

/// A file with a run 'a' of so many facts, that nobody has open.
void make_run(const std::string& path, std::uint64_t facts) {
  ag::sqlite_store s{path};
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  for (std::uint64_t i = 1; i <= facts; ++i) j->write(fact_with(i));
}

/// What opening and reading everything says; "" if all of it is there.
std::string complaint_of(const std::string& path) {
  try {
    ag::sqlite_store s{path};
    for (const ag::stored_run& i : s.runs()) static_cast<void>(s.facts(i.id));
    static_cast<void>(s.questions());
    return "";
  } catch (const ag::store_error& e) {
    return e.what();
  }
}

void write_text(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

/// Whoever may do everything does not see what others may not.
void become_nobody() {
  if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(4);
}

}  // namespace

TEST_CASE("A run fails when the disk is full, and nothing that was committed is lost") {
  const test::store_file file;
  std::uint64_t committed = 0;
  {
    ag::sqlite_store s{file.path(), {.max_bytes = 200'000}};
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    for (std::uint64_t i = 1; i <= 5000 && !c.why(); ++i) {
      j->write(fact_with(i));
      if (i % 100 == 0) static_cast<void>(c.waits_for(i));
    }
    CHECK_THAT(c.failure(),
        Contains(file.path()) && Contains("no room") && Contains("make room and resume") && Contains("is full"));
    committed = c.count();
    CHECK(committed > 100);
    CHECK(s.facts("a").size() == committed);
    j->write(fact_with(1));  // nothing comes of it
  }
  ag::sqlite_store s{file.path()};
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  CHECK(j->take_facts().size() == committed);
  j->write(fact_with(1));
  CHECK(c.waits_for(1));
}

TEST_CASE("Other members of a store on a full disk say so, too") {
  const test::store_file file;
  ag::sqlite_store s{file.path(), {.max_bytes = 1}};
  recording_client c;
  std::string said;
  try {
    for (int i = 0; i < 10'000; ++i) static_cast<void>(s.open(claim_of(fmt::format("run {}", i)), c));
  } catch (const ag::store_error& e) {
    said = e.what();
  }
  CHECK_THAT(said, Contains("no room"));
  CHECK(s.runs().size() > 0);
}

TEST_CASE("A run fails when another process keeps the file locked") {
  const test::store_file file;
  ag::sqlite_store s{file.path(), {.busy_timeout = 50ms}};
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  test::sql other(file.path());
  other.execute("begin immediate");
  j->write(fact_with(1));
  CHECK_THAT(c.failure(), Contains(file.path()) && Contains("locked by another process for more than 50 ms") &&
                              Contains("longer busy_timeout"));
  CHECK_THROWS_WITH(s.cancel("a"), Contains("locked by another process"));
  CHECK(s.runs().size() == 1);
  other.execute("commit");
  CHECK_NOTHROW(s.cancel("a"));
}

TEST_CASE("A run that could not be given up is not held by anybody") {
  const test::store_file file;
  ag::sqlite_store s{file.path(), {.busy_timeout = 10ms}};
  recording_client c;
  auto j = s.open(claim_of("a"), c);
  {
    test::sql other(file.path());
    other.execute("begin immediate");
    j.reset();
    other.execute("commit");
    CHECK(other.number("select owner is not null from run") == 1);
  }
  CHECK(s.find("a").value().owner.empty());
  CHECK_NOTHROW(s.open(claim_of("a"), c));
}

TEST_CASE("A file that cannot be written can be looked at") {
  const test::store_file file;
  make_run(file.path(), 3);
  fs::permissions(file.directory(), fs::perms::all);
  fs::permissions(file.path(), fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
  const test::child nobody([&](auto& line) {
    become_nobody();
    ag::sqlite_store s{file.path()};
    line.say(fmt::format("{} facts", s.facts("a").size()));
    recording_client c;
    static_cast<void>(s.open(claim_of("a"), c));
  });
  CHECK(nobody.hear() == "3 facts");
  CHECK_THAT(nobody.hear(), Contains(file.path()) && Contains("cannot be written: this user needs the right"));
}

TEST_CASE("A store in a directory that cannot be written says so") {
  const test::store_file file;
  SECTION("there is a file") {
    make_run(file.path(), 1);
    fs::permissions(file.path(), fs::perms::all);
  }
  SECTION("there is none") {}
  fs::permissions(file.directory(), fs::perms::owner_read | fs::perms::owner_exec | fs::perms::group_read |
                                        fs::perms::group_exec | fs::perms::others_read | fs::perms::others_exec);
  const test::child nobody([&](auto& line) {
    become_nobody();
    line.say(complaint_of(file.path()));
  });
  CHECK_THAT(nobody.hear(), Contains(file.path()) && Contains("directory"));
  fs::permissions(file.directory(), fs::perms::owner_all);
}

TEST_CASE("A store needs a directory that is there, and a file") {
  const test::store_file file;
  CHECK_THAT(complaint_of(file.path("none/runs.db")), Contains("none/runs.db") && Contains("its directory must exist"));
  CHECK_THAT(complaint_of(file.directory().string()), Contains("cannot be opened"));
  CHECK_THROWS_WITH(ag::sqlite_store{""}, Contains("'' is no name of a file"));
  CHECK_THROWS_WITH(ag::sqlite_store{":memory:"}, Contains("memory_store needs none"));
  CHECK_THROWS_AS((ag::sqlite_store{file.path(), {.busy_timeout = -1ms}}), ag::option_error);
}

TEST_CASE("Files of others are refused, and left as they are") {
  const test::store_file file;
  const std::string path = file.path();
  SECTION("a text") {
    write_text(path, std::string(10'000, 'x'));
    CHECK_THAT(complaint_of(path), Contains(path) && Contains("is no SQLite database: give the store another file"));
    CHECK(fs::file_size(path) == 10'000);
  }
  SECTION("a database with another id") {
    test::sql(path).execute("pragma application_id = 7; create table t(x)");
    CHECK_THAT(complaint_of(path), Contains(path) && Contains("of another program"));
    CHECK(test::sql(path).value("pragma journal_mode") == "delete");
  }
  SECTION("a database without an id") {
    test::sql(path).execute("create table t(x)");
    CHECK_THAT(complaint_of(path), Contains("of another program"));
  }
  SECTION("a newer version") {
    make_run(path, 1);
    test::sql(path).execute("pragma user_version = 1000");
    CHECK_THAT(complaint_of(path),
        Contains(path) && Contains("has version 1000 of the schema") && Contains("use a newer version of the library"));
    CHECK(test::sql(path).value("select count(*) from fact") == "1");
  }
}

TEST_CASE("A damaged file is refused where it is read") {
  const test::store_file file;
  make_run(file.path(), 2000);
  const auto size = fs::file_size(file.path());
  SECTION("cut off") { fs::resize_file(file.path(), size / 2 + 100); }
  SECTION("overwritten") {
    std::fstream f(file.path(), std::ios::binary | std::ios::in | std::ios::out);
    f.seekp(static_cast<std::streamoff>(4096 * 8));
    f << std::string(static_cast<std::size_t>(size) - 4096 * 8, '\x55');
  }
  CHECK_THAT(complaint_of(file.path()), Contains(file.path()) && Contains("is damaged: use a copy of it, or save"));
}

TEST_CASE("A run fails when it comes upon damage") {
  const test::store_file file;
  make_run(file.path(), 2000);
  ag::sqlite_store s{file.path()};
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  REQUIRE(s.facts("a").size() == 2000);
  // Facts are looked for in an index, by all who read the schema again.
  test::sql(file.path())
      .execute(
          "pragma writable_schema = on; update sqlite_schema set rootpage = (select rootpage from sqlite_schema where "
          "name = "
          "'question_run') where name = 'fact'; pragma schema_version = 1000");
  j->write(fact_with(1));
  CHECK_THAT(c.failure(), Contains(file.path()) && Contains("is damaged"));
}

TEST_CASE("What no store writes is refused where it is read") {
  const test::store_file file;
  make_run(file.path(), 1);
  const auto [change, what] = GENERATE(table<std::string, std::string>({{"update fact set phases = '[[1]]'", "[[1]]"},
      {"update fact set phases = '[[99,0]]'", "99"}, {"update fact set kind = 0", "0"},
      {"update fact set state = -1", "-1"}, {"update run set status = 77", "77"}}));
  test::sql(file.path()).execute(change);
  CHECK_THAT(
      complaint_of(file.path()), Contains(file.path()) && Contains("it has '" + what + "' where a store writes"));
}

TEST_CASE("Of a damaged write-ahead log counts what is whole, in the order of writing") {
  const test::store_file file;
  const std::string copy = file.path("copy.db");
  {
    ag::sqlite_store s{file.path()};
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    for (std::uint64_t i = 1; i <= 300; ++i) {
      j->write(fact_with(i));
      if (i % 10 == 0) REQUIRE(c.waits_for(i));
    }
    fs::copy_file(file.path(), copy);
    fs::copy_file(file.path() + "-wal", copy + "-wal");
  }
  const auto size = fs::file_size(copy + "-wal");
  REQUIRE(size > 100'000);
  bool is_whole = false;
  SECTION("cut off") { fs::resize_file(copy + "-wal", size * 2 / 3); }
  SECTION("overwritten") {
    std::fstream f(copy + "-wal", std::ios::binary | std::ios::in | std::ios::out);
    f.seekp(static_cast<std::streamoff>(size * 2 / 3));
    f << std::string(5000, 'x');
  }
  SECTION("whole") { is_whole = true; }
  ag::sqlite_store s{copy};
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  const auto numbers = test::numbers_of(j->take_facts());
  REQUIRE_FALSE(numbers.empty());
  for (std::size_t i = 0; i < numbers.size(); ++i) REQUIRE(numbers[i] == i + 1);
  CHECK((numbers.size() == 300) == is_whole);
  j->write(fact_with(1000));
  CHECK(c.waits_for(1));
  CHECK(test::sql(copy).value("pragma integrity_check") == "ok");
}
