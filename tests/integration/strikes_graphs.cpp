// Static graphs are broken off, made to throw, and cancelled, at every point in turn: on one thread, and parallel.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <map>
#include <optional>

#include "support/catch.hpp"
#include "support/programs.hpp"

using test::probe;
namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr int enough = 100'000;  // more strikes than any graph has points: the loops below end before
constexpr int cap = 2;

/// A value that is counted among what must be gone in the end, and owns memory.
class counted {
 public:
  counted(probe& p, int value) : alive_(p), digits_(40, 'x'), value_(value) {}
  counted(const counted&) = default;
  counted(counted&&) = default;
  counted& operator=(counted o) noexcept {  // of the same probe
    digits_.swap(o.digits_);
    value_ = o.value_;
    return *this;
  }
  ~counted() = default;
  [[nodiscard]] int value() const { return digits_.size() == 40 ? value_ : throw std::logic_error("moved from"); }

 private:
  probe::alive alive_;
  std::string digits_;
  int value_ = 0;
};

struct pair_of_counted {
  counted left;
  counted right;
};

/// The tools of the graphs, besides those of the probe.
struct kit {
  explicit kit(probe& x) : p(x) {}
  probe& p;

  const ag::tool<counted(int)> make{"make", [this](int x) {
    const probe::alive here(p);
    p.point();
    return counted(p, x);
  }};
  const ag::tool<counted(int)> make_later{"make_later", [this](int x) -> ag::task<counted> {
    const probe::alive here(p);
    co_await p.at(ag::sleep_for(std::chrono::microseconds(100 * (x % 3 + 1))));
    co_return counted(p, x);
  }};
  const ag::tool<counted(counted)> step{"step", [this](counted c) {
    const probe::alive here(p);
    p.point();
    return counted(p, c.value() + 1);
  }};
  const ag::tool<counted(counted)> step_later{"step_later", [this](counted c) -> ag::task<counted> {
    const probe::alive here(p);
    co_await p.at(ag::sleep_for(100us));
    co_return c;
  }};
  /// Ends before it has suspended, though it is a coroutine.
  const ag::tool<counted(counted)> step_at_once{"step_at_once", [this](counted c) -> ag::task<counted> {
    p.point();
    co_return c;
  }};
  const ag::tool<int(std::vector<counted>)> total{"total", [this](const std::vector<counted>& all) {
    p.point();
    int sum = 0;
    for (const counted& c : all) sum += c.value();
    return sum;
  }};
  const ag::tool<pair_of_counted(int)> both{"both", [this](int x) -> ag::task<pair_of_counted> {
    co_await p.at(ag::sleep_for(100us));
    co_return pair_of_counted{counted(p, x), counted(p, x + 1)};
  }};
  const ag::tool<bool(counted)> is_odd{"is_odd", [this](const counted& c) {
    p.point();
    return c.value() % 2 == 1;
  }};
  const ag::tool<std::vector<counted>(int)> range{"range", [this](int n) {
    p.point();
    std::vector<counted> all;
    for (int i = 0; i < n; ++i) all.emplace_back(p, i);
    return all;
  }};
  const ag::tool<std::unique_ptr<counted>(counted)> wrap{
      "wrap", [this](counted c) -> ag::task<std::unique_ptr<counted>> {
    co_await p.at(ag::sleep_for(100us));
    co_return std::make_unique<counted>(std::move(c));
  }};
  const ag::tool<counted(std::unique_ptr<counted>)> unwrap{"unwrap", [this](std::unique_ptr<counted> c) {
    p.point();
    return std::move(*c);
  }};
  ag::task<counted> run_inside(counted c) {
    const probe::alive here(p);
    const int x = co_await p.at(p.family(c.value()));
    co_return counted(p, x);
  }
};

/// What is traced, with tools that outlive its runs.
using body = std::function<ag::node<int>(kit&, ag::node<int>)>;

/// By name, so that a failing one is told.
const std::map<std::string, body>& graphs() {
  static const std::map<std::string, body> by_name{
      {"a chain",
          [](kit& k, ag::node<int> x) -> ag::node<int> {
    auto c = k.step_at_once(k.step_later(k.step(k.make_later(x))));
    return k.total(std::vector{c});
  }},
      {"a diamond of several readers",
          [](kit& k, ag::node<int> x) -> ag::node<int> {
    const auto top = k.make(x);
    const std::vector<ag::node<counted>> all{
        k.step(top), k.step_later(top), k.step_at_once(top), k.step_later(top), top};
    return k.total(all);
  }},
      {"parts",
          [](kit& k, ag::node<int> x) -> ag::node<int> {
    const auto b = k.both(x);
    return k.total(std::vector{k.step(b[&pair_of_counted::left]), k.step_later(b[&pair_of_counted::right])});
  }},
      {"order and tools of every kind",
          [](kit& k, ag::node<int> x) -> ag::node<int> {
    const auto slow = k.p.slow(x);
    const auto timed = k.p.timed(x);
    const auto late = k.make(x).after(slow, timed);
    return k.p.family(k.total(std::vector{k.step_later(late), k.make_later(slow)}));
  }},
      {"conditions",
          [](kit& k, ag::node<int> x) -> ag::node<int> {
    const auto a = k.make_later(x);
    const auto is_odd = k.is_odd(a);
    const auto yes = ag::when(is_odd, k.step_later(a));
    const auto no = ag::when(k.is_odd(k.step(a)), k.step(a));
    return k.total(std::vector{ag::any_of(no, yes), ag::value_or(k.step(no), a)});
  }},
      {"maps",
          [](kit& k, ag::node<int> x) -> ag::node<int> {
    const auto all = k.range(x);
    const auto once = ag::map(k.step_later, all);
    const auto twice = ag::map(k.step, once);
    return k.p.slow(k.total(ag::map(k.step_at_once, twice)));
  }},
      {"values that cannot be copied",
          [](kit& k, ag::node<int> x) -> ag::node<int> {
    return k.total(std::vector{k.unwrap(k.wrap(k.make(x))), k.unwrap(k.wrap(k.make_later(x)))});
  }},
      {"sub-graphs and nested runs",
          [](kit& k, ag::node<int> x) -> ag::node<int> {
    const ag::graphify inner{"inner", [&k](ag::node<counted> c) { return k.step_later(k.step(c)); }};
    const ag::graph_fn agent{
        "agent", [&k](counted c) -> ag::task<counted> { return k.run_inside(std::move(c)); }, {.max_concurrency = 2}};
    const auto a = inner(k.make(x));
    return k.total(std::vector{inner(a), agent(a), agent(k.make_later(x))});
  }},
      {"a nested run of a graph",
          [](kit& k, ag::node<int> x) -> ag::node<int> {
    const ag::graphify inner{"inner",
        [&k](ag::node<int> n) { return k.total(std::vector{k.make_later(n), k.make(n), k.step_later(k.make(n))}); }};
    const ag::graph_fn host{"host", [&k, g = inner.build()](int n) -> ag::task<int> {
      return [](probe& p, auto graph, int i) -> ag::task<int> { co_return co_await p.at(graph(i)); }(k.p, g, n);
    }};
    return host(k.p.slow(x));
  }},
      {"more steps than are taken at a time",
          [](kit& k, ag::node<int> x) -> ag::node<int> {
    std::vector<ag::node<counted>> all;
    for (int i = 0; i < 90; ++i) all.push_back(k.step_at_once(k.step_later(k.make_later(x))));
    return k.total(all);
  }},
  };
  return by_name;
}

/// One run of a graph on an io_context.
class trial {
 public:
  trial(const body& b, ag::on_error policy, bool is_parallel, int max_concurrency = cap) {
    const ag::graphify traced{"graph", [this, &b](ag::node<int> x) { return b(tools, x); }};
    const auto g = traced.build();
    io.emplace();
    p.cancel = [this, is_parallel] {
      const auto emit = [this] { signal.emit(asio::cancellation_type::terminal); };
      if (is_parallel) asio::post(*io, emit);
      else emit();
    };
    start = [this, g, policy, is_parallel, max_concurrency] {
      const ag::run_options options{.max_concurrency = max_concurrency, .on_error = policy, .parallel = is_parallel};
      ag::run_async(io->get_executor(), g(5), options,
          asio::bind_cancellation_slot(signal.slot(), [this](std::exception_ptr e, int) {
        ++calls;
        error = e;
      }));
    };
  }

  probe p;
  kit tools{p};
  asio::cancellation_signal signal;
  std::optional<asio::io_context> io;
  std::function<void()> start;
  int calls = 0;
  std::exception_ptr error;
};

template <class Error>
bool is(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const Error&) {
    return true;
  } catch (...) {
    return false;
  }
}

constexpr auto policies = {ag::on_error::stop, ag::on_error::skip_dependents};

/// Calls `fn(graph, is_parallel)` for all of them, in both ways.
template <class Fn>
void for_each_graph(Fn fn) {
  for (const auto& [name, b] : graphs())
    for (const bool is_parallel : {false, true}) {
      INFO(name << (is_parallel ? ", parallel" : ""));
      fn(b, is_parallel);
    }
}

}  // namespace

TEST_CASE("a graph that is left alone ends with a value") {
  for_each_graph([](const body& b, bool is_parallel) {
    trial t(b, ag::on_error::stop, is_parallel);
    t.start();
    t.io->run();
    CHECK(t.calls == 1);
    CHECK(!t.error);
    CHECK(t.p.live() == 0);
    CHECK(t.p.points() > 0);
  });
}

TEST_CASE("a graph that is broken off after any number of handlers leaves nothing behind") {
  for_each_graph([](const body& b, bool is_parallel) {
    for (const int slots : {cap, 1000}) {
      bool was_left_alone = false;
      for (int handlers = 0; !was_left_alone; ++handlers) {
        INFO("broken off after " << handlers << " handlers");
        REQUIRE(handlers < enough);
        trial t(b, ag::on_error::stop, is_parallel, slots);
        t.start();
        for (int n = 0; n < handlers && t.io->run_one() > 0; ++n) {
        }
        was_left_alone = t.calls > 0;
        t.io.reset();
        CHECK(t.p.live() == 0);
      }
    }
  });
}

TEST_CASE("a graph in which any point throws ends once, with nothing left running") {
  for_each_graph([](const body& b, bool is_parallel) {
    for (const ag::on_error policy : policies) {
      bool was_left_alone = false;
      for (int strike = 1; !was_left_alone; ++strike) {
        INFO("throws at point " << strike);
        REQUIRE(strike < enough);
        trial t(b, policy, is_parallel);
        t.p.throw_at = strike;
        t.start();
        t.io->run();
        was_left_alone = t.p.points() < strike;
        CHECK(t.calls == 1);
        CHECK((!t.error || is<ag::graph_error>(t.error)));
        CHECK((t.error || was_left_alone));
        CHECK(t.p.live() == 0);
      }
    }
  });
}

TEST_CASE("a graph that is cancelled at any point ends once, with nothing left running") {
  for_each_graph([](const body& b, bool is_parallel) {
    bool was_left_alone = false;
    for (int strike = 1; !was_left_alone; ++strike) {
      INFO("cancelled at point " << strike);
      REQUIRE(strike < enough);
      trial t(b, ag::on_error::skip_dependents, is_parallel);
      t.p.cancel_at = strike;
      t.start();
      t.io->run();
      was_left_alone = t.p.points() < strike;
      CHECK(t.calls == 1);
      CHECK((!t.error || is<ag::cancelled>(t.error)));
      CHECK(t.p.live() == 0);
    }
  });
}

TEST_CASE("every node of a graph in which any point throws has ended, in whatever order") {
  for (const auto& [name, b] : graphs()) {
    for (const ag::on_error policy : policies) {
      bool was_left_alone = false;
      for (int strike = 1; !was_left_alone; ++strike) {
        INFO(name << ", throws at point " << strike);
        REQUIRE(strike < enough);
        for (const int seed : {1, 3}) {
          trial t(b, policy, false);
          t.p.throw_at = strike;
          const ag::graphify traced{"graph", [&](ag::node<int> x) { return b(t.tools, x); }};
          {
            ag::testing::simulation sim(static_cast<std::uint64_t>(seed));
            const auto r = sim.try_run(traced(5), {.max_concurrency = seed, .on_error = policy});
            was_left_alone = t.p.points() < strike;
            CHECK((r.ok() || is<ag::graph_error>(r.error())));
            CHECK(r.peak_concurrency() <= static_cast<std::size_t>(seed));
            std::string wrong;
            for (const auto& n : r.graph().nodes())
              if (!ag::has_ended(n.state) || (n.failure == nullptr) != (n.state == ag::node_state::done))
                wrong += n.id + " is " + std::string(to_string(n.state)) + (n.failure ? ", with a cause; " : "; ");
            CHECK(wrong == "");
          }
          CHECK(t.p.live() == 0);
        }
      }
    }
  }
}
