// Random graphs and agents, in parallel runs and in runs on one thread: the same values, the same final states.

#include <aethergraph/aethergraph.hpp>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace ag = aethergraph;

namespace {

std::atomic<int> bodies_now = 0, bodies_at_most = 0;
std::atomic<int> live_texts = 0;

/// A value that owns memory, can be told when it was moved from, and is counted.
class text {
 public:
  explicit text(std::uint64_t v) : value_(std::make_unique<std::uint64_t>(v)) { ++live_texts; }
  text(const text& o) : value_(std::make_unique<std::uint64_t>(o.value())) { ++live_texts; }
  text(text&& o) noexcept : value_(std::move(o.value_)) { ++live_texts; }
  text& operator=(text o) noexcept {
    std::swap(value_, o.value_);
    return *this;
  }
  ~text() { --live_texts; }
  [[nodiscard]] std::uint64_t value() const {
    if (!value_) throw std::logic_error("moved from");
    return *value_;
  }

 private:
  std::unique_ptr<std::uint64_t> value_;
};

class in_a_body {
 public:
  in_a_body() {
    const int n = ++bodies_now;
    for (int p = bodies_at_most; n > p && !bodies_at_most.compare_exchange_weak(p, n);) {
    }
  }
  in_a_body(const in_a_body&) = delete;
  in_a_body& operator=(const in_a_body&) = delete;
  ~in_a_body() { --bodies_now; }
};

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  a ^= b + 0x9e3779b97f4a7c15 + (a << 6) + (a >> 2);
  return a * 0xbf58476d1ce4e5b9;
}

text fold(std::uint64_t salt, std::uint64_t a, std::uint64_t b) {
  const in_a_body here;
  if (salt % 23 == 0) throw std::runtime_error("unlucky");
  return text(mix(mix(salt, a), b));
}

const ag::tool by_value{
    "by_value", [](std::uint64_t salt, text a, text b) { return fold(salt, a.value(), b.value()); }};
const ag::tool by_reference{
    "by_reference", [](std::uint64_t salt, const text& a, const text& b) { return fold(salt, a.value(), b.value()); }};
const ag::tool with_context{"with_context",
    [](ag::context&, std::uint64_t salt, text a, const text& b) { return fold(salt, a.value(), b.value()); }};
const ag::tool coroutine{"coroutine",
    [](std::uint64_t salt, text a, text b) -> ag::task<text> { co_return fold(salt, a.value(), b.value()); }};
const ag::tool last{"last", [](std::vector<text> all) {
  const in_a_body here;
  std::uint64_t sum = 0;
  for (const text& t : all) sum = mix(sum, t.value());
  return sum;
}};

struct shape {
  std::uint64_t seed = 0;
  int nodes = 0;
  bool has_coroutines = false;
};

const ag::graphify random_graph{"random_graph", [](shape s, ag::node<text> x) {
  std::mt19937_64 random(s.seed);
  std::vector<ag::node<text>> all{x};
  for (int i = 0; i < s.nodes; ++i) {
    const auto pick = [&] { return all[all.size() - 1 - random() % std::min<std::size_t>(all.size(), 12)]; };
    const ag::node<text> a = pick(), b = pick();
    const std::uint64_t salt = random();
    switch (random() % (s.has_coroutines ? 4 : 3)) {
      case 0:
        all.push_back(by_value(salt, a, b));
        break;
      case 1:
        all.push_back(by_reference(salt, a, b));
        break;
      case 2:
        all.push_back(with_context(salt, a, b));
        break;
      default:
        all.push_back(coroutine(salt, a, b));
    }
  }
  return last(all);
}};

struct ending {
  bool is_ok = false;
  std::uint64_t value = 0;
  std::map<std::string, ag::node_state> states;
  bool operator==(const ending&) const = default;
};

template <class Graph>
ending end_of(const Graph& graph, const ag::run_options& options) {
  const auto r = ag::try_run(graph(text(7)), options);
  ending e;
  e.is_ok = r.ok();
  if (r.ok()) e.value = r.value();
  for (const auto& n : r.graph().nodes()) e.states.emplace(n.id, n.state);
  return e;
}

ag::task<std::uint64_t> random_agent(std::uint64_t seed, int depth) {
  std::uint64_t sum = seed;
  for (int i = 0; i < 3; ++i) {
    const auto outcome =
        co_await ag::as_result(by_reference(mix(seed, static_cast<std::uint64_t>(i)), text(sum), text(1)));
    sum = outcome ? outcome.value().value() : sum + 1;
  }
  if (depth > 0) {
    const auto [a, b] = co_await ag::gather(random_agent(mix(sum, 1), depth - 1), random_agent(mix(sum, 2), depth - 1));
    sum = mix(a, b);
  }
  co_return sum;
}

void explore(std::uint64_t first, std::uint64_t end) {
  for (std::uint64_t seed = first; seed < end; ++seed) {
    INFO("seed " << seed);
    {
      const auto graph = random_graph.build(shape{seed, static_cast<int>(10 + seed % 120), seed % 3 == 0});
      const ag::run_options one_thread{.on_error = ag::on_error::skip_dependents};
      const ending expected = end_of(graph, one_thread);
      for (const int cap : {1, 2, 16}) {
        bodies_at_most = 0;
        ag::run_options options{.max_concurrency = cap, .on_error = ag::on_error::skip_dependents, .parallel = true};
        if (seed % 4 == 0) options.record = ag::record::times;
        if (seed % 4 == 1) options.record = ag::record::off;
        ending e = end_of(graph, options);
        if (seed % 4 == 1) e.states = expected.states;
        CHECK(e == expected);
        CHECK(bodies_at_most <= cap);
        options.on_error = ag::on_error::stop;
        e = end_of(graph, options);
        CHECK(e.is_ok == expected.is_ok);
        if (expected.is_ok) CHECK(e.value == expected.value);
      }
      const std::uint64_t sum = ag::run(random_agent(seed, 3));
      CHECK(
          ag::run(random_agent(seed, 3), {.max_concurrency = static_cast<int>(1 + seed % 9), .parallel = true}) == sum);
    }
    CHECK(live_texts == 0);
    CHECK(bodies_now == 0);
  }
}

}  // namespace

TEST_CASE("parallel runs of random graphs and agents end as on one thread, seeds 1 to 200") { explore(1, 201); }
TEST_CASE("parallel runs of random graphs and agents end as on one thread, seeds 201 to 400") { explore(201, 401); }
