// Random durable agents under many seeds, interrupted again and again: a resumed execution sees what the last one saw,
// in the same order, and repeats no body whose outcome was recorded.

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/sanitized.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

// Reaches what a context keeps to itself.
template <auto Member>
struct reach {
  friend const ag::detail::environment* surroundings_of(const ag::context& c) { return c.*Member; }
};
template struct reach<&ag::context::surroundings_>;
const ag::detail::environment* surroundings_of(const ag::context& c);

using number = std::uint64_t;

constexpr number mix(number a, number b) {
  number z = a * 0x9e3779b97f4a7c15 + b + 0x632be59bd9b4e019;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}
number hash(std::string_view text) {
  return std::accumulate(
      text.begin(), text.end(), number{text.size()}, [](number h, char c) { return mix(h, static_cast<number>(c)); });
}
number hash(const std::vector<number>& all) { return std::accumulate(all.begin(), all.end(), number{all.size()}, mix); }

/// What a place of the program decides: the same in each execution.
struct choices {
  number state;
  number next() { return state = mix(state, 1); }
  unsigned below(unsigned n) { return static_cast<unsigned>(next() % n); }
  bool one_in(unsigned n) { return below(n) == 0; }
};

std::string message_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  }
}

/// Ends the process if one seed takes too long, and says which.
class watchdog {
 public:
  watchdog() : thread_([this](std::stop_token stop) { watch(stop); }) {}
  void begin(number seed) {
    seed_ = seed;
    ++begun_;
  }

 private:
  void watch(const std::stop_token& stop) {
    constexpr int most = 20 * 20;  // looks: 20 s
    for (number seen = 0, looks = 0; !stop.stop_requested(); std::this_thread::sleep_for(50ms)) {
      looks = begun_ == seen ? looks + 1 : 0;
      seen = begun_;
      if (looks < most) continue;
      std::fprintf(stderr, "seed %llu hangs\n", static_cast<unsigned long long>(seed_.load()));
      std::abort();
    }
  }
  std::atomic<number> seed_ = 0;
  std::atomic<number> begun_ = 0;
  std::jthread thread_;
};

/// Passes all on to a memory_store, and is told at the first write of an execution that is lost.
class watched_store final : public ag::run_store {
 public:
  explicit watched_store(std::function<void()> on_loss) : on_loss_(std::move(on_loss)) {}
  ag::memory_store inner;

  std::unique_ptr<ag::run_journal> open(const ag::run_claim& claim, ag::store_client& client) override {
    auto j = std::make_unique<journal>(*this, client);
    j->inner_ = inner.open(claim, *j);
    return j;
  }
  std::vector<ag::stored_run> runs() override { return inner.runs(); }
  std::optional<ag::stored_run> find(std::string_view id) override { return inner.find(id); }
  std::vector<ag::fact> facts(std::string_view id, std::size_t skipped) override { return inner.facts(id, skipped); }
  std::vector<ag::question> questions(std::string_view id) override { return inner.questions(id); }
  void answer(std::string_view token, std::string_view value) override { inner.answer(token, value); }
  void cancel(std::string_view id) override { inner.cancel(id); }
  void forget(std::string_view id, const std::vector<number>& facts) override { inner.forget(id, facts); }
  void fork(std::string_view id, std::string_view to, const std::vector<number>& without) override {
    inner.fork(id, to, without);
  }
  void restate(const ag::run_claim& claim) override { inner.restate(claim); }
  void erase(std::string_view id) override { inner.erase(id); }

 private:
  struct journal final : ag::run_journal, ag::store_client {
    journal(watched_store& s, ag::store_client& c) : store_(s), client_(c) {}
    const ag::stored_run& info() const noexcept override { return inner_->info(); }
    std::vector<ag::fact> take_facts() override { return inner_->take_facts(); }
    void write(ag::fact f) noexcept override { inner_->write(std::move(f)); }
    void ask(ag::question q) noexcept override { inner_->ask(std::move(q)); }
    void withdraw(std::string token) noexcept override { inner_->withdraw(std::move(token)); }
    void end(ag::run_status s, std::string outcome,
        std::optional<std::chrono::system_clock::time_point> due) noexcept override {
      inner_->end(s, std::move(outcome), due);
    }
    void committed(number count) noexcept override { client_.committed(count); }
    void failed(std::exception_ptr why) noexcept override {
      store_.on_loss_();
      client_.failed(std::move(why));
    }
    void answered(std::string_view token, std::string_view answer) noexcept override {
      client_.answered(token, answer);
    }
    void cancel_requested() noexcept override { client_.cancel_requested(); }

    watched_store& store_;
    ag::store_client& client_;
    std::unique_ptr<ag::run_journal> inner_;
  };
  std::function<void()> on_loss_;
};

/// An agent that a seed grows. What it does follows from the seed and from what it sees; how long things take, and how
/// tools end, is different in each execution.
class random_agent {
 public:
  random_agent(number seed, ag::duration unit) : seed_(seed), unit_(unit) {}

  auto invocation() {
    const ag::graph_fn agent{"agent",
        [this](ag::context& ctx, number seed, int depth) -> ag::task<number> { return sees(ctx, seed, depth, 4); }};
    return agent(seed_, 3);
  }

  // --- what happened in the last execution
  using log = std::vector<number>;
  std::map<std::string, log> seen;          // by body, and attempt
  std::map<std::string, int> bodies;        // attempts by call
  std::map<std::string, std::size_t> safe;  // how much of what was seen then was implied by what is recorded
  bool is_lost = false;

  void begin(number world) {
    world_.seed(world);
    seen.clear();
    bodies.clear();
    safe.clear();
    is_lost = false;
  }
  /// From now on, what happens is not recorded.
  void lose() {
    if (std::exchange(is_lost, true)) return;
    for (const auto& [key, l] : seen) safe[key] = l.size();
  }

 private:
  /// What the tasks of one body share.
  struct scene {
    ag::context& ctx;
    log& seen;
    ag::semaphore permits{2};
    ag::queue<number> line{3};
    void see(number what, number value) { seen.push_back(mix(what, value)); }
    template <class T>
    void see(number what, const ag::result<T>& r) {
      if (!r.has_value()) return see(what, hash(message_of(r.error())));
      if constexpr (std::is_same_v<T, number>) see(what, r.value());
      else see(what, 1);
    }
  };

  // With the attempts around it, which its idempotency key leaves out.
  static std::string place_of(const ag::context& ctx) {
    const ag::detail::node_number n = number_of(ctx);
    return n == ag::detail::no_node ? std::string() : log_of_run(ctx).replay_path(n);
  }
  static ag::detail::node_number number_of(const ag::context& ctx) {
    const ag::detail::environment& here = *surroundings_of(ctx);
    return here.current_call ? here.current_call->number : here.cancellation->run().number();
  }
  static const ag::detail::recorder& log_of_run(const ag::context& ctx) {
    return *surroundings_of(ctx)->cancellation->run().log();
  }
  void enter(const ag::context& ctx) { ++bodies[place_of(ctx)]; }
  log& log_of(const ag::context& ctx) {
    const std::string place = place_of(ctx);
    return seen[bodies.contains(place)
                    ? fmt::format("{}, attempt {}", place, 1 + log_of_run(ctx).failed_attempts(number_of(ctx)))
                    : place];
  }
  unsigned dice(unsigned n) { return static_cast<unsigned>(world_() % n); }
  void fail_sometimes() {
    if (dice(8) == 0) throw std::runtime_error("failed on purpose");
  }
  auto pause(choices& c) {
    const unsigned base = c.below(5);
    if (unit_ >= 1ms && c.one_in(30)) return ag::sleep_for(std::chrono::seconds(1) + unit_ * dice(4));
    return ag::sleep_for(base == 0 ? 0 * unit_ : unit_ * (base + dice(4)));
  }

  using tool = ag::tool<number(number, int)>;
  tool plain_{"plain", [this](ag::context& ctx, number, int) -> number {
    enter(ctx);
    fail_sometimes();
    return world_();
  }};
  tool again_{"again", [this](ag::context& ctx, number, int) -> number {
    enter(ctx);
    if (dice(2)) throw std::out_of_range("again");
    return world_();
  }, {.retry = {.max_attempts = 3, .first_delay = 100us}}};
  ag::task<number> waits(ag::context& ctx, number seed) {
    enter(ctx);
    choices c{seed};
    for (unsigned n = c.below(3); n > 0; --n) co_await pause(c);
    fail_sometimes();
    co_return world_();
  }
  tool waiting_{"waiting", [this](ag::context& ctx, number seed, int) -> ag::task<number> { return waits(ctx, seed); }};
  tool hasty_{"hasty", [this](ag::context& ctx, number seed, int) -> ag::task<number> { return waits(ctx, seed); },
      {.timeout = 300us, .retry = {.max_attempts = 2}}};
  ag::task<number> goes_deeper(ag::context& ctx, number seed, int depth) {
    enter(ctx);
    scene s{ctx, log_of(ctx)};
    co_await steps(s, seed, depth - 1, 2);
    fail_sometimes();
    co_return hash(s.seen);
  }
  tool outer_{"outer",
      [this](ag::context& ctx, number seed, int depth) -> ag::task<number> { return goes_deeper(ctx, seed, depth); }};
  tool outer_again_{"outer_again", [this](ag::context& ctx, number seed, int depth) -> ag::task<number> {
    return goes_deeper(ctx, seed, depth);
  }, {.retry = {.max_attempts = 2, .first_delay = 100us}}};

  auto some_call(choices& c, int depth) {
    const tool* const all[] = {&plain_, &again_, &waiting_, &hasty_, &outer_, &outer_again_};
    const tool& t = *all[c.below(depth > 0 ? 6 : 4)];
    return t(c.next(), depth);
  }
  auto some_calls(choices& c, int depth) {
    std::vector<decltype(some_call(c, depth))> calls;
    for (unsigned n = c.below(4) + 1; n > 0; --n) calls.push_back(some_call(c, depth));
    return calls;
  }
  std::vector<ag::task<>> some_tasks(scene& s, choices& c, int depth) {
    std::vector<ag::task<>> tasks;
    for (unsigned n = c.below(3) + 1; n > 0; --n) tasks.push_back(steps(s, c.next(), depth, 2));
    return tasks;
  }

  ag::task<> steps(scene& s, number seed, int depth, unsigned most) {
    choices c{seed};
    for (unsigned n = c.below(most) + 1; n > 0; --n) {
      const number place = c.next();
      co_await step(s, place, depth);
      s.see(place, n);
    }
  }

  // Runs and graphs that nest, which see what they see by themselves: in a graph, their order is their own.
  ag::task<number> sees(ag::context& ctx, number seed, int depth, unsigned most) {
    scene s{ctx, log_of(ctx)};
    co_await steps(s, seed, depth, most);
    co_return hash(s.seen);
  }
  auto inner() {
    return ag::graph_fn{"inner",
        [this](ag::context& ctx, number seed, int depth) -> ag::task<number> { return sees(ctx, seed, depth, 2); }};
  }
  ag::tool<std::vector<number>(number)> several_{
      "several", [](number x) { return std::vector<number>{x, mix(x, 1), mix(x, 2)}; }};
  ag::tool<number(number)> one_{
      "one", [this](ag::context& ctx, number seed) -> ag::task<number> { return waits(ctx, seed); }};
  ag::tool<number(std::vector<number>)> total_{"total", [](std::vector<number> all) { return hash(all); }};

  auto graph(number seed) {
    const ag::graphify shape{"shape", [this, seed](ag::node<number> x) {
      choices c{seed};
      std::vector<ag::node<number>> all{x};
      for (unsigned n = c.below(4) + 1; n > 0; --n) {
        const ag::node<number> from = all[c.below(static_cast<unsigned>(all.size()))];
        switch (c.below(5)) {
          case 0:
            all.push_back(plain_(from, 0));
            break;
          case 1:
            all.push_back(waiting_(from, 0));
            break;
          case 2:
            all.push_back(outer_(from, 1));
            break;
          case 3:
            all.push_back(inner()(from, 0));
            break;
          default:
            all.push_back(total_(ag::map(one_, several_(from))));
        }
      }
      return total_(all);
    }};
    return shape.build();
  }

  ag::task<> step(scene& s, number seed, int depth) {
    choices c{seed};
    const bool is_strict = c.one_in(6);
    const auto look = [&](const auto& r) {
      s.see(seed, r);
      if (!r.has_value() && is_strict) std::rethrow_exception(r.error());
    };
    switch (c.below(depth > 0 ? 17 : 9)) {
      case 0: {
        const auto r = co_await ag::as_result(some_call(c, depth));
        look(r);
        break;
      }
      case 1:
        co_await pause(c);
        break;
      case 2: {
        const number drawn = s.ctx.random();
        s.see(seed, drawn);
        s.see(seed, hash(s.ctx.uuid()));
        s.see(seed, static_cast<number>(s.ctx.now().time_since_epoch().count()));
        break;
      }
      case 3: {
        const auto permit = co_await s.permits.acquire();
        s.see(seed, 2);
        const auto r = co_await ag::as_result(some_call(c, 0));
        look(r);
        break;
      }
      case 4: {
        const number mine = c.next();
        s.see(seed, s.line.try_push(mine));
        const auto r = co_await ag::as_result(ag::timeout(s.line.push(number(seed)), unit_ * (1 + c.below(6))));
        look(r);
        break;
      }
      case 5: {
        s.see(seed, s.line.try_pop().value_or(3));
        const auto r = co_await ag::as_result(ag::timeout(s.line.pop(), unit_ * (1 + c.below(6))));
        s.see(seed, r.has_value() ? r.value().value_or(4) : hash(message_of(r.error())));
        break;
      }
      case 6: {
        const auto r = co_await ag::as_result(ag::timeout(some_call(c, depth), unit_ * (1 + c.below(8))));
        look(r);
        break;
      }
      case 7: {
        ag::task<number> waits_too = holds_for(s, c.next());
        const auto first = co_await ag::race(some_call(c, depth), std::move(waits_too), pause(c));
        s.see(seed, first.index());
        if (first.index() == 0) s.see(seed, std::get<0>(first));
        break;
      }
      case 8: {
        const auto all = co_await ag::gather_results(some_calls(c, depth));
        for (const auto& r : all) s.see(seed, r);
        break;
      }
      case 9:
      case 10: {
        const auto r = co_await ag::as_result(ag::gather(some_tasks(s, c, depth - 1)));
        look(r);
        break;
      }
      case 11: {
        const auto r = co_await ag::as_result(ag::gather(some_calls(c, depth)));
        look(r);
        if (r.has_value()) s.see(seed, hash(r.value()));
        break;
      }
      case 12: {
        auto all = ag::as_completed(some_calls(c, depth), [&](number x) { s.see(seed, x); });
        const auto r = co_await ag::as_result(std::move(all));
        look(r);
        break;
      }
      case 13: {
        auto group = ag::with_group([&](ag::task_group& g) -> ag::task<> {
          for (unsigned n = c.below(3); n > 0; --n) g.spawn(some_call(c, depth));
          for (unsigned n = c.below(3); n > 0; --n) g.spawn(steps(s, c.next(), depth - 1, 2));
          co_await pause(c);
          s.see(seed, g.pending());
        });
        const auto r = co_await ag::as_result(std::move(group));
        look(r);
        break;
      }
      case 14: {
        const int cap = static_cast<int>(c.below(4)) + 1;
        const number place = c.next();
        const auto agent = inner();
        const auto r = co_await ag::as_result(ag::run_async(agent(place, depth - 1), {.max_concurrency = cap}));
        look(r);
        break;
      }
      case 15: {
        auto g = graph(c.next());
        ag::run_options options{.max_concurrency = static_cast<int>(c.below(4)) + 1};
        if (c.one_in(2)) options.on_error = ag::on_error::skip_dependents;
        auto run = ag::run_async(g(c.next()), options);
        const auto r = co_await ag::as_result(std::move(run));
        look(r);
        break;
      }
      default: {
        const auto r = co_await ag::as_result(ag::timeout(cleans_up(s, c.next(), depth), unit_ * (1 + c.below(6))));
        look(r);
      }
    }
  }
  ag::task<number> holds_for(scene& s, number seed) {
    choices c{seed};
    const auto permit = co_await s.permits.acquire();
    s.see(seed, 5);
    co_await pause(c);
    co_return seed;
  }
  ag::task<> cleans_up(scene& s, number seed, int depth) {
    choices c{seed};
    const auto r = co_await ag::as_result(some_call(c, depth));
    s.see(seed, r);
    const auto cleaned = co_await ag::as_result(ag::shielded(some_call(c, depth - 1)));
    s.see(seed, cleaned);
  }

  const number seed_;
  const ag::duration unit_;
  std::mt19937_64 world_;
};

/// What an execution came to, in words.
struct outcome {
  std::string text;
  bool is_interrupted = false;
};

/// Runs one agent: at once, or in pieces, and compares what its executions saw.
class exploration {
 public:
  exploration(number seed, ag::duration unit) : random_(seed), agent_(seed, unit), store_([this] { agent_.lose(); }) {
    cap_ = static_cast<int>(seed % 16) + 1;
  }

  std::size_t facts = 0;
  std::size_t executions = 0;

  /// `execute` runs an invocation with these options. Errors: whatever is not as it should be.
  template <class Execute>
  void run(Execute execute) {
    const outcome whole = once("whole", execute);
    replay("whole", whole, execute);
    const std::size_t size = store_.inner.facts("whole").size();
    facts += size;
    outcome o;
    do {
      // Not so short that a long one would be resumed for ever.
      store_.inner.fail_after(1 + random_.below(static_cast<unsigned>(size / 3 + 3)));
      o = once("pieces", execute);
    } while (o.is_interrupted);
    replay("pieces", o, execute);
  }

 private:
  template <class Execute>
  outcome once(std::string_view id, Execute execute) {
    const bool is_new = !store_.inner.find(id);
    if (is_new) {
      expected_.clear();
      ever_.clear();
    }
    std::set<std::string> recorded;
    if (!is_new)
      for (const ag::fact& f : store_.inner.facts(id))
        if (f.kind == ag::fact_kind::call) recorded.insert(f.path);
    agent_.begin(random_.next());
    ++executions;
    outcome o;
    try {
      o.text = std::to_string(
          execute(agent_.invocation(), ag::run_options{.max_concurrency = cap_, .store = &store_, .run_id = id}));
    } catch (const ag::store_error&) {
      o.is_interrupted = true;
    } catch (const ag::divergence_error&) {
      throw;
    } catch (const ag::testing::deadlock_error&) {
      throw;
    } catch (const std::exception& e) {
      o.text = e.what();
    }
    store_.inner.heal();
    if (o.is_interrupted != agent_.is_lost) throw std::logic_error("lost without an interruption: " + o.text);
    check_bodies(recorded);
    check_paths(store_.inner.facts(id));
    check_seen(o.is_interrupted);
    return o;
  }

  template <class Execute>
  void replay(const std::string& id, const outcome& o, Execute execute) {
    const auto seen = agent_.seen;
    const std::string copy = id + " again";
    store_.inner.fork(id, copy, {});
    const number before = store_.inner.written();
    const outcome again = once(copy, execute);
    if (again.text != o.text) throw std::logic_error("replayed: " + again.text + ", recorded: " + o.text);
    if (!agent_.bodies.empty()) throw std::logic_error("replayed, it runs " + agent_.bodies.begin()->first);
    if (const number n = store_.inner.written() - before; n != 1)
      throw std::logic_error("replayed, it writes " + std::to_string(n - 1) + " facts");
    for (const auto& [key, l] : agent_.seen)
      if (seen.at(key) != l) throw std::logic_error("replayed, something else is seen in '" + key + "'");
  }

  /// No body has run whose end was recorded, or that of a body around it; and those that ran before were open.
  void check_bodies(const std::set<std::string>& recorded) {
    for (const auto& [path, attempts] : agent_.bodies) {
      for (std::size_t end = 0; end != std::string::npos;) {
        end = path.find_first_of("/~", end + 1);
        if (recorded.contains(path.substr(0, end)))
          throw std::logic_error("the body at '" + path + "' runs, though '" + path.substr(0, end) + "' has ended");
      }
      ever_.insert(path);
    }
  }

  static void check_paths(const std::vector<ag::fact>& all) {
    std::set<std::string> paths;
    for (const ag::fact& f : all)
      if (!paths.insert(f.path).second) throw std::logic_error("two facts at '" + f.path + "'");
  }

  /// What was implied by the facts then is what was seen first now.
  void check_seen(bool is_interrupted) {
    for (auto& [key, l] : agent_.seen) {
      random_agent::log& expected = expected_[key];
      const std::size_t now = is_interrupted ? agent_.safe[key] : l.size();
      const std::size_t n = std::min(expected.size(), now);
      const auto differs = std::mismatch(l.begin(), l.begin() + static_cast<std::ptrdiff_t>(n), expected.begin()).first;
      if (const auto at = static_cast<std::size_t>(differs - l.begin()); at < n)
        throw std::logic_error(
            "resumed, it sees something else in '" + key + "' at " + std::to_string(at) + " of " + std::to_string(n));
      if (!is_interrupted && now < expected.size()) throw std::logic_error("resumed, it sees less in '" + key + "'");
      if (now > expected.size()) expected.assign(l.begin(), l.begin() + static_cast<std::ptrdiff_t>(now));
    }
  }

  choices random_;
  random_agent agent_;
  watched_store store_;
  int cap_ = 1;
  std::map<std::string, random_agent::log> expected_;  // by body
  std::set<std::string> ever_;
};

}  // namespace

TEST_CASE("in virtual time, random durable agents that are interrupted go on exactly where they were") {
  watchdog dog;
  std::size_t facts = 0;
  std::size_t executions = 0;
  constexpr std::size_t seeds = test::is_sanitized ? 1000 : 3000;
  const auto all = ag::testing::explore(seeds, [&](ag::testing::simulation& sim) {
    dog.begin(sim.seed());
    exploration e(sim.seed(), 1ms);
    number execution = 0;
    e.run([&](auto invocation, const ag::run_options& options) {
      ag::testing::simulation own(mix(sim.seed(), ++execution));
      return own.run(std::move(invocation), options);
    });
    facts += e.facts;
    executions += e.executions;
  });
  if (all.seeds == 1) return;  // one of them was asked for
  CHECK(facts > 7 * seeds);
  CHECK(executions > 5 * seeds);
}

TEST_CASE("in real time, random durable agents that are interrupted go on exactly where they were") {
  watchdog dog;
  for (number seed = 1; seed <= 100; ++seed) {
    INFO("seed " << seed);
    dog.begin(seed);
    exploration e(seed, 50us);
    e.run([](auto invocation, const ag::run_options& options) { return ag::run(std::move(invocation), options); });
  }
}
