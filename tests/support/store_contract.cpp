#include "support/store_contract.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "support/catch.hpp"

namespace test {

using namespace std::chrono_literals;
using time_point = std::chrono::system_clock::time_point;

// --- the client
void recording_client::committed(std::uint64_t count) noexcept {
  const std::lock_guard lock(mutex_);
  count_ = count;
  ++commits_;
  changed_.notify_all();
}
void recording_client::failed(std::exception_ptr why) noexcept {
  const std::lock_guard lock(mutex_);
  why_ = std::move(why);
  changed_.notify_all();
}
void recording_client::answered(std::string_view token, std::string_view answer) noexcept {
  const std::lock_guard lock(mutex_);
  answers_.emplace_back(token, answer);
  changed_.notify_all();
}
void recording_client::cancel_requested() noexcept {
  const std::lock_guard lock(mutex_);
  is_cancelled_ = true;
  changed_.notify_all();
}

template <class Predicate>
bool recording_client::waits(Predicate is_true) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, 30s, is_true);
}
bool recording_client::waits_for(std::uint64_t count) {
  return waits([&] { return count_ >= count || why_; }) && this->count() >= count;
}
std::string recording_client::failure() {
  if (!waits([&] { return bool(why_); })) return "";
  try {
    std::rethrow_exception(why());
  } catch (const ag::store_error& e) {
    return e.what();
  }
}
bool recording_client::waits_for_answer() {
  return waits([&] { return !answers_.empty(); });
}
bool recording_client::waits_for_cancel() {
  return waits([&] { return is_cancelled_; });
}

std::uint64_t recording_client::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}
int recording_client::commits() const {
  const std::lock_guard lock(mutex_);
  return commits_;
}
std::exception_ptr recording_client::why() const {
  const std::lock_guard lock(mutex_);
  return why_;
}
std::vector<std::pair<std::string, std::string>> recording_client::answers() const {
  const std::lock_guard lock(mutex_);
  return answers_;
}

// --- what is written
ag::fact fact_with(std::uint64_t number) {
  const time_point made(std::chrono::milliseconds(1'700'000'000'000 + 10 * static_cast<std::int64_t>(number)));
  return {.number = number,
      .kind = ag::fact_kind::call,
      .state = ag::node_state::failed,
      .attempts = 3,
      .path = fmt::format("main/{}", number),
      .name = "fetch",
      .version = "2",
      .arguments = fmt::format("[{}]", number),
      .value = fmt::format("{{\"value\":{}}}", number),
      .made = made,
      .started = made + 1ms,
      .ended = made + 5ms,
      .phases = {{ag::node_phase::pool, made}, {ag::node_phase::delay, made - 1ns}}};
}

ag::run_claim claim_of(std::string id) {
  return {
      .id = std::move(id), .program = "nightly", .version = "7", .arguments = "[1,2]", .structure = "{}", .slots = 4};
}

ag::question question_with(std::string token, std::string run) {
  return {.token = std::move(token),
      .run_id = std::move(run),
      .path = "main/1",
      .kind = ag::question_kind::choice,
      .prompt = "which?",
      .choices = {"a", "b"}};
}

std::string text_of(const ag::fact& f) {
  std::string text = fmt::format("{} {} {} {} '{}' '{}' '{}' '{}' '{}' {} {} {}", f.number, to_string(f.kind),
      to_string(f.state), f.attempts, f.path, f.name, f.version, f.arguments, f.value,
      f.made.time_since_epoch().count(), f.started.time_since_epoch().count(), f.ended.time_since_epoch().count());
  for (const ag::recorded_phase& p : f.phases)
    text += fmt::format(" {} {}", to_string(p.what), p.begin.time_since_epoch().count());
  return text;
}

std::vector<std::uint64_t> numbers_of(const std::vector<ag::fact>& facts) {
  std::vector<std::uint64_t> numbers;
  for (const ag::fact& f : facts) numbers.push_back(f.number);
  return numbers;
}

// --- the cases
namespace {

using numbers = std::vector<std::uint64_t>;

/// Opens a run and gives it up again, with so many facts written.
void write_run(ag::run_store& s, const std::string& id, std::uint64_t facts = 0) {
  recording_client c;
  const auto j = s.open(claim_of(id), c);
  for (std::uint64_t i = 1; i <= facts; ++i) j->write(fact_with(i));
  REQUIRE(c.waits_for(facts));
}

void makes_a_run_of_its_claim(ag::run_store& s) {
  const auto before = std::chrono::system_clock::now() - 1s;
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  CHECK(j->take_facts().empty());
  CHECK(j->info().id == "a");
  CHECK(j->info().epoch == 0);
  const auto i = s.find("a");
  REQUIRE(i);
  CHECK(i->program == "nightly");
  CHECK(i->version == "7");
  CHECK(i->arguments == "[1,2]");
  CHECK(i->structure == "{}");
  CHECK(i->slots == 4);
  CHECK(i->status == ag::run_status::running);
  CHECK(i->outcome.empty());
  CHECK_FALSE(i->owner.empty());
  CHECK(i->epoch == 1);
  CHECK(i->created > before);
  CHECK(i->changed >= i->created);
  CHECK_FALSE(i->due);
  CHECK(i->forked_from.empty());
  CHECK_FALSE(i->cancel_requested);
}

void gives_facts_back_as_they_were_written(ag::run_store& s) {
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  std::vector<ag::fact> written{fact_with(1), ag::fact{}, fact_with(7)};
  written[1].kind = ag::fact_kind::value;
  written[1].name = std::string("a\0b\xff", 4);
  written[1].made = time_point(-1ns);
  written[2].kind = ag::fact_kind::answer;
  written[2].version.clear();
  written[2].value = std::string(200'000, 'x');
  written[2].arguments = std::string(64 * 1024 + 1, 'y');
  for (const ag::fact& f : written) j->write(f);
  REQUIRE(c.waits_for(3));
  const auto read = s.facts("a");
  REQUIRE(read.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(text_of(read[i]) == text_of(written[i]));
}

void keeps_the_order_of_writing(ag::run_store& s) {
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  for (const std::uint64_t n : numbers{5, 3, 9}) j->write(fact_with(n));
  REQUIRE(c.waits_for(3));
  CHECK(numbers_of(s.facts("a")) == numbers{5, 3, 9});
  CHECK(numbers_of(s.facts("a", 1)) == numbers{3, 9});
  CHECK(s.facts("a", 4).empty());
}

void counts_everything_that_is_written(ag::run_store& s) {
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  j->write(fact_with(1));
  j->ask(question_with("t", "a"));
  j->ask(question_with("t", "a"));
  j->withdraw("t");
  j->withdraw("unknown");
  j->end(ag::run_status::done, "1", std::nullopt);
  CHECK(c.waits_for(6));
  CHECK_FALSE(c.why());
}

void gives_whoever_opens_it_again_what_was_recorded(ag::run_store& s) {
  write_run(s, "a", 2);
  write_run(s, "b", 1);
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  CHECK(j->info().epoch == 1);
  j->write(fact_with(3));
  REQUIRE(c.waits_for(1));
  CHECK(numbers_of(s.facts("a")) == numbers{1, 2, 3});
}

void takes_the_facts_from_before(ag::run_store& s) {
  write_run(s, "a", 2);
  recording_client c;
  CHECK(numbers_of(s.open(claim_of("a"), c)->take_facts()) == numbers{1, 2});
}

void writes_what_is_pending_before_it_gives_a_run_up(ag::run_store& s) {
  {
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    for (std::uint64_t i = 1; i <= 100; ++i) j->write(fact_with(i));
  }
  CHECK(s.facts("a").size() == 100);
  CHECK(s.find("a").value().owner.empty());
}

void lets_one_at_a_time_open_a_run(ag::run_store& s) {
  recording_client c;
  recording_client other;
  {
    const auto j = s.open(claim_of("a"), c);
    CHECK_THROWS_AS(s.open(claim_of("a"), other), ag::run_busy);
    CHECK_THROWS_WITH(s.open(claim_of("a"), other), Catch::Matchers::Contains("'a' is being executed, by"));
    CHECK_THROWS_AS(s.forget("a", {}), ag::run_busy);
    CHECK_THROWS_AS(s.restate(claim_of("a")), ag::run_busy);
    CHECK_THROWS_AS(s.erase("a"), ag::run_busy);
    static_cast<void>(s.open(claim_of("b"), other));
  }
  static_cast<void>(s.open(claim_of("a"), other));
  CHECK(s.find("a").value().epoch == 2);
}

void lists_runs_oldest_first(ag::run_store& s) {
  for (const char* id : {"c", "a", "b"}) write_run(s, id);
  std::string ids;
  for (const ag::stored_run& i : s.runs()) ids += i.id;
  CHECK(ids == "cab");
}

void knows_nothing_of_other_runs(ag::run_store& s) {
  CHECK(s.runs().empty());
  CHECK_FALSE(s.find("a"));
  CHECK(s.questions().empty());
  CHECK_THROWS_WITH(s.facts("a"), Catch::Matchers::Contains("there is no run 'a'"));
  CHECK_THROWS_AS(s.questions("a"), ag::store_error);
  CHECK_THROWS_AS(s.cancel("a"), ag::store_error);
  CHECK_THROWS_AS(s.forget("a", {}), ag::store_error);
  CHECK_THROWS_AS(s.fork("a", "b", {}), ag::store_error);
  CHECK_THROWS_AS(s.restate(claim_of("a")), ag::store_error);
  CHECK_THROWS_AS(s.erase("a"), ag::store_error);
  CHECK_THROWS_WITH(s.answer("t", "1"), Catch::Matchers::Contains("there is no open question 't'"));
}

void tells_a_run_the_first_answer(ag::run_store& s) {
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  ag::question q = question_with("t", "a");
  q.deadline = std::chrono::system_clock::now() + 1h;
  j->ask(q);
  REQUIRE(c.waits_for(1));
  const auto open = s.questions();
  REQUIRE(open.size() == 1);
  CHECK(open[0].token == "t");
  CHECK(open[0].run_id == "a");
  CHECK(open[0].path == "main/1");
  CHECK(open[0].kind == ag::question_kind::choice);
  CHECK(open[0].prompt == "which?");
  CHECK(open[0].choices == std::vector<std::string>{"a", "b"});
  CHECK(open[0].deadline == q.deadline);
  CHECK_FALSE(open[0].answer);

  s.answer("t", "\"b\"");
  REQUIRE(c.waits_for_answer());
  CHECK(c.answers() == std::vector<std::pair<std::string, std::string>>{{"t", "\"b\""}});
  CHECK_THROWS_WITH(s.answer("t", "\"a\""), Catch::Matchers::Contains("'t' has been answered before"));
  CHECK(s.questions("a").at(0).answer == "\"b\"");
}

void answers_a_question_that_is_asked_again(ag::run_store& s) {
  {
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    j->ask(question_with("t", "a"));
    j->ask(question_with("u", "a"));
  }
  s.answer("t", "1");
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  j->ask(question_with("u", "a"));
  j->ask(question_with("t", "a"));
  REQUIRE(c.waits_for(2));
  REQUIRE(c.waits_for_answer());
  CHECK(c.answers() == std::vector<std::pair<std::string, std::string>>{{"t", "1"}});
  CHECK(s.questions("a").size() == 2);
}

void takes_no_answer_after_the_deadline(ag::run_store& s) {
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  ag::question q = question_with("t", "a");
  q.deadline = std::chrono::system_clock::now() - 1s;
  j->ask(q);
  REQUIRE(c.waits_for(1));
  CHECK_THROWS_WITH(s.answer("t", "1"), Catch::Matchers::Contains("'t': its deadline has passed"));
  CHECK(c.answers().empty());
}

void forgets_questions_that_are_withdrawn(ag::run_store& s) {
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  j->ask(question_with("t", "a"));
  j->withdraw("t");
  REQUIRE(c.waits_for(2));
  CHECK(s.questions("a").empty());
  CHECK_THROWS_AS(s.answer("t", "1"), ag::store_error);
}

void keeps_what_a_run_has_come_to(ag::run_store& s) {
  {
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    for (const char* token : {"t", "u"}) j->ask(question_with(token, "a"));
    REQUIRE(c.waits_for(2));
    s.answer("t", "1");
    j->end(ag::run_status::done, "42", std::nullopt);
  }
  const auto i = s.find("a").value();
  CHECK(i.status == ag::run_status::done);
  CHECK(i.outcome == "42");
  CHECK(i.owner.empty());
  REQUIRE(s.questions("a").size() == 1);  // nobody waits for the other one any more
  CHECK(s.questions("a")[0].token == "t");

  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  CHECK(j->info().status == ag::run_status::done);
  CHECK(j->info().outcome == "42");
  CHECK(s.find("a").value().status == ag::run_status::done);
  recording_client also;
  const auto beside = s.open(claim_of("a"), also);
  CHECK(beside->info().outcome == "42");
  CHECK(s.find("a").value().owner.empty());
  CHECK(s.find("a").value().epoch == 1);
}

void has_a_parked_run_run_when_it_is_opened(ag::run_store& s) {
  const time_point due = std::chrono::system_clock::now() + 1h;
  {
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    j->ask(question_with("t", "a"));
    j->end(ag::run_status::parked, "", due);
  }
  CHECK(s.find("a").value().status == ag::run_status::parked);
  CHECK(s.find("a").value().due == due);
  CHECK(s.questions("a").size() == 1);

  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  CHECK(j->info().status == ag::run_status::parked);
  CHECK(s.find("a").value().status == ag::run_status::running);
  CHECK_FALSE(s.find("a").value().due);
}

void tells_a_run_that_it_is_cancelled(ag::run_store& s) {
  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  s.cancel("a");
  CHECK(c.waits_for_cancel());
  CHECK(s.find("a").value().status == ag::run_status::running);
  CHECK(s.find("a").value().cancel_requested);
}

void cancels_a_run_that_nobody_executes(ag::run_store& s) {
  {
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    j->ask(question_with("t", "a"));
    j->end(ag::run_status::parked, "", std::nullopt);
  }
  s.cancel("a");
  CHECK(s.find("a").value().status == ag::run_status::cancelled);
  CHECK(s.questions("a").empty());
  CHECK_THROWS_WITH(s.cancel("a"), Catch::Matchers::Contains("'a' has ended: it is cancelled"));
}

void forgets_facts_with_their_questions(ag::run_store& s) {
  {
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    ag::fact big = fact_with(1);
    big.value = std::string(100'000, 'x');
    j->write(big);
    j->write(fact_with(2));
    j->write(fact_with(3));
    j->ask(question_with("t", "a"));  // of the first one
    j->end(ag::run_status::failed, "\"why\"", std::nullopt);
  }
  s.forget("a", {1, 3, 12});
  CHECK(numbers_of(s.facts("a")) == numbers{2});
  CHECK(s.questions("a").empty());
  CHECK(s.find("a").value().status == ag::run_status::running);
  CHECK(s.find("a").value().outcome.empty());

  recording_client c;
  const auto j = s.open(claim_of("a"), c);
  j->write(fact_with(1));
  REQUIRE(c.waits_for(1));
  CHECK(numbers_of(s.facts("a")) == numbers{2, 1});
}

void forks_a_run_without_some_facts(ag::run_store& s) {
  {
    recording_client c;
    const auto j = s.open(claim_of("a"), c);
    for (std::uint64_t i = 1; i <= 3; ++i) {
      ag::fact f = fact_with(i);
      f.value = std::string(100'000 * i, 'x');
      j->write(f);
    }
    j->end(ag::run_status::parked, "", std::chrono::system_clock::now());
  }
  s.fork("a", "b", {2});
  const auto i = s.find("b").value();
  CHECK(i.program == "nightly");
  CHECK(i.arguments == "[1,2]");
  CHECK(i.status == ag::run_status::running);
  CHECK(i.owner.empty());
  CHECK(i.epoch == 0);
  CHECK(i.forked_from == "a");
  CHECK_FALSE(i.due);
  const auto facts = s.facts("b");
  REQUIRE(numbers_of(facts) == numbers{1, 3});
  CHECK(facts[1].value.size() == 300'000);
  CHECK_THROWS_WITH(s.fork("a", "b", {}), Catch::Matchers::Contains("there is a run 'b' already"));

  s.erase("a");
  CHECK_FALSE(s.find("a"));
  CHECK(s.facts("b").size() == 2);
  write_run(s, "a");
  CHECK(s.facts("a").empty());
}

void restates_what_a_run_is(ag::run_store& s) {
  write_run(s, "a", 1);
  s.restate({.id = "a", .program = "p", .version = "8", .arguments = "[]", .structure = ""});
  const auto i = s.find("a").value();
  CHECK(i.program == "p");
  CHECK(i.version == "8");
  CHECK(i.arguments == "[]");
  CHECK(i.structure.empty());
  CHECK(s.facts("a").size() == 1);
}

void serves_many_runs_at_once(ag::run_store& s) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&s, t] {
      recording_client c;
      const auto j = s.open(claim_of(fmt::format("run {}", t)), c);
      for (std::uint64_t i = 1; i <= 300; ++i) {
        j->write(fact_with(i));
        if (i % 50 == 0) static_cast<void>(c.waits_for(i));
      }
    });
  for (std::thread& t : threads) t.join();
  REQUIRE(s.runs().size() == 4);
  for (const ag::stored_run& i : s.runs()) {
    const auto found = numbers_of(s.facts(i.id));
    CHECK(found.size() == 300);
    CHECK(std::is_sorted(found.begin(), found.end()));
  }
}

constexpr contract_case cases[] = {
    {"makes a run of its claim", makes_a_run_of_its_claim},
    {"gives facts back as they were written", gives_facts_back_as_they_were_written},
    {"keeps the order of writing", keeps_the_order_of_writing},
    {"counts everything that is written", counts_everything_that_is_written},
    {"gives whoever opens a run again what was recorded", gives_whoever_opens_it_again_what_was_recorded},
    {"takes the facts from before", takes_the_facts_from_before},
    {"writes what is pending before it gives a run up", writes_what_is_pending_before_it_gives_a_run_up},
    {"lets one at a time open a run", lets_one_at_a_time_open_a_run},
    {"lists runs, the oldest first", lists_runs_oldest_first},
    {"knows nothing of other runs", knows_nothing_of_other_runs},
    {"tells a run the first answer", tells_a_run_the_first_answer},
    {"answers a question that is asked again", answers_a_question_that_is_asked_again},
    {"takes no answer after the deadline", takes_no_answer_after_the_deadline},
    {"forgets questions that are withdrawn", forgets_questions_that_are_withdrawn},
    {"keeps what a run has come to", keeps_what_a_run_has_come_to},
    {"has a parked run run when it is opened", has_a_parked_run_run_when_it_is_opened},
    {"tells a run that it is cancelled", tells_a_run_that_it_is_cancelled},
    {"cancels a run that nobody executes", cancels_a_run_that_nobody_executes},
    {"forgets facts with their questions", forgets_facts_with_their_questions},
    {"forks a run without some facts", forks_a_run_without_some_facts},
    {"restates what a run is", restates_what_a_run_is},
    {"serves many runs at once", serves_many_runs_at_once},
};

}  // namespace

std::span<const contract_case> store_contract() { return cases; }

}  // namespace test
