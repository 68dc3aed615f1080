// A sqlite_store that several processes use, some of which are killed.
#include <fmt/format.h>
#include <sys/mman.h>

#include <aethergraph/aethergraph.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/sqlite.hpp"
#include "support/catch.hpp"
#include "support/store_contract.hpp"
#include "support/store_file.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using test::claim_of;
using test::fact_with;
using test::recording_client;

TEST_CASE("A run belongs to the process that has opened it until that dies") {
  const test::store_file file;
  const test::child other([&](auto& line) {
    ag::sqlite_store s{file.path()};
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    j->write(fact_with(1));
    line.say(c.waits_for(1) ? "written" : "not written");
    static_cast<void>(line.hear());
  });
  REQUIRE(other.hear() == "written");
  ag::sqlite_store s{file.path()};
  recording_client c;
  CHECK(s.find("a").value().owner == fmt::format("process {}", other.process()));
  CHECK_THROWS_WITH(s.open(claim_of("a"), c), Contains(fmt::format("by process {}", other.process())));
  CHECK_THROWS_AS(s.erase("a"), ag::run_busy);

  other.kill();
  CHECK(s.find("a").value().owner.empty());
  CHECK(s.find("a").value().status == ag::run_status::running);
  const auto j = s.open(claim_of("a"), c);
  CHECK(j->info().epoch == 1);
  CHECK(j->take_facts().size() == 1);
}

TEST_CASE("A run belongs to nobody whose process number somebody else has by now, or of another boot") {
  const test::store_file file;
  ag::sqlite_store s{file.path()};
  recording_client c;
  static_cast<void>(s.open(claim_of("a"), c));
  test::sql other(file.path());
  auto j = s.open(claim_of("a"), c);
  const std::string owner = other.value("select owner from run");
  j.reset();
  const std::string own_boot = owner.substr(owner.find(' ', owner.find(' ') + 1));
  other.execute(fmt::format("update run set owner = '1 123456789{}'", own_boot));
  CHECK(s.find("a").value().owner.empty());
  other.execute("update run set owner = '1 0 another-boot 5'");
  CHECK(s.find("a").value().owner.empty());
  CHECK_NOTHROW(s.open(claim_of("a"), c));
}

TEST_CASE("A run is answered and cancelled by another process") {
  const test::store_file file;
  const test::child other([&](auto& line) {
    static_cast<void>(line.hear());
    ag::sqlite_store s{file.path()};
    s.answer(s.questions().at(0).token, "\"yes\"");
    s.cancel("a");
    line.say("done");
  });
  ag::sqlite_store s{file.path()};
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  j->ask(test::question_with("t", "a"));
  REQUIRE(c.waits_for(1));
  other.say("now");
  CHECK(c.waits_for_answer());
  CHECK(c.waits_for_cancel());
  CHECK(other.hear() == "done");
}

TEST_CASE("Of two processes that answer a question at once, one wins") {
  const test::store_file file;
  const auto answer = [&](auto& line) {
    for (int i = 0;; ++i) {
      if (line.hear().empty()) return;
      ag::sqlite_store s{file.path()};
      try {
        s.answer(fmt::format("t{}", i), fmt::format("{}", ::getpid()));
        line.say("won");
      } catch (const ag::store_error& e) {
        line.say(e.what());
      }
    }
  };
  const test::child one(answer);
  const test::child two(answer);
  ag::sqlite_store s{file.path()};
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  for (int i = 0; i < 10; ++i) {
    j->ask(test::question_with(fmt::format("t{}", i), "a"));
    REQUIRE(c.waits_for(static_cast<std::uint64_t>(i) + 1));
    one.say("now");
    two.say("now");
    const std::string first = one.hear();
    const std::string second = two.hear();
    REQUIRE((first == "won") != (second == "won"));
    CHECK_THAT(first == "won" ? second : first, Contains("has been answered before"));
    CHECK(s.questions().at(static_cast<std::size_t>(i)).answer.value() ==
          std::to_string((first == "won" ? one : two).process()));
  }
}

TEST_CASE("Two processes make and write the same file at the same time") {
  const test::store_file file;
  const auto write = [&](auto& line) {
    static_cast<void>(line.hear());
    ag::sqlite_store s{file.path()};
    recording_client c;
    const auto j = s.open(claim_of(fmt::format("{}", ::getpid())), c);
    for (std::uint64_t i = 1; i <= 3000; ++i) {
      j->write(fact_with(i));
      if (i % 20 == 0 && !c.waits_for(i)) return line.say(c.failure());
    }
    line.say("written");
  };
  const test::child one(write);
  const test::child two(write);
  one.say("now");
  two.say("now");
  CHECK(one.hear() == "written");
  CHECK(two.hear() == "written");
  ag::sqlite_store s{file.path()};
  for (const test::child* c : {&one, &two}) CHECK(s.facts(std::to_string(c->process())).size() == 3000);
  CHECK(test::sql(file.path()).value("pragma integrity_check") == "ok");
}

TEST_CASE("What a killed process was told to be safe is there, and the file is whole") {
  const test::store_file file;
  void* shared =
      ::mmap(nullptr, sizeof(std::atomic<std::uint64_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(shared != MAP_FAILED);
  auto& safe = *new (shared) std::atomic<std::uint64_t>(0);
  std::uint64_t known = 0;
  for (int round = 0; round < 10; ++round) {
    safe = 0;
    {
      const test::child other([&](auto& line) {
        ag::sqlite_store s{file.path(), {.synchronous = ag::synchronous::normal}};
        recording_client c;
        const auto j = s.open(claim_of("a"), c);
        const std::uint64_t before = j->take_facts().size();
        line.say("open");
        for (std::uint64_t i = 1;; ++i) {
          ag::fact f = fact_with(before + i);
          if (i % 50 == 0) f.value = std::string(100'000, 'x');
          j->write(std::move(f));
          if (i % 7 == 0 && c.waits_for(i)) safe = before + i;
        }
      });
      REQUIRE(other.hear() == "open");
      std::this_thread::sleep_for(std::chrono::milliseconds(5 + 7 * round));
      other.kill();
    }
    CHECK(test::sql(file.path()).value("pragma integrity_check") == "ok");
    ag::sqlite_store s{file.path()};
    const auto numbers = test::numbers_of(s.facts("a"));
    for (std::size_t i = 0; i < numbers.size(); ++i) REQUIRE(numbers[i] == i + 1);
    CHECK(numbers.size() >= safe);
    CHECK(numbers.size() >= known);
    known = numbers.size();
  }
  CHECK(known > 0);
  ::munmap(shared, sizeof(std::atomic<std::uint64_t>));
}

namespace {

/// Counts its calls in a file, and ends its process, or waits there, where it is told to.
int dies_at = -1;
std::string counted_in;
const ag::tool step{"step", [](int x) {
  if (x == dies_at) ::_exit(0);
  if (std::FILE* f = std::fopen(counted_in.c_str(), "a")) {
    std::fprintf(f, "%d\n", x);
    std::fclose(f);
  }
  return x;
}};
const ag::graph_fn summing{"summing", [](int n) -> ag::task<int> {
  int sum = 0;
  for (int i = 1; i <= n; ++i) sum += co_await step(i);
  co_return sum;
}};
const ag::graphify doubled{"doubled", [](ag::node<int> x) {
  const ag::tool twice{"twice", [](int y) { return 2 * y; }};
  return step(twice(step(x).id("first"))).id("last");
}};

/// The calls that were counted, in the order of their numbers.
std::vector<int> counted() {
  std::ifstream in(counted_in);
  std::vector<int> all(std::istream_iterator<int>(in), {});
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

TEST_CASE("Runs of a killed process are recovered by several others, each by one of them") {
  const test::store_file file;
  counted_in = file.path("counted");
  {
    const test::child victim([&](auto&) {
      ag::sqlite_store s{file.path()};
      dies_at = 3;
      std::vector<std::thread> threads;
      // Each thread's run comes to the call that ends them all, or has not even begun.
      for (int i = 0; i < 8; ++i) ag::run(summing(2), {.store = &s, .run_id = fmt::format("ended-{}", i)});
      for (int i = 0; i < 8; ++i)
        threads.emplace_back([&s, i] { ag::run(summing(4), {.store = &s, .run_id = fmt::format("agent-{}", i)}); });
      for (std::thread& t : threads) t.join();
    });
    CHECK(victim.hear().empty());
  }
  std::filesystem::remove(counted_in);
  std::size_t left = 0;
  {
    ag::sqlite_store s{file.path()};
    for (const ag::stored_run& r : s.runs()) left += r.status == ag::run_status::running;
    CHECK(left > 0);
  }
  const auto recovering = [&](auto& line) {
    ag::sqlite_store s{file.path()};
    static_cast<void>(line.hear());
    int done = 0;
    for (const ag::recovered_run& r : ag::recover(s, ag::resumes(summing))) done += r.outcome == ag::recovery::done;
    line.say(std::to_string(done));
  };
  const test::child one(recovering);
  const test::child two(recovering);
  one.say("now");
  two.say("now");
  CHECK(std::stoul(one.hear()) + std::stoul(two.hear()) >= left);
  ag::sqlite_store s{file.path()};
  for (const ag::stored_run& r : s.runs()) {
    CHECK(r.status == ag::run_status::done);
    CHECK(r.outcome == (r.id.starts_with("agent") ? "10" : "3"));
  }
  const std::vector<int> calls = counted();
  for (const int last : {3, 4}) CHECK(static_cast<std::size_t>(std::count(calls.begin(), calls.end(), last)) == left);
  CHECK(test::sql(file.path()).value("pragma integrity_check") == "ok");
}

TEST_CASE("A run in a file is rerun and forked") {
  const test::store_file file;
  counted_in = file.path("counted");
  {
    ag::sqlite_store s{file.path()};
    CHECK(ag::run(doubled(5), {.store = &s, .run_id = "a"}) == 10);
  }
  CHECK(counted() == std::vector{5, 10});
  ag::sqlite_store s{file.path()};
  CHECK(ag::fork(s, "a", "b", {"last"}).size() == 1);
  CHECK(ag::rerun(s, "a", {"tool:twice"}).size() == 2);
  CHECK(ag::run(doubled(5), {.store = &s, .run_id = "a"}) == 10);
  CHECK(counted() == std::vector{5, 10, 10});
  CHECK(ag::run(doubled(5), {.store = &s, .run_id = "b"}) == 10);
  CHECK(counted() == std::vector{5, 10, 10, 10});
  CHECK(s.find("b").value().forked_from == "a");
  CHECK(s.facts("b").size() == s.facts("a").size());
}
