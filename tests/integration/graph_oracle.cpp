// Random static graphs against an oracle that evaluates the same descriptions one step after another.

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "support/catch.hpp"
#include "support/graph_programs.hpp"

namespace {

using namespace test::graphs;
namespace states {
using enum ag::node_state;
}

// --- the oracle

enum class fate : std::uint8_t {
  value,
  failed,
  after_failure,  // skipped: something that it depends on failed
  unmet           // skipped: its condition was false, or that of what it reads
};

/// What became of a value.
struct outcome {
  fate what = fate::value;
  mark read = 0;
  std::vector<int> makers;  // the bodies that it comes after

  [[nodiscard]] bool is_failure() const { return what == fate::failed || what == fate::after_failure; }
};

/// What became of a body.
struct expectation {
  fate what = fate::after_failure;
  mark read = 0;
  std::vector<int> makers;
  bool is_node = false;    // listed by the graph under its label
  bool has_body = true;    // a map has none of its own
  bool is_certain = true;  // else it depends on what else failed first, whether it starts
};

class oracle {
 public:
  explicit oracle(std::size_t bodies) : of(bodies) {}

  std::vector<outcome> evaluate(const program& p, std::vector<outcome> texts, const outcome* guard = nullptr) {
    std::vector<outcome> numbers;
    std::vector<outcome> flags;
    for (const step& s : p.steps) {
      const outcome* const condition = s.flag == none ? nullptr : &flags[s.flag];
      outcome o = evaluate_step(s, texts, numbers, guard, condition);
      (s.what == op::measure ? numbers : s.what == op::decide ? flags : texts).push_back(std::move(o));
    }
    return texts;
  }

  std::vector<expectation> of;  // by id
  std::size_t failures = 0;     // of the graph itself: of nodes, and of elements of maps

 private:
  using outcomes = std::vector<const outcome*>;

  static void take_makers(std::vector<int>& into, const outcome& from) {
    into.insert(into.end(), from.makers.begin(), from.makers.end());
  }

  /// What becomes of something that needs all of `needed`, waits for `before`, and has these conditions.
  static outcome meet(const outcomes& needed, const outcomes& before, const outcomes& conditions) {
    outcome o;
    const auto see = [&](const outcome& x, bool is_needed) {
      if (x.is_failure()) o.what = fate::after_failure;
      else if (x.what == fate::unmet && is_needed && o.what == fate::value) o.what = fate::unmet;
      take_makers(o.makers, x);
    };
    for (const outcome* x : needed) see(*x, true);
    for (const outcome* x : before) see(*x, false);
    for (const outcome* x : conditions) {
      see(*x, true);
      if (o.what == fate::value && x->what == fate::value && !flag_of(x->read)) o.what = fate::unmet;
    }
    return o;
  }

  /// A body that would start so, and reads that.
  outcome body(const duty& d, outcome o, mark read, bool is_node = true) {
    expectation& e = of.at(static_cast<std::size_t>(d.id));
    if (o.what == fate::value && d.fails) o.what = fate::failed;
    if (o.what == fate::failed && is_node) failures += counts_;
    e.what = o.what;
    e.read = read;
    e.makers = std::move(o.makers);
    e.is_node = is_node;
    e.is_certain = is_certain_;
    return {o.what, mix(static_cast<mark>(d.id), read), {d.id}};
  }

  outcome evaluate_step(const step& s, const std::vector<outcome>& texts, const std::vector<outcome>& numbers,
      const outcome* guard, const outcome* own_condition) {
    outcomes in;
    std::vector<mark> read;
    for (const std::size_t t : s.texts) {
      in.push_back(&texts[t]);
      read.push_back(texts[t].read);
    }
    outcomes before;
    for (const std::size_t t : s.after) before.push_back(&texts[t]);
    // A guard from outside is that of everything in a sub-graph; one of its own is that of what comes out.
    outcomes conditions;
    if (guard) conditions.push_back(guard);
    outcomes last_conditions = conditions;
    if (own_condition) last_conditions.push_back(own_condition);
    const auto first_of = [&](std::size_t n) { return outcomes(in.begin(), in.begin() + static_cast<long>(n)); };
    /// A value that is made of others, or of a part of one, has a condition as calls do.
    const auto made = [&](outcome o, const outcomes& with) {
      outcome m = meet({&o}, {}, with);
      m.read = o.read;
      return m;
    };

    switch (s.what) {
      case op::fresh:
        return body(s.who[0], meet({}, before, last_conditions), 0);
      case op::join:
        return body(s.who[0], meet(in, before, last_conditions), fold(read));
      case op::measure:
      case op::decide:
        return body(s.who[0], meet(first_of(1), before, conditions), read[0]);
      case op::two:
      case op::make: {
        outcomes needed = first_of(2);
        if (s.number != none) needed.push_back(&numbers[s.number]);
        const long n = s.number == none ? 5 : number_of(numbers[s.number].read);
        return body(s.who[0], meet(needed, before, last_conditions), fold({read[0], read[1], static_cast<mark>(n)}));
      }
      case op::split:
      case op::split_later: {
        outcome o = body(s.who[0], meet(first_of(1), before, conditions), read[0]);
        o.read = mix(o.read, s.variant % 2 ? 1 : 2);
        return own_condition ? made(o, last_conditions) : o;
      }
      case op::all_of:
        return body(s.who[0], meet(in, before, last_conditions), fold(read));
      case op::pass_on: {
        const outcome wrapped = body(s.who[0], meet(first_of(1), before, conditions), read[0]);
        return body(s.who[1], meet({&wrapped}, {}, last_conditions), wrapped.read);
      }
      case op::note: {
        const outcome noted = body(s.who[0], meet(first_of(1), before, conditions), read[0]);
        return body(s.who[1], meet({in[1]}, {&noted}, last_conditions), fold({read[1]}));
      }
      case op::any_of:
        return choose(s.variant % 2 ? in : first_of(2), last_conditions);
      case op::value_or: {
        const outcome literal{fate::value, nothing, {}};
        return choose({in[0], s.variant % 2 ? &literal : in[1]}, last_conditions);
      }
      case op::map:
        return map(s, meet(first_of(1), before, conditions), read[0], conditions, last_conditions);
      case op::sub_graph:
        return sub_graph(s, *in[0], *in[1], guard ? guard : own_condition);
      case op::family:
      case op::agent:
        return with_children(s, meet(first_of(1), before, last_conditions), read[0]);
      case op::host:
        return host(s, meet(first_of(1), before, last_conditions), *in[0]);
    }
    return {};
  }

  static outcome choose(const outcomes& branches, const outcomes& conditions) {
    outcome o = meet({}, branches, conditions);
    const auto chosen = std::ranges::find_if(branches, [](const outcome* b) { return b->what == fate::value; });
    if (o.what != fate::value) return o;
    if (chosen == branches.end()) o.what = fate::unmet;
    else o.read = (*chosen)->read;
    return o;
  }

  outcome map(const step& s, outcome start, mark read, const outcomes& conditions, const outcomes& last_conditions) {
    const outcome range = body(s.who[0], std::move(start), read);
    outcome mapped = meet({&range}, {}, conditions);
    std::vector<mark> results;
    bool has_failed = false;
    std::vector<int> elements;
    for (std::size_t i = 3; i < s.who.size(); ++i) {
      const outcome o = body(s.who[i], mapped, mix(range.read, i - 3), false);
      has_failed = has_failed || o.what == fate::failed;
      if (o.what == fate::failed) failures += counts_;
      results.push_back(o.read);
      elements.push_back(s.who[i].id);
    }
    if (has_failed) mapped.what = fate::failed;
    expectation& e = of.at(static_cast<std::size_t>(s.who[1].id));
    e = {mapped.what, 0, mapped.makers, true, false, is_certain_};
    mapped.makers = elements;
    return body(s.who[2], meet({&mapped}, {}, last_conditions), fold(results));
  }

  outcome sub_graph(const step& s, const outcome& a, const outcome& b, const outcome* guard) {
    const outcome literal{fate::value, nothing, {}};
    const unsigned variant = s.variant % 4;
    const std::vector<outcome> texts =
        evaluate(*s.inner, {variant == 3 ? literal : a, variant >= 2 ? literal : b}, guard);
    const std::size_t r = s.inner->results.at(0);
    outcome result = texts.at(r);
    outcomes conditions;
    if (guard) conditions.push_back(guard);
    if (variant % 2 == 0) return choose({&result, &literal}, conditions);
    if (!guard) return result;
    // An input that is handed straight through becomes something that can have a condition.
    outcome o = meet({&result}, {}, conditions);
    o.read = result.read;
    return o;
  }

  outcome with_children(const step& s, outcome start, mark read) {
    const duty& self = s.who[0];
    const bool may_start = start.what == fate::value;
    bool has_failed = false;
    std::vector<mark> results;
    for (std::size_t i = 1; i < s.who.size(); ++i) {
      outcome child = start;
      child.makers.clear();
      const outcome o = body(s.who[i], std::move(child), mix(read, i), false);
      has_failed = has_failed || o.what == fate::failed;
      results.push_back(o.read);
    }
    // The first child that fails stops the others.
    if (has_failed)
      for (std::size_t i = 1; i < s.who.size(); ++i) of.at(static_cast<std::size_t>(s.who[i].id)).is_certain = false;
    if (may_start && has_failed) start.what = fate::failed;
    return nested_run(self, std::move(start), read, fold(results));
  }

  outcome host(const step& s, outcome start, const outcome& in) {
    const bool may_start = start.what == fate::value;
    oracle inner(of.size());
    const std::vector<outcome> texts =
        inner.evaluate(*s.inner, {outcome{start.what, in.read, {}}, outcome{start.what, in.read, {}}});
    const outcome literal{fate::value, nothing, {}};
    const outcome result = choose({&texts.at(s.inner->results.at(0)), &literal}, {});
    const bool is_certain = is_certain_ && (inner.failures == 0 || s.inner->skips_dependents || !may_start);
    collect(*s.inner, [&](int id) {
      expectation& e = of.at(static_cast<std::size_t>(id));
      e = inner.of.at(static_cast<std::size_t>(id));
      e.is_certain = e.is_certain && is_certain;
      if (!may_start) e = {};  // a run that never began has declared nothing
    });
    if (may_start && (inner.failures > 0 || result.what != fate::value)) start.what = fate::failed;
    return nested_run(s.who[0], std::move(start), in.read, result.read);
  }

  /// The body of what has other bodies in it, which may have decided its fate.
  outcome nested_run(const duty& self, outcome start, mark read, mark inner) {
    const fate decided = start.what;
    if (decided == fate::failed) start.what = fate::value;
    outcome o = body(self, std::move(start), read);
    if (decided == fate::failed && o.what == fate::value) {
      o.what = fate::failed;
      of.at(static_cast<std::size_t>(self.id)).what = fate::failed;
      failures += counts_;
    }
    o.read = mix(o.read, inner);
    return o;
  }

  template <class Fn>
  static void collect(const program& p, const Fn& fn) {
    for (const step& s : p.steps) {
      for (const duty& d : s.who) fn(d.id);
      if (s.inner) collect(*s.inner, fn);
    }
  }

  bool is_certain_ = true;
  std::size_t counts_ = 1;
};

// --- a run, and what is wrong with it

struct conditions {
  unsigned seed = 0;
  int cap = 1;
  ag::on_error policy = ag::on_error::stop;
  std::optional<ag::duration> deadline = {};
  bool in_real_time = false;
  bool is_parallel = false;  // in real time, too
};

class complaints {
 public:
  template <class... A>
  void check(bool is_right, fmt::format_string<A...> text, A&&... a) {
    if (!is_right && all_.size() < 10) all_.push_back(fmt::format(text, std::forward<A>(a)...));
  }
  [[nodiscard]] std::string text() const { return fmt::format("{}", fmt::join(all_, "\n")); }

 private:
  std::vector<std::string> all_;
};

using whole_graph = decltype(whole.build(std::declval<const program&>()));
using whole_result = ag::run_result<std::vector<text>>;

void check_values(complaints& c, const whole_result& r, const program& p, const std::vector<outcome>& texts,
    const oracle& expected, bool may_be_stopped) {
  bool has_result = true;
  for (std::size_t i = 0; i < p.results.size(); ++i)
    has_result = has_result && (i % 4 != 3 || texts.at(p.results[i]).what == fate::value);
  if (r.ok()) {
    c.check(expected.failures == 0 && has_result, "it has a result");
    const std::vector<text>& values = r.value();
    c.check(values.size() == p.results.size(), "{} results", values.size());
    for (std::size_t i = 0; i < values.size() && has_result; ++i) {
      const outcome& o = texts.at(p.results[i]);
      c.check(values[i].read() == (o.what == fate::value ? o.read : nothing), "result {} is wrong", i);
    }
    return;
  }
  try {
    std::rethrow_exception(r.error());
  } catch (const ag::graph_error& e) {
    const std::size_t n = e.failures().size();
    c.check(expected.failures > 0 || (!has_result && n == 0), "unexpected: {}", e.what());
    c.check(n > 0 || expected.failures == 0, "it names no failure");
    if (!may_be_stopped) c.check(n == expected.failures, "{} failures, not {}: {}", n, expected.failures, e.what());
    std::set<std::string> named;
    for (const ag::node_failure& f : e.failures()) {
      c.check(f.cause != nullptr, "the failure of {} has no cause", f.node);
      c.check(named.insert(f.node).second, "{} failed twice", f.node);
    }
  } catch (const ag::timed_out& e) {
    c.check(may_be_stopped, "unexpected: {}", e.what());
  } catch (const std::exception& e) {
    c.check(false, "unexpected: {}", e.what());
  }
}

void check_nodes(complaints& c, const ag::task_graph& g, const oracle& expected, const ledger& seen, bool is_certain,
    bool is_parallel) {
  std::map<std::string, const ag::task_graph::node_view*> by_label;
  for (const auto& n : g.nodes()) {
    c.check(ag::has_ended(n.state), "{} is {} in the end", n.id, to_string(n.state));
    c.check((n.failure == nullptr) == (n.state == states::done), "{} is {}: {} cause", n.id, to_string(n.state),
        n.failure ? "with a" : "without");
    if (n.label.empty()) continue;
    c.check(by_label.emplace(n.label, &n).second, "{} is listed twice", n.label);
  }
  for (std::size_t id = 0; id < expected.of.size(); ++id) {
    const expectation& e = expected.of[id];
    const ledger::body& b = seen.bodies[id];
    const bool can_start = e.what == fate::value || e.what == fate::failed;
    const bool is_sure = is_certain && e.is_certain;
    c.check(b.starts <= 1 && b.starts == b.ends, "body {} started {} times, ended {} times", id, b.starts, b.ends);
    if (e.has_body) {
      c.check(b.starts == 0 || can_start, "body {} started", id);
      if (is_sure) c.check(b.starts == int{can_start}, "body {} started {} times", id, b.starts);
      if (b.starts > 0) c.check(b.read == e.read, "body {} read something else", id);
    }
    if (b.starts > 0)
      for (const int m : e.makers) {
        const ledger::body& before = seen.bodies[static_cast<std::size_t>(m)];
        c.check(before.starts == 0 || (before.ends > 0 && before.ended_at < b.started_at),
            "body {} started before {} had ended", id, m);
      }

    const auto found = by_label.find(label_of(static_cast<int>(id)));
    if (!e.is_node) continue;
    if (found == by_label.end()) {
      c.check(!is_sure, "node {} is not listed", id);
      continue;
    }
    const ag::task_graph::node_view& n = *found->second;
    const ag::node_state full = e.what == fate::value    ? states::done
                                : e.what == fate::failed ? states::failed
                                                         : states::skipped;
    if (is_sure) c.check(n.state == full, "{} is {}, not {}", n.id, to_string(n.state), to_string(full));
    c.check(n.state != states::failed || e.what == fate::failed, "{} is failed", n.id);
    c.check(n.state != states::done || e.what == fate::value, "{} is done", n.id);
    c.check(n.state != states::cancelled || can_start, "{} is cancelled", n.id);
    c.check(n.attempts == int{n.state != states::skipped}, "{} has {} attempts", n.id, n.attempts);
    // A function that no thread has taken when the run is asked to stop is not called.
    const bool was_not_taken = is_parallel && n.state == states::cancelled && b.starts == 0;
    if (e.has_body && !was_not_taken)
      c.check(b.starts == n.attempts, "{} is {}, its body started {} times", n.id, to_string(n.state), b.starts);
  }
}

/// Runs a graph once, and says what is wrong; nothing, if all is well.
std::string try_once(const whole_graph& g, const program& p, const grower& of, const conditions& how) {
  complaints c;
  oracle expected(of.bodies());
  const mark a = mix(how.seed, 1);
  const mark b = mix(how.seed, 2);
  const std::vector<outcome> texts = expected.evaluate(p, {{fate::value, a, {}}, {fate::value, b, {}}});

  ledger seen(of.bodies(), of.caps().size());
  current_ledger() = &seen;
  if (how.is_parallel) ledger_of_workers = &seen;
  ag::run_options options{.max_concurrency = how.cap, .on_error = how.policy, .parallel = how.is_parallel};
  options.deadline = how.deadline;
  ag::testing::simulation sim(how.seed);
  const whole_result r =
      how.in_real_time ? ag::try_run(g(text(a), text(b)), options) : sim.try_run(g(text(a), text(b)), options);
  current_ledger() = nullptr;

  const bool may_be_stopped = how.deadline || (expected.failures > 0 && how.policy == ag::on_error::stop);
  check_values(c, r, p, texts, expected, may_be_stopped);
  check_nodes(c, r.graph(), expected, seen, !may_be_stopped, how.is_parallel);
  c.check(r.peak_concurrency() <= static_cast<std::size_t>(how.cap), "{} slots were held", r.peak_concurrency());
  for (std::size_t run = 0; run < seen.runs.size(); ++run) {
    const int cap = run == 0 ? how.cap : of.caps()[run];
    c.check(seen.runs[run].most_leaves <= cap, "{} bodies of run {} at a time", seen.runs[run].most_leaves, run);
    c.check(seen.runs[run].open_leaves == 0, "bodies of run {} are left", run);
  }
  return c.text();
}

struct tally {
  std::size_t runs = 0;
  std::size_t with_failures = 0;
  std::size_t skipped = 0;
  std::size_t bodies = 0;
};

void explore(unsigned seed, tally& all) {
  INFO("seed " << seed);
  grower grow(seed);
  const std::shared_ptr<const program> p = grow.grow();
  {
    const whole_graph g = whole.build(*p);
    const auto policies = {ag::on_error::skip_dependents, ag::on_error::stop};
    for (const ag::on_error policy : policies) {
      for (const int cap : {1, static_cast<int>(2 + grow.below(63))}) {
        conditions how{.seed = seed, .cap = cap, .policy = policy};
        how.in_real_time = grow.is_quick() && cap != 1;
        INFO("cap " << cap << (policy == ag::on_error::stop ? ", stop" : ", skip_dependents"));
        CHECK(try_once(g, *p, grow, how) == "");
        ++all.runs;
      }
    }
    conditions late{.seed = seed, .cap = 3, .policy = ag::on_error::skip_dependents};
    late.deadline = std::chrono::milliseconds(grow.below(20));
    INFO("with a deadline");
    CHECK(try_once(g, *p, grow, late) == "");
    ++all.runs;
  }
  CHECK(text::live() == 0);

  oracle expected(grow.bodies());
  expected.evaluate(*p, {{fate::value, 1, {}}, {fate::value, 2, {}}});
  all.with_failures += expected.failures > 0;
  all.bodies += grow.bodies();
  all.skipped += static_cast<std::size_t>(
      std::ranges::count_if(expected.of, [](const expectation& e) { return e.what == fate::unmet; }));
}

void explore_all(unsigned first) {
  tally all;
  for (unsigned seed = first; seed < first + 500; ++seed) explore(seed, all);
  // They must be worth exploring.
  CHECK(all.runs == 2500);
  CHECK(all.with_failures > 75);
  CHECK(all.with_failures < 425);
  CHECK(all.skipped > 250);
  CHECK(all.bodies > 10'000);
}

}  // namespace

// Random graphs do what a sequential evaluation does, under every cap and both policies. By parts, for whoever runs
// tests beside one another.
TEST_CASE("random graphs agree with the oracle, seeds 1 to 500") { explore_all(1); }
TEST_CASE("random graphs agree with the oracle, seeds 501 to 1,000") { explore_all(501); }
TEST_CASE("random graphs agree with the oracle, seeds 1,001 to 1,500") { explore_all(1001); }
TEST_CASE("random graphs agree with the oracle, seeds 1,501 to 2,000") { explore_all(1501); }

TEST_CASE("random graphs that nobody takes time in agree with the oracle in parallel runs, too") {
  int runs = 0;
  for (unsigned seed = 1; seed <= 1000; ++seed) {
    INFO("seed " << seed);
    grower grow(seed);
    const std::shared_ptr<const program> p = grow.grow();
    if (!grow.is_quick()) continue;
    {
      const whole_graph g = whole.build(*p);
      for (const ag::on_error policy : {ag::on_error::skip_dependents, ag::on_error::stop})
        for (const int cap : {1, 2, static_cast<int>(3 + grow.below(63))}) {
          conditions how{.seed = seed, .cap = cap, .policy = policy, .in_real_time = true, .is_parallel = true};
          INFO("cap " << cap << (policy == ag::on_error::stop ? ", stop" : ", skip_dependents"));
          CHECK(try_once(g, *p, grow, how) == "");
          ++runs;
        }
    }
    CHECK(text::live() == 0);
  }
  CHECK(runs > 600);
}

TEST_CASE("a graph that several threads run at the same time gives each of them what is its own") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    grower grow(seed);
    const std::shared_ptr<const program> p = grow.grow();
    const whole_graph g = whole.build(*p);
    std::array<std::string, 3> wrong;
    {
      std::vector<std::jthread> threads;
      for (std::size_t t = 0; t < wrong.size(); ++t)
        threads.emplace_back([&, t] {
          const int cap = static_cast<int>(1 + t * 7);
          conditions how{.seed = seed, .cap = cap, .policy = ag::on_error::skip_dependents};
          for (int again = 0; again < 5 && wrong[t].empty(); ++again, ++how.seed) wrong[t] = try_once(g, *p, grow, how);
        });
    }
    for (const std::string& w : wrong) {
      INFO("seed " << seed);
      CHECK(w == "");
    }
  }
  CHECK(text::live() == 0);
}
