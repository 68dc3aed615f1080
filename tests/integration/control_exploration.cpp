// Random programs under many seeds that use all that keeps calls within bounds: pools, rates, retries, timeouts,
// priorities, breakers, queues; with nested runs, graphs, races, failures and deadlines. Their books are held against
// the library's at each step.

#include <aethergraph/aethergraph.hpp>
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/event_check.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

/// What the programs share. It stands at the same place for each of them, since tools are known by what they point to.
struct limits {
  std::array<std::optional<ag::resource_pool>, 3> pools;
  std::array<std::optional<ag::rate_limit>, 2> rates;
  std::array<std::optional<ag::circuit_breaker>, 2> breakers;
};
limits shared;
constexpr int no_pool = -1;

bool is_transient(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::runtime_error& x) {
    return std::string(x.what()) != "permanent";
  }  // what is none leaves this predicate, which means no
}

/// The options that calls of the programs have, and what of them the books need.
struct controls {
  ag::tool_options options;
  int pool = no_pool;
};

std::vector<controls> make_catalogue() {
  std::mt19937 random(7);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  std::vector<controls> all(64);
  for (std::size_t i = 1; i < all.size(); ++i) {
    controls& c = all[i];
    ag::tool_options& o = c.options;
    if (below(2)) {
      c.pool = static_cast<int>(below(3));
      o.pool = &*shared.pools[static_cast<std::size_t>(c.pool)];
      o.weight = c.pool == 0 ? 1 : static_cast<int>(below(2)) + 1;
    }
    if (below(4) == 0) o.rate = &*shared.rates[below(2)];
    if (o.rate && below(2)) o.rate_key = below(2) ? "a" : "b";
    if (below(2))
      o.retry = {.max_attempts = static_cast<int>(below(3)) + 2,
          .first_delay = std::chrono::milliseconds(below(3)),
          .jitter = below(2) ? 1.0 : 0.0,
          .seed = below(5),
          .when = below(3) ? nullptr : &is_transient};
    if (below(4) == 0) o.timeout = std::chrono::milliseconds(below(6) + 1);
    if (below(3) == 0) o.priority = static_cast<int>(below(3)) - 1;
    if (below(5) == 0) o.breaker = &*shared.breakers[below(2)];
  }
  return all;
}

/// Made anew for each seed; the first pool is the one of the lowest rank.
void make_limits(std::mt19937& random) {
  const auto some = [&](unsigned n) { return static_cast<std::ptrdiff_t>(random() % n); };
  shared.pools[0].emplace("first", some(3) + 1);
  shared.pools[1].emplace("second", some(3) + 2);
  shared.pools[2].emplace("third", some(2) + 2);
  shared.rates[0].emplace(200.0 * static_cast<double>(some(9) + 1), static_cast<double>(some(3) + 1));
  shared.rates[1].emplace(333.0, 1.5);
  shared.breakers[0].emplace("first", 1 + static_cast<int>(some(2)), std::chrono::milliseconds(some(5) + 1));
  shared.breakers[1].emplace("second", 3, 4ms);
}

const std::vector<controls>& catalogue() {
  static const std::vector<controls> all = make_catalogue();
  return all;
}

/// A token bucket as its documentation says, in virtual time.
struct bucket {
  double tokens = 0;
  ag::duration filled{};
  bool take(const ag::rate_limit& limit, ag::duration at) {
    tokens = std::min(limit.burst(), tokens + std::chrono::duration<double>(at - filled).count() * limit.per_second());
    filled = at;
    return (tokens -= 1) >= -1e-6;
  }
};

struct item {
  int producer = 0;
  int number = 0;
};

/// Grows a program from a seed, keeps books of what it does, and holds them against the library's.
class random_program {
 public:
  explicit random_program(ag::testing::simulation& sim) : sim_(sim), random_(static_cast<unsigned>(sim.seed())) {
    make_limits(random_);
    static_cast<void>(catalogue());
  }

  ag::task<int> body(int cap) {
    const frame here(*this);
    const std::size_t run = new_run(cap);
    if (below(4) == 0) {
      ag::queue<item> q(static_cast<int>(below(3)) + 1);
      auto [sum, sent, looks] = co_await ag::gather(strands(run), pipeline(q, run), watch());
      co_return sum + sent + looks;
    }
    auto [sum, looks] = co_await ag::gather(strands(run), watch());
    co_return sum + looks;
  }

  /// What does not agree right now.
  void check_now() {
    for (std::size_t i = 0; i < permits_.size(); ++i) {
      const auto f = shared.pools[i]->now();
      if (f.in_use > shared.pools[i]->capacity()) complain("more permits are in use than there are");
      if (f.in_use < permits_[i]) complain("a body runs without its permits");
    }
    for (const run_books& r : runs_)
      if (r.innermost > r.cap) complain("more slots are used than there are");
  }
  /// Nothing is ready: who has permits has a body that runs.
  void check_at_rest() {
    check_now();
    for (std::size_t i = 0; i < permits_.size(); ++i) {
      const auto f = shared.pools[i]->now();
      if (f.in_use != permits_[i]) complain("permits are held for no body");
      if (f.waiting > 0 && f.in_use + 2 <= shared.pools[i]->capacity())
        complain("a call waits for permits that are there");
    }
    if (!queue_) return;
    if (popping_ > 0 && queue_->size() > 0) complain("a consumer waits for an element that is there");
    if (pushing_ > 0 && queue_->size() < queue_->capacity()) complain("a producer waits for a place that is there");
  }
  void check_at_end() {
    check_now();
    if (open_bodies_ != 0 || frames_ != 0) complain("something is alive");
    if (starts_ != ends_) complain("a body did not end");
    for (std::size_t i = 0; i < permits_.size(); ++i) {
      if (permits_[i] != 0 || shared.pools[i]->now().in_use != 0) complain("permits are still in use");
      if (shared.pools[i]->now().waiting != 0) complain("somebody waits for permits");
    }
    for (const auto& r : shared.rates) {
      if (r->now().waiting != 0) complain("somebody waits for a token");
      if (r->now().taken_total != taken_[&*r]) complain("tokens and starts of bodies differ");
    }
    for (const auto& b : shared.breakers)
      if (b->now() == ag::circuit_breaker::state::half_open) complain("a breaker waits for an attempt that is over");
    if (two_.available() != 2) complain("a semaphore has lost a permit");
  }

  [[nodiscard]] const std::vector<std::string>& wrong() const { return wrong_; }
  [[nodiscard]] int starts() const { return starts_; }
  [[nodiscard]] const std::vector<std::int64_t>& log() const { return log_; }
  [[nodiscard]] int items() const { return items_; }

 private:
  struct run_books {
    int cap = 0;
    int innermost = 0;  // bodies without a child that runs: each of them holds a slot of its own
  };

  class mark;
  /// Where a call is made, and with what.
  struct place {
    std::size_t run = 0;
    mark* within = nullptr;  // the body around it, across runs
    std::size_t controls = 0;
    int depth = 0;
  };

  /// Stands in each coroutine that is no body.
  struct frame {
    random_program& program;
    explicit frame(random_program& p) : program(p) { ++program.frames_; }
    frame(const frame&) = delete;
    frame& operator=(const frame&) = delete;
    ~frame() { --program.frames_; }
  };

  /// Stands in each body.
  class mark {
   public:
    mark(random_program& p, const place& at) : program_(p), at_(at), caller_(at.within) {
      const controls& c = catalogue()[at.controls];
      if (caller_ && caller_->at_.run != at.run) caller_ = nullptr;
      if (c.pool != no_pool && !holds(at.within, c.pool)) {
        pool_ = c.pool;
        weight_ = static_cast<std::size_t>(c.options.weight);
        program_.permits_[static_cast<std::size_t>(pool_)] += weight_;
      }
      if (c.options.rate) program_.take(*c.options.rate, c.options.rate_key);
      if (c.options.breaker) enter(*c.options.breaker);
      if (!caller_ || ++caller_->children_ > 1) ++program_.runs_[at.run].innermost;
      ++program_.starts_;
      ++program_.open_bodies_;
      program_.note(1000 + static_cast<std::int64_t>(at.controls));
      program_.check_now();
    }
    mark(const mark&) = delete;
    mark& operator=(const mark&) = delete;
    ~mark() {
      program_.check_now();
      if (pool_ != no_pool) program_.permits_[static_cast<std::size_t>(pool_)] -= weight_;
      if (is_probe_) --program_.probes_[catalogue()[at_.controls].options.breaker];
      if (!caller_ || --caller_->children_ > 0) --program_.runs_[at_.run].innermost;
      ++program_.ends_;
      --program_.open_bodies_;
      program_.note(2000 + static_cast<std::int64_t>(at_.controls));
    }

    [[nodiscard]] static bool holds(const mark* m, int pool) {
      for (; m; m = m->at_.within)
        if (m->pool_ == pool) return true;
      return false;
    }
    /// The highest rank that this body, or one around it, holds permits of.
    [[nodiscard]] static int highest(const mark* m) {
      int all = no_pool;
      for (; m; m = m->at_.within) all = std::max(all, m->pool_);
      return all;
    }

   private:
    void enter(const ag::circuit_breaker& b) {
      using state = ag::circuit_breaker::state;
      if (b.now() == state::open) program_.complain("a body starts while its breaker is open");
      is_probe_ = b.now() == state::half_open;
      if (is_probe_ && ++program_.probes_[&b] > 1) program_.complain("two attempts find out at once");
    }

    random_program& program_;
    const place at_;
    mark* caller_;  // in the same run
    int children_ = 0;
    int pool_ = no_pool;
    std::size_t weight_ = 0;
    bool is_probe_ = false;
  };
  friend mark;

  std::size_t new_run(int cap) {
    runs_.push_back({cap});
    return runs_.size() - 1;
  }
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  void note(std::int64_t what) {
    log_.push_back(what);
    log_.push_back(sim_.elapsed().count());
  }
  void complain(const char* what) {
    if (wrong_.size() < 5) wrong_.push_back(what + (" at " + std::to_string(sim_.elapsed().count())) + " ns");
  }
  void take(const ag::rate_limit& limit, std::string_view key) {
    ++taken_[&limit];
    bucket& b = buckets_.try_emplace({&limit, key}, bucket{limit.burst()}).first->second;
    if (!b.take(limit, sim_.elapsed())) complain("a rate is exceeded");
  }

  // Looks at moments at which nothing else happens: all other times are multiples of 1 us, or come from rates and
  // jitter, which do not meet these.
  ag::task<int> watch() {
    const frame here(*this);
    for (int i = 0; i < 6; ++i) {
      co_await ag::sleep_for(std::chrono::microseconds(below(2500)) + 1ns);
      check_at_rest();
    }
    co_return 0;
  }

  ag::task<int> pause() {
    const frame here(*this);
    switch (below(4)) {
      case 0:
        break;
      case 1:
        co_await ag::sleep_for(0s);
        break;
      case 2: {
        const auto r = co_await ag::as_result(ag::timeout(ag::sleep_for(1h), std::chrono::milliseconds(below(3))));
        static_cast<void>(r);
        break;
      }
      default:
        co_await ag::sleep_for(std::chrono::milliseconds(below(5)));
    }
    co_return 1;
  }
  void fail_now_and_then() {
    switch (below(24)) {
      case 0:
      case 1:
        throw std::runtime_error("failed on purpose");
      case 2:
        throw std::runtime_error("permanent");
      case 3:
        throw ag::retry_after(std::chrono::milliseconds(below(4)), "failed on purpose, and asks for time");
      case 4:
        throw std::logic_error("failed on purpose, permanently");
      default:
        break;
    }
  }

  // The tools.
  ag::task<int> run_body(place p) {
    mark here(*this, p);
    int x = 0;
    if (p.depth > 0 && below(2)) {
      x = co_await steps(p.run, &here, p.depth - 1, 2);
    } else if (below(6) == 0) {
      const auto permit = co_await two_.acquire();
      x = co_await pause();
    } else {
      x = co_await pause();
    }
    fail_now_and_then();
    co_return x;
  }
  ag::task<int> run_stubborn_body(place p) {
    const mark here(*this, p);
    co_await ag::shielded(ag::sleep_for(std::chrono::milliseconds(below(4))));
    fail_now_and_then();
    co_return 1;
  }
  int run_at_once(place p) {
    const mark here(*this, p);
    fail_now_and_then();
    return 1;
  }

  /// What the coroutines that are tools are called by: their first step is the first step of the body.
  struct callable {
    random_program* program;
    ag::task<int> (random_program::*body)(place);
    ag::task<int> operator()(place p) const { return (program->*body)(p); }
  };
  using coroutine_tool = ag::tool<int(place), callable>;
  coroutine_tool slow{"slow", callable{this, &random_program::run_body}};
  coroutine_tool stubborn{"stubborn", callable{this, &random_program::run_stubborn_body}};

  /// Options that are allowed here: no pool that ranks before one that is held.
  place some_place(std::size_t run, mark* within, int depth) {
    const int highest = mark::highest(within);
    for (;;) {
      const std::size_t c = below(3) ? below(static_cast<unsigned>(catalogue().size())) : 0;
      const int pool = catalogue()[c].pool;
      if (pool == no_pool || pool >= highest || mark::holds(within, pool)) return {run, within, c, depth};
    }
  }
  auto some_call(std::size_t run, mark* within, int depth) {
    const place p = some_place(run, within, depth);
    return (below(8) ? slow : stubborn)(p).with(catalogue()[p.controls].options);
  }
  auto some_calls(std::size_t run, mark* within, int depth) {
    std::vector<decltype(some_call(run, within, depth))> calls;
    for (unsigned n = below(6); n > 0; --n) calls.push_back(some_call(run, within, depth));
    return calls;
  }
  ag::task<int> worker_call(std::size_t run, mark* within) {
    const frame here(*this);
    const place p = some_place(run, within, 0);
    ag::tool_options options = catalogue()[p.controls].options;
    options.workers = true;
    const ag::tool at_once{"at_once", [this](place q) { return run_at_once(q); }};
    auto call = at_once(p);
    call.with(options);
    co_return co_await std::move(call);
  }

  ag::task<int> steps(std::size_t run, mark* within, int depth, unsigned most) {
    const frame here(*this);
    int sum = 0;
    for (unsigned n = below(most) + 1; n > 0; --n) {
      // Most failures are seen to; some are not.
      if (below(5)) {
        const auto r = co_await ag::as_result(step(run, within, depth));
        sum += r.has_value();
      } else {
        sum += co_await step(run, within, depth);
      }
    }
    co_return sum;
  }

  /// Several of them side by side, so that there is something to wait for.
  ag::task<int> strands(std::size_t run) {
    const frame here(*this);
    if (below(3) == 0) {
      auto [a, b] = co_await ag::gather(steps(run, nullptr, 3, 4), steps(run, nullptr, 2, 4));
      co_return a + b;
    }
    auto [a, b, c] =
        co_await ag::gather_results(steps(run, nullptr, 3, 5), steps(run, nullptr, 2, 5), steps(run, nullptr, 2, 3));
    co_return a.has_value() + b.has_value() + c.has_value();
  }

  ag::task<int> step(std::size_t run, mark* within, int depth) {
    const frame here(*this);
    switch (below(12)) {
      case 0:
        co_return co_await some_call(run, within, depth);
      case 1:
        co_return co_await worker_call(run, within);
      case 2: {
        const auto all = co_await ag::gather(some_calls(run, within, depth));
        co_return static_cast<int>(all.size());
      }
      case 3:
      case 4: {
        const auto all = co_await ag::gather_results(some_calls(run, within, depth));
        co_return static_cast<int>(all.size());
      }
      case 5: {
        const auto first = co_await ag::race(some_call(run, within, depth), some_call(run, within, depth), pause());
        co_return static_cast<int>(first.index());
      }
      case 6: {
        auto one = some_call(run, within, depth);
        const auto r = co_await ag::as_result(ag::timeout(std::move(one), std::chrono::milliseconds(below(5))));
        co_return r.has_value();
      }
      case 7:
        co_return co_await ag::with_group([&](ag::task_group& g) -> ag::task<int> {
          const frame inside(*this);
          for (unsigned n = below(5); n > 0; --n) {
            g.spawn(some_call(run, within, depth));
            if (below(2)) g.spawn(worker_call(run, within));
          }
          co_return co_await pause();
        });
      case 8: {
        if (depth == 0) co_return co_await pause();
        const int cap = static_cast<int>(below(4)) + 1;
        const std::size_t inner = new_run(cap);
        const ag::graph_fn agent{"inner", [this](std::size_t r, mark* w, int d) { return steps(r, w, d, 3); }};
        ag::run_options options{.max_concurrency = cap};
        if (below(4) == 0) options.deadline = std::chrono::milliseconds(below(8));
        co_return co_await ag::run_async(agent(inner, within, depth - 1), options);
      }
      case 9:
        co_return co_await graph(within, depth);
      case 10: {
        const auto r = co_await ag::as_result(ag::shielded(some_call(run, within, depth)));
        co_return r.has_value();
      }
      default: {
        int sum = 0;
        co_await ag::as_completed(some_calls(run, within, depth), [&](int x) {
          if (below(20) == 0) throw std::runtime_error("failed on purpose");
          sum += x;
        });
        co_return sum;
      }
    }
  }

  /// A run of a graph: each node may wait for some of those before it.
  ag::task<int> graph(mark* within, int depth) {
    const frame here(*this);
    const int cap = static_cast<int>(below(3)) + 1;
    const std::size_t run = new_run(cap);
    const ag::graphify g{"graph", [this, run, within, depth] {
      std::vector<ag::node<int>> nodes;
      for (unsigned n = below(5) + 1; n > 0; --n) {
        auto one = some_call(run, within, depth > 0 ? depth - 1 : 0);
        for (const auto& before : nodes)
          if (below(3) == 0) one.after(before);
        nodes.emplace_back(one);
      }
      return nodes;
    }};
    ag::run_options options{.max_concurrency = cap};
    if (below(2)) options.on_error = ag::on_error::skip_dependents;
    const auto all = co_await ag::run_async(g(), options);
    co_return static_cast<int>(all.size());
  }

  // --- the queue: tasks, which hold no slot, push and pop
  struct counted {
    int& n;
    explicit counted(int& x) : n(x) { ++n; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --n; }
  };
  ag::task<> produce(ag::queue<item>& q, std::size_t run, int producer) {
    const frame here(*this);
    for (int number = 0; number < 4; ++number) {
      const item one{producer, number};
      bool was_pushed = false;
      std::optional<counted> waits(std::in_place, pushing_);
      switch (below(4)) {
        case 0: {
          const auto r = co_await ag::as_result(ag::timeout(q.push(one), std::chrono::milliseconds(below(3))));
          was_pushed = r.has_value();
          break;
        }
        case 1: {
          const auto first = co_await ag::race(q.push(one), ag::sleep_for(std::chrono::milliseconds(below(3))));
          was_pushed = first.index() == 0;
          break;
        }
        case 2:
          was_pushed = q.try_push(one);
          break;
        default:
          co_await q.push(one);
          was_pushed = true;
      }
      waits.reset();
      if (was_pushed && !inside_.insert({producer, number}).second) complain("an element was pushed twice");
      if (below(3) == 0) co_await ag::as_result(some_call(run, nullptr, 0));
      else if (below(2)) co_await pause();
    }
  }
  ag::task<> produce_all(ag::queue<item>& q, std::size_t run) {
    const frame here(*this);
    co_await ag::as_result(ag::gather(produce(q, run, 0), produce(q, run, 1), produce(q, run, 2)));
    q.close();
  }
  ag::task<> consume(ag::queue<item>& q) {
    const frame here(*this);
    std::map<int, int> last;
    const auto see = [&](const item& one) {
      ++items_;
      note(3000 + 10 * one.producer + one.number);
      // It may come before its producer is told that it was pushed.
      taken_out_.push_back(one);
      const auto before = last.try_emplace(one.producer, -1).first;
      if (before->second >= one.number) complain("the elements of a producer come in another order");
      before->second = one.number;
    };
    for (;;) {
      std::optional<counted> waits(std::in_place, popping_);
      switch (below(3)) {
        case 0: {
          const auto r = co_await ag::as_result(ag::timeout(q.pop(), std::chrono::milliseconds(below(4))));
          if (!r.has_value()) break;
          if (!r.value()) co_return;
          see(*r.value());
          break;
        }
        case 1: {
          const auto first = co_await ag::race(ag::sleep_for(std::chrono::milliseconds(below(3))), q.pop());
          if (first.index() == 0) break;
          if (!std::get<1>(first)) co_return;
          see(*std::get<1>(first));
          break;
        }
        default: {
          const auto one = co_await q.pop();
          if (!one) co_return;
          see(*one);
        }
      }
      waits.reset();
      if (below(2)) co_await pause();
    }
  }
  ag::task<int> pipeline(ag::queue<item>& q, std::size_t run) {
    const frame here(*this);
    queue_ = &q;
    const auto r = co_await ag::as_result(ag::gather(produce_all(q, run), consume(q), consume(q)));
    queue_ = nullptr;
    q.close();
    while (const auto left = q.try_pop()) taken_out_.push_back(*left);
    for (const item& one : taken_out_)
      if (inside_.erase({one.producer, one.number}) != 1) complain("an element came out that was not pushed, or twice");
    if (!inside_.empty()) complain("an element that was pushed is lost");
    if (q.size() != 0) complain("a queue is not empty");
    if (!r.has_value()) std::rethrow_exception(r.error());
    co_return 1;
  }

  ag::testing::simulation& sim_;
  std::mt19937 random_;
  std::vector<run_books> runs_;
  std::array<std::size_t, 3> permits_{};  // of each pool, that bodies hold
  std::map<const ag::rate_limit*, std::uint64_t> taken_;
  std::map<std::pair<const ag::rate_limit*, std::string_view>, bucket> buckets_;
  std::map<const ag::circuit_breaker*, int> probes_;
  ag::semaphore two_{2};
  std::set<std::pair<int, int>> inside_;  // pushed
  std::vector<item> taken_out_;
  const ag::queue<item>* queue_ = nullptr;  // while it is used
  int pushing_ = 0;
  int popping_ = 0;
  std::vector<std::int64_t> log_;
  std::vector<std::string> wrong_;
  int items_ = 0;
  int starts_ = 0;
  int ends_ = 0;
  int open_bodies_ = 0;
  int frames_ = 0;
};

/// Looks at the books at each event, too.
class watcher final : public ag::observer {
 public:
  explicit watcher(random_program& p) : program_(p) {}
  void on_event(const ag::event& e) override {
    check.on_event(e);
    bodies += e.kind() == ag::event_kind::node_started && e.node() == ag::node_kind::call;
    program_.check_now();
  }
  test::event_check check;
  int bodies = 0;  // that were said to start

 private:
  random_program& program_;
};

/// How a program ended, and all that it did, in a form that can be compared.
struct trace {
  std::string outcome;
  std::vector<std::int64_t> log;
  ag::duration took{};
  int starts = 0;
  int items = 0;
  bool has_retried = false;
  friend bool operator==(const trace&, const trace&) = default;
};

trace run_program(ag::testing::simulation& sim) {
  const std::uint64_t seed = sim.seed();
  CAPTURE(seed);
  random_program program(sim);
  watcher events(program);
  const int cap = static_cast<int>(seed % 5) + 1;
  ag::run_options options{.max_concurrency = cap};
  if (seed % 6 == 0) options.deadline = std::chrono::milliseconds(seed % 13);
  const ag::record levels[] = {ag::record::off, ag::record::nodes, ag::record::times};
  options.record = levels[seed % 3];
  const bool is_observed = seed % 2 == 0;
  if (is_observed) options.observer = &events;

  const auto r = sim.try_run(program.body(cap), options);

  trace t{"value", program.log(), sim.elapsed(), program.starts(), program.items()};
  if (!r.ok()) {
    try {
      std::rethrow_exception(r.error());
    } catch (const ag::option_error& e) {
      FAIL_CHECK(e.what());
    } catch (const ag::cancelled& e) {
      FAIL_CHECK(e.what());  // nobody cancels; a deadline is a timed_out
    } catch (const std::exception& e) {
      t.outcome = e.what();
    }
  }
  program.check_at_end();
  CHECK(program.wrong() == std::vector<std::string>());
  CHECK(r.peak_concurrency() <= static_cast<std::size_t>(cap));
  if (is_observed || options.record != ag::record::off) {
    for (const ag::task_graph::node_view& n : r.graph().nodes()) {
      if (!ag::has_ended(n.state)) FAIL_CHECK(n.id << " has not ended");
      if ((n.failure == nullptr) != (n.state == ag::node_state::done)) FAIL_CHECK(n.id << " has the wrong cause");
      t.has_retried = t.has_retried || n.attempts > 1;
    }
    CHECK(r.graph().folded().total() == 0);
  }
  if (is_observed) {
    CHECK(events.check.wrong() == std::vector<std::string>());
    CHECK(events.check.is_complete());
    CHECK(events.bodies == program.starts());
    CHECK(events.check.differences(r.graph()) == std::vector<std::string>());
  }
  return t;
}

/// 2,500 seeds, so that those of one test take not too long, and several tests run side by side.
void explore_from(std::uint64_t first_seed) {
  int values = 0;
  int retried = 0;
  int starts = 0;
  int items = 0;
  const auto all = ag::testing::explore(2500, [&](ag::testing::simulation& sim) {
    const trace t = run_program(sim);
    values += t.outcome == "value";
    retried += t.has_retried;
    starts += t.starts;
    items += t.items;
  }, {.first_seed = first_seed});
  if (all.seeds == 1) return;  // one of them was asked for
  // The programs must be worth exploring.
  CHECK(all.interleavings > 1500);
  CHECK(values > 500);
  CHECK(values < 2400);
  CHECK(retried > 300);
  CHECK(starts > 10'000);
  CHECK(items > 1'000);
}

/// Holds the starts of bodies against the order in which their calls were made.
class order_check final : public ag::observer {
 public:
  /// `is_strict`: one at a time can start. Else several that start at the same moment may do so in any order.
  explicit order_check(bool is_strict) : is_strict_(is_strict) {}

  void on_event(const ag::event& e) override {
    ++clock_;
    if (e.kind() == ag::event_kind::node_made) {
      waiting_[e.number()] = {e.tool() == "urgent", clock_};
    } else if (e.kind() == ag::event_kind::node_started) {
      const call started = waiting_.at(e.number());
      waiting_.erase(e.number());
      for (const auto& [number, other] : waiting_) {
        if (!is_strict_) {
          if (number < e.number()) passed_[number] = e.time();
        } else if (other.is_urgent == started.is_urgent) {
          wrong += number < e.number();
        } else {
          // What was made before the last slot was given back was there to be chosen.
          wrong += other.is_urgent && other.made < last_end_;
        }
      }
      if (const auto p = passed_.find(e.number()); p != passed_.end()) wrong += p->second != e.time();
      ++starts;
    } else if (e.kind() == ag::event_kind::node_ended) {
      if (waiting_.erase(e.number()) == 0) last_end_ = clock_;
    }
  }
  int wrong = 0;
  int starts = 0;

 private:
  struct call {
    bool is_urgent = false;
    int made = 0;
  };
  const bool is_strict_;
  int clock_ = 0;
  int last_end_ = 0;
  std::map<std::uint64_t, call> waiting_;
  std::map<std::uint64_t, std::chrono::steady_clock::time_point> passed_;  // when a later one started
};

/// Many calls at many times, some of which may give up.
int check_order(ag::testing::simulation& sim, int cap, const ag::tool_options& normal, const ag::tool_options& urgent,
    bool is_strict, bool may_give_up = true) {
  std::mt19937 random(static_cast<unsigned>(sim.seed()));
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const ag::tool<int(int)> first{"normal", [](int ms) -> ag::task<int> {
    co_await ag::sleep_for(std::chrono::milliseconds(ms));
    co_return ms;
  }, normal};
  const ag::tool<int(int)> second{"urgent", [](int ms) -> ag::task<int> {
    co_await ag::sleep_for(std::chrono::milliseconds(ms));
    co_return ms;
  }, urgent};
  const auto body = [&]() -> ag::task<> {
    co_await ag::with_group([&](ag::task_group& g) -> ag::task<> {
      for (int i = 0; i < 16; ++i) {
        auto one = (below(2) ? first : second)(static_cast<int>(below(3)));
        if (may_give_up && below(4) == 0)
          g.spawn(ag::as_result(ag::timeout(std::move(one), std::chrono::milliseconds(below(8)))));
        else g.spawn(std::move(one));
        if (below(3) == 0) co_await ag::sleep_for(std::chrono::milliseconds(below(3)));
      }
    });
  };
  order_check seen(is_strict);
  sim.run(body(), {.max_concurrency = cap, .observer = &seen});
  const std::uint64_t seed = sim.seed();
  CAPTURE(seed);
  CHECK(seen.wrong == 0);
  return seen.starts;
}

}  // namespace

TEST_CASE("of those that wait for a slot, the urgent ones go first, else first come, first served, whatever the seed") {
  int starts = 0;
  ag::testing::explore(
      1000, [&](ag::testing::simulation& sim) { starts += check_order(sim, 1, {}, {.priority = 1}, true); });
  CHECK(starts > 1);
}

TEST_CASE("those that wait for permits are served first come, first served, whatever their weight and the seed") {
  ag::resource_pool pool{"p", 3};
  ag::testing::explore(1000, [&](ag::testing::simulation& sim) {
    check_order(sim, 16, {.pool = &pool, .weight = 3}, {.pool = &pool}, false);
    check_order(sim, 16, {.pool = &pool, .weight = 2}, {.pool = &pool, .weight = 2}, false);
    CHECK(pool.now().in_use == 0);
  });
}

TEST_CASE("those that wait for a token are served first come, first served, whatever the seed") {
  ag::testing::explore(1000, [&](ag::testing::simulation& sim) {
    ag::rate_limit rate{500, 2};
    check_order(sim, 16, {.rate = &rate}, {.rate = &rate}, false, false);
    CHECK(rate.now().waiting == 0);
  });
}

TEST_CASE("random programs within bounds keep them under 10,000 seeds: the first quarter") { explore_from(1); }
TEST_CASE("random programs within bounds keep them under 10,000 seeds: the second quarter") { explore_from(2501); }
TEST_CASE("random programs within bounds keep them under 10,000 seeds: the third quarter") { explore_from(5001); }
TEST_CASE("random programs within bounds keep them under 10,000 seeds: the last quarter") { explore_from(7501); }

TEST_CASE("a random program within bounds takes the same course for the same seed") {
  ag::testing::explore(200, [](ag::testing::simulation& sim) {
    ag::testing::simulation again(sim.seed());
    CHECK(run_program(sim) == run_program(again));
    CHECK(sim.interleaving() == again.interleaving());
  });
}
