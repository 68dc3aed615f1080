#include "aethergraph/node.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool work{"work", [](int x) -> ag::task<int> { co_return 2 * x; }};
const ag::tool plus{"plus", [](int a, int b) { return a + b; }};
const ag::tool pair_of{"pair_of", [](int x) { return std::pair{x, std::to_string(x)}; }};
const ag::tool length{"length", [](const std::string& s) { return static_cast<int>(s.size()); }};
const ag::tool read_unique{"read_unique", [](std::unique_ptr<int> p) { return *p; }};

struct inner_stats {
  int low = 0;
  std::string text;
};
struct stats {
  double mean = 0;
  inner_stats inner;
  std::array<int, 2> ends{};
};
const ag::tool measure{"measure", [](int x) { return stats{x / 2.0, {x, std::to_string(x)}, {x, x + 1}}; }};

using both_unique = std::pair<std::unique_ptr<int>, std::unique_ptr<int>>;
const ag::tool split{
    "split", [](int x) { return both_unique(std::make_unique<int>(x), std::make_unique<int>(x + 1)); }};

template <class Body>
auto built(Body body) {
  return ag::graphify{"g", std::move(body)}.build();
}

/// Counts its values, which are moved or copied, and the objects that they are in.
struct large {
  static inline int values = 0;
  static inline int most = 0;
  static inline int objects = 0;
  static inline int copies = 0;
  static void reset() { values = most = objects = copies = 0; }

  explicit large(int v) noexcept : value(v) { come(); }
  large(const large& o) noexcept : value(o.value) {
    ++copies;
    come();
  }
  large(large&& o) noexcept : value(std::exchange(o.value, gone)) { ++objects; }
  large& operator=(const large&) = delete;
  large& operator=(large&&) = delete;
  ~large() {
    --objects;
    if (value != gone) --values;
  }

  static constexpr int gone = -1;
  int value;

 private:
  void come() noexcept {
    ++objects;
    most = std::max(most, ++values);
  }
};

const ag::tool make_large{"make_large", [](int x) { return large(x); }};
const ag::tool make_large_later{"make_large_later", [](int x) -> ag::task<large> {
  co_await ag::sleep_for(1ms);
  co_return large(x);
}};
const ag::tool grow{"grow", [](large l) { return large(l.value + 1); }};
const ag::tool grow_later{"grow_later", [](large l) -> ag::task<large> {
  co_await ag::sleep_for(1ms);
  co_return large(l.value + 1);
}};
const ag::tool look{"look", [](const large& l) { return l.value; }};
const ag::tool eat{"eat", [](large l) { return l.value; }};

}  // namespace

// --- parts

TEST_CASE("a member of a struct to come is passed on by itself") {
  CHECK(ag::run(built([] {
    auto m = measure(8);
    return std::tuple{m[&stats::mean], m[&stats::ends]};
  })()) == std::tuple{4.0, std::array<int, 2>{8, 9}});
}

TEST_CASE("parts of parts are passed on") {
  CHECK(ag::run(built([] {
    auto m = measure(8);
    return plus(length(m[&stats::inner][&inner_stats::text]), ag::get<1>(m[&stats::ends]));
  })()) == 10);
}

TEST_CASE("get passes on an element of a pair, a tuple or an array") {
  const ag::tool triple{"triple", [](int x) { return std::tuple{x, std::to_string(x), x + 1}; }};
  CHECK(ag::run(built([&] {
    auto p = pair_of(12);
    auto t = triple(100);
    return plus(plus(ag::get<0>(p), length(ag::get<1>(p))), plus(ag::get<2>(t), length(ag::get<1>(t))));
  })()) == 12 + 2 + 101 + 3);
}

TEST_CASE("a part of an input is passed on") {
  const auto graph = built([](ag::node<stats> s) { return plus(s[&stats::inner][&inner_stats::low], 1); });
  CHECK(ag::run(graph({0, {4, ""}, {}})) == 5);
}

TEST_CASE("a part and the whole are read, and the part is no less for it") {
  const ag::tool takes{"takes", [](std::pair<int, std::string> p, const std::string& s) {
    return fmt::format("{} {} {}", p.first, p.second, s);
  }};
  CHECK(ag::run(built([&] {
    auto p = pair_of(7);
    return takes(p, ag::get<1>(p));
  })()) == "7 7 7");
}

TEST_CASE("two move-only parts of one value are read by two calls") {
  CHECK(ag::run(built([] {
    auto p = split(1);
    return plus(read_unique(ag::get<0>(p)), read_unique(p[&both_unique::second]));
  })()) == 3);
}

TEST_CASE("one move-only part that is read twice is refused") {
  CHECK_THROWS_AS(built([] {
    auto p = split(1);
    return plus(read_unique(ag::get<0>(p)), read_unique(ag::get<0>(p)));
  }),
      ag::build_error);
}

TEST_CASE("one move-only part that is read twice is refused, by way of a call and of its node") {
  CHECK_THROWS_AS(built([] {
    auto p = split(1);
    const ag::node<both_unique> same = p;
    return plus(read_unique(ag::get<0>(p)), read_unique(ag::get<0>(same)));
  }),
      ag::build_error);
  CHECK_THROWS_AS(built([] {
    auto p = split(1);
    const ag::node<both_unique> same = p;
    return plus(read_unique(p[&both_unique::first]), read_unique(same[&both_unique::first]));
  }),
      ag::build_error);
}

TEST_CASE("a move-only element of a pair that is read by index and by name is refused") {
  CHECK_THROWS_AS(built([] {
    auto p = split(1);
    return plus(read_unique(ag::get<1>(p)), read_unique(p[&both_unique::second]));
  }),
      ag::build_error);
}

TEST_CASE("a move-only value and a move-only part of it are refused together") {
  const ag::tool whole{"whole", [](both_unique p) { return *p.first; }};
  CHECK_THROWS_AS(built([&] {
    auto p = split(1);
    return plus(read_unique(ag::get<0>(p)), whole(p));
  }),
      ag::build_error);
  CHECK_THROWS_AS(built([&] {
    auto p = split(1);
    return plus(whole(p), read_unique(ag::get<0>(p)));
  }),
      ag::build_error);
}

// --- order

TEST_CASE("after makes a call wait for others, though it reads nothing of them") {
  std::vector<std::string> order;
  const ag::tool notes{"notes", [&order](std::string s, int ms) -> ag::task<> {
    co_await ag::sleep_for(std::chrono::milliseconds{ms});
    order.push_back(s);
  }};
  const auto graph = built([&] {
    auto slow = notes("slow", 5);
    auto slower = notes("slower", 9);
    return notes("last", 0).after(slow, slower);
  });
  ag::testing::simulation(1).run(graph());
  CHECK(order == std::vector<std::string>{"slow", "slower", "last"});
}

TEST_CASE("after takes containers of nodes, and is repeated") {
  std::vector<int> order;
  const ag::tool notes{"notes", [&order](int n) -> ag::task<> {
    co_await ag::sleep_for(std::chrono::milliseconds{n});
    order.push_back(n);
  }};
  const auto graph = built([&] {
    std::vector<ag::node<void>> all{notes(3), notes(2)};
    const ag::node<void> one = notes(4);
    return notes(0).after(all).after(one);
  });
  ag::testing::simulation(1).run(graph());
  CHECK(order == std::vector<int>{2, 3, 4, 0});
}

TEST_CASE("after may point to a call that is made later") {
  std::vector<int> order;
  const ag::tool notes{"notes", [&order](int n) { order.push_back(n); }};
  ag::run(built([&] {
    auto first = notes(1);
    auto second = notes(2);
    first.after(second);
  })());
  CHECK(order == std::vector<int>{2, 1});
}

TEST_CASE("a cycle through after is refused, with the calls that are in it") {
  const ag::graphify g{"g", [] {
    auto a = work(1);
    auto b = work(a);
    auto c = work(b);
    a.after(c);
    return plus(c, 1);
  }};
  CHECK_THROWS_AS(g.build(), ag::build_error);
  CHECK_THROWS_WITH(
      g.build(), "graph 'g' has a cycle: work#1 -> work#2 -> work#3 -> work#1; no call can wait for itself");
}

TEST_CASE("a call after itself is refused") {
  const ag::graphify g{"g", [] {
    auto a = work(1);
    a.after(a);
    return a;
  }};
  CHECK_THROWS_WITH(g.build(), "graph 'g' has a cycle: work#1 -> work#1; no call can wait for itself");
}

TEST_CASE("an input waits for nothing") {
  const ag::graphify g{"g", [](ag::node<int> x) {
    x.after(work(1));
    return x;
  }};
  CHECK_THROWS_WITH(g.build(), "graph 'g': 'input#1' is no call and cannot wait for another one");
}

TEST_CASE("a call after an input, which is always there, runs") {
  CHECK(ag::run(built([](ag::node<int> x) { return std::tuple{x, work(1).after(x)}; })(5)) == std::tuple{5, 2});
}

// --- names

TEST_CASE("id names a node, for inspection, errors and its own body") {
  std::string seen;
  const ag::tool sees{"sees", [&seen](ag::context& ctx, int x) -> ag::task<int> {
    seen = ctx.id();
    if (x > 1) throw std::runtime_error("failed");
    co_return x;
  }};
  const auto graph = built([&](ag::node<int> x) { return sees(x).id("mine"); });
  CHECK(graph.spec().nodes().at(0).id == "mine");
  CHECK(graph.spec().find("mine") != nullptr);
  CHECK(ag::run(graph(1)) == 1);
  CHECK(seen == "mine");
  CHECK_THROWS_WITH(ag::run(graph(2)), "graph 'g' failed: mine: failed");
}

TEST_CASE("the id of a node without a name is that of its place, in its body, too") {
  std::string seen;
  const ag::tool sees{"sees", [&seen](ag::context& ctx, int x) -> ag::task<int> {
    seen = ctx.id();
    co_return x;
  }};
  CHECK(ag::run(built([&] { return sees(work(1)); })()) == 2);
  CHECK(seen == "sees#2");
}

TEST_CASE("the id of a node of a sub-graph has a prefix, in its body, too") {
  std::string seen;
  const ag::tool sees{"sees", [&seen](ag::context& ctx, int x) {
    seen = ctx.id();
    return x;
  }};
  const ag::graphify sub{"sub", [&](ag::node<int> x) { return sees(x).id("inner"); }};
  const auto graph = built([&](ag::node<int> x) {
    auto a = sub(x);
    return plus(a, work(sub(x)));
  });
  CHECK(graph.spec().nodes().at(0).id == "sub#1/inner");
  CHECK(graph.spec().nodes().at(1).id == "sub#2/inner");
  CHECK(ag::run(graph(1)) == 3);
  CHECK(seen == "sub#2/inner");
}

TEST_CASE("two calls with one id are refused") {
  const ag::graphify g{"g", [] {
    auto a = work(1).id("x");
    return plus(a, plus(1, 2).id("x"));
  }};
  CHECK_THROWS_AS(g.build(), ag::build_error);
  CHECK_THROWS_WITH(
      g.build(), "graph 'g': the id 'x' is given twice, to calls of 'work' and of 'plus'; ids are unique");
}

TEST_CASE("an id that another call has by its place is refused") {
  const ag::graphify g{"g", [] {
    auto a = work(1);
    return plus(a, work(2).id("work#1"));
  }};
  CHECK_THROWS_WITH(g.build(),
      "graph 'g': the id 'work#1' is given to a call of 'work', but is what a call of 'work' "
      "has by its place; choose another one");
}

TEST_CASE("an id that a call in a sub-graph has by its place is refused") {
  const ag::graphify sub{"sub", [](ag::node<int> x) { return work(x); }};
  const ag::graphify g{"g", [&] {
    auto a = sub(work(1));
    return plus(a, work(2).id("sub#2/work#1"));
  }};
  CHECK_THROWS_AS(g.build(), ag::build_error);
}

TEST_CASE("the same id in two sub-graphs is none twice") {
  const ag::graphify sub{"sub", [](ag::node<int> x) { return work(x).id("x").alias("y"); }};
  const auto graph = built([&](ag::node<int> x) { return plus(sub(x), sub(x)); });
  CHECK(ag::run(graph(1)) == 4);
  CHECK(graph.spec().select("@sub#2/y") == std::vector<std::string>{"sub#2/x"});
}

TEST_CASE("an alias and a label select nodes") {
  const auto graph = built([] {
    auto a = work(1).alias("first").label("heavy");
    return plus(a, work(2).label("heavy"));
  });
  CHECK(graph.spec().select("@first") == std::vector<std::string>{"work#1"});
  CHECK(graph.spec().select("#heavy") == std::vector<std::string>{"work#1", "work#2"});
  CHECK(graph.spec().select("tool:pl") == std::vector<std::string>{"plus#3"});
  CHECK(graph.spec().nodes()[0].alias == "first");
  CHECK(graph.spec().nodes()[0].label == "heavy");
}

TEST_CASE("two calls with one alias are refused") {
  const ag::graphify g{"g", [] { return plus(work(1).alias("x"), work(2).alias("x")); }};
  CHECK_THROWS_WITH(g.build(), "graph 'g': the alias 'x' is given twice; aliases are unique");
}

TEST_CASE("an empty id and an empty alias are refused") {
  CHECK_THROWS_WITH(built([] { return work(1).id(""); }), "graph 'g': a node was given an empty id");
  CHECK_THROWS_WITH(built([] { return work(1).alias(""); }), "graph 'g': a node was given an empty alias");
}

TEST_CASE("an input is given no id") {
  CHECK_THROWS_WITH(
      built([](ag::node<int> x) { return x.id("y"); }), "graph 'g': 'input#1' is no call and cannot be given an id");
}

TEST_CASE("a call made in no graph is given no name") {
  auto c = work(1);
  CHECK_THROWS_AS(c.id("x"), ag::build_error);
  CHECK(ag::run(std::move(c)) == 2);
}

TEST_CASE("with gives a call options, of a call and of a node") {
  const auto graph = built([](ag::node<int> x) {
    auto a = work(1).with({.label = "a"});
    return plus(a, work(x).with({.label = "b"}));
  });
  CHECK(graph.spec().nodes()[0].label == "a");
  CHECK(graph.spec().nodes()[1].label == "b");
  CHECK(ag::run(graph(1)) == 4);
}

TEST_CASE("a nested run is given no tool options") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x; }};
  CHECK_THROWS_WITH(built([&](ag::node<int> x) { return agent(x).with({.label = "a"}); }),
      "graph 'g': 'agent#1' is no call of a tool and cannot be given options");
}

TEST_CASE("names are given to a map and to a nested run") {
  const ag::graph_fn agent{"agent", [](int x) -> ag::task<int> { co_return x; }};
  const auto graph = built([&](ag::node<std::vector<int>> v, ag::node<int> x) {
    return std::tuple{ag::map(work, v).id("all").label("l"), agent(x).id("one"), agent(5).alias("two")};
  });
  CHECK(graph.spec().select("#l") == std::vector<std::string>{"all"});
  CHECK(graph.spec().find("one") != nullptr);
  CHECK(graph.spec().select("@two") == std::vector<std::string>{"agent#3"});
  CHECK(ag::run(graph({1}, 4)) == std::tuple{std::vector<int>{2}, 4, 5});
}

// --- how long values live

TEST_CASE("the only reader gets the value moved") {
  large::reset();
  CHECK(ag::run(built([] { return eat(make_large(5)); })()) == 5);
  CHECK(ag::run(built([] { return eat(make_large_later(5)); })()) == 5);
  CHECK(large::copies == 0);
  CHECK(large::objects == 0);
}

TEST_CASE("of two readers one after the other, the first gets a copy and the last the value itself") {
  large::reset();
  const auto graph = built([] {
    const ag::node<large> l = make_large(5);
    auto first = eat(l);
    return plus(first, eat(l).after(first));
  });
  CHECK(ag::run(graph()) == 10);
  CHECK(large::copies == 1);
  CHECK(large::objects == 0);
}

TEST_CASE("a value is not moved away while another reader of it runs") {
  large::reset();
  const ag::tool looks_later{"looks_later", [](const large& l) -> ag::task<int> {
    co_await ag::sleep_for(1ms);
    co_return l.value;
  }};
  const auto graph = built([&] {
    const ag::node<large> l = make_large(5);
    return plus(looks_later(l), eat(l));
  });
  CHECK(ag::testing::simulation(1).run(graph()) == 10);
  CHECK(large::objects == 0);
}

TEST_CASE("a reader by const reference gets no copy") {
  large::reset();
  const auto graph = built([](ag::node<large> l) {
    auto a = look(l);
    return plus(a, look(l).after(a));
  });
  CHECK(ag::run(graph(large(5))) == 10);
  CHECK(large::copies == 0);
}

TEST_CASE("a literal read by const reference is copied by no run") {
  large::reset();
  const auto graph = built([] { return look(large(5)); });
  const int before = large::copies;
  CHECK(ag::run(graph()) == 5);
  CHECK(ag::run(graph()) == 5);
  CHECK(large::copies == before);
  CHECK(large::objects == 1);  // that of the graph
}

TEST_CASE("a chain of large values holds at most two at a time") {
  for (const bool is_later : {false, true}) {
    large::reset();
    const auto graph = built([&] {
      ag::node<large> l = make_large(0);
      for (int i = 0; i < 20; ++i) l = is_later ? grow_later(l) : grow(l);
      return look(l);
    });
    CHECK(ag::testing::simulation(1).run(graph()) == 20);
    CHECK(large::most <= 2);
    CHECK(large::copies == 0);
    CHECK(large::objects == 0);
  }
}

TEST_CASE("a value is destroyed when its last reader has ended, not at the end of the run") {
  large::reset();
  int alive_later = -1;
  const ag::tool sees{"sees", [&](int x) {
    alive_later = large::values;
    return x;
  }};
  CHECK(ag::run(built([&] { return sees(look(make_large(5))); })()) == 5);
  CHECK(alive_later == 0);
}

TEST_CASE("a value that nobody reads is destroyed at once") {
  large::reset();
  int alive_later = -1;
  const ag::tool sees{"sees", [&](int x) {
    alive_later = large::values;
    return x;
  }};
  const auto graph = built([&] {
    auto l = make_large(5);
    return sees(1).after(l);
  });
  CHECK(ag::run(graph()) == 1);
  CHECK(alive_later == 0);
}

TEST_CASE("the result is moved out of the graph") {
  large::reset();
  const auto graph = built([] { return make_large(5); });
  CHECK(ag::run(graph()).value == 5);
  CHECK(large::copies == 0);
  CHECK(large::objects == 0);
}

TEST_CASE("an input is moved to its only reader") {
  large::reset();
  const auto graph = built([](ag::node<large> l) { return eat(l); });
  CHECK(ag::run(graph(large(5))) == 5);
  CHECK(large::copies == 0);
  CHECK(large::objects == 0);
}

TEST_CASE("every value is destroyed when a node fails, under both policies") {
  const ag::tool fails{"fails", [](const large&) -> int { throw std::runtime_error("failed"); }};
  for (const ag::on_error policy : {ag::on_error::stop, ag::on_error::skip_dependents}) {
    large::reset();
    const auto graph = built([&](ag::node<large> in) {
      const ag::node<large> l = make_large(5);
      auto f = fails(l);
      return std::tuple{plus(f, eat(l)), grow(in), grow(make_large_later(1))};
    });
    CHECK_FALSE(ag::testing::simulation(1).try_run(graph(large(7)), {.on_error = policy}).ok());
    CHECK(large::objects == 0);
  }
}

TEST_CASE("every value is destroyed when a run is cancelled") {
  large::reset();
  const ag::tool waits{"waits", [](large l) -> ag::task<large> {
    co_await ag::sleep_for(24h);
    co_return l;
  }};
  const auto graph =
      built([&](ag::node<large> in) { return std::tuple{waits(make_large(1)), waits(in), make_large(2)}; });
  CHECK_FALSE(ag::testing::simulation(1).try_run(graph(large(3)), {.deadline = 1ms}).ok());
  CHECK(large::objects == 0);
}

TEST_CASE("a copy that throws is a failure of its reader") {
  struct no_copy {
    no_copy() = default;
    no_copy(const no_copy&) { throw std::runtime_error("no copy"); }
    no_copy(no_copy&&) noexcept = default;
  };
  const ag::tool make{"make", [](int) { return no_copy(); }};
  const ag::tool take{"take", [](no_copy) { return 1; }};
  const auto graph = built([&] {
    const ag::node<no_copy> n = make(1);
    return plus(take(n), take(n));
  });
  auto r = ag::try_run(graph());
  REQUIRE_FALSE(r.ok());
  CHECK_THROWS_WITH(r.value(), "graph 'g' failed: take#2: no copy");
}

TEST_CASE("an input whose move throws is a failure of the run, which can be inspected") {
  struct no_move {
    explicit no_move(bool t) : throws(t) {}
    no_move(no_move&& o) : throws(o.throws), moves(o.moves + 1) {
      if (throws && moves > 1) throw std::runtime_error("no move");
    }
    no_move(const no_move&) = default;
    bool throws;
    int moves = 0;
  };
  const ag::tool take{"take", [](const no_move& n) { return n.moves; }};
  const auto graph = built([&](ag::node<large> l, ag::node<no_move> n) { return plus(look(l), take(n)); });
  large::reset();
  // Wherever on its way it happens.
  bool has_thrown = false;
  try {
    auto invocation = graph(large(1), no_move(true));
    auto r = ag::try_run(std::move(invocation));
    CHECK_FALSE(r.ok());
    CHECK_THROWS_WITH(r.value(), "no move");
    CHECK(r.graph().nodes().size() <= 3);
    has_thrown = true;
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  CHECK(has_thrown);
  CHECK(large::objects == 0);
}

// --- kinds of types

TEST_CASE("a value that is trivially copyable but for its deleted copy is moved") {
  struct token {
    explicit token(int i) : value(i) {}
    token(token&&) = default;
    token& operator=(token&&) = default;
    int value;
  };
  const ag::tool make{"make", [](int x) { return token(x); }};
  const ag::tool take{"take", [](token t) { return t.value; }};
  CHECK(ag::run(built([&] { return take(make(3)); })()) == 3);
  CHECK_THROWS_AS(built([&] {
    const ag::node<token> t = make(3);
    return plus(take(t), take(t));
  }),
      ag::build_error);
}

TEST_CASE("a parameter by rvalue reference is given the value, in an agent and in a graph") {
  const ag::tool take{"take", [](std::string&& s) { return std::string(std::move(s)).size(); }};
  auto body = [&]() -> ag::task<std::size_t> { co_return co_await take(std::string("abc")); };
  CHECK(ag::run(body()) == 3);
  const auto graph = built([&](ag::node<std::string> s) { return std::pair{take(s), take(std::string("ab"))}; });
  CHECK(ag::run(graph("abcd")) == std::pair<std::size_t, std::size_t>(4, 2));
  CHECK(ag::run(graph("abcd")) == std::pair<std::size_t, std::size_t>(4, 2));  // the literal is still there
}

TEST_CASE("a vector of move-only values is an argument outside of graphs, too") {
  using owned = std::vector<std::unique_ptr<int>>;
  const ag::tool count{"count", [](owned v) { return v.size(); }};
  const ag::graph_fn agent{"agent", [&](owned v) -> ag::task<std::size_t> { co_return co_await count(std::move(v)); }};
  owned three;
  three.resize(3);
  CHECK(ag::run(agent(std::move(three))) == 3);
  CHECK_THROWS_WITH(built([&] { return count(owned()); }), Catch::Matchers::StartsWith("'count' was called in a graph "
                                                                                       "with a literal"));
}

TEST_CASE("an over-aligned value keeps its alignment") {
  struct alignas(64) wide {
    double values[8] = {};
  };
  bool is_aligned = false;
  const ag::tool make{"make", [](int) { return wide(); }};
  const ag::tool check{"check", [&](const wide& w) {
    is_aligned = reinterpret_cast<std::uintptr_t>(&w) % 64 == 0;
    return 1;
  }};
  CHECK(ag::run(built([&] {
    auto first = work(1);
    return plus(first, check(make(1)));
  })()) == 3);
  CHECK(is_aligned);
}
