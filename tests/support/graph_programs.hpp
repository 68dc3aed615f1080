// Random static graphs: described as plain data, traced by a graphify body that interprets the description, and run by
// tools that keep a ledger of what they did.
#pragma once

#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace test::graphs {

namespace ag = aethergraph;

using mark = std::uint64_t;

/// What follows from two marks, and from many: another one, in every order of them.
constexpr mark mix(mark a, mark b) {
  mark x = a * 0x9e3779b97f4a7c15U + (b ^ (b >> 29)) + 0x632be59bd9b4e019U;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93U;
  return x ^ (x >> 29);
}
inline mark fold(const std::vector<mark>& all) {
  mark m = all.size();
  for (const mark a : all) m = mix(m, a);
  return m;
}

/// A value that owns memory and is counted. One that was moved from says so when it is read.
class text {
 public:
  explicit text(mark m) : digits_(fmt::format("{:032x}", m)) { ++live(); }
  text(const text& o) : digits_(o.digits_) { ++live(); }
  text(text&& o) noexcept : digits_(std::exchange(o.digits_, {})) { ++live(); }
  text& operator=(const text&) = default;
  text& operator=(text&& o) noexcept {
    digits_ = std::exchange(o.digits_, {});
    return *this;
  }
  ~text() { --live(); }

  [[nodiscard]] mark read() const {
    if (digits_.empty()) throw std::logic_error("a value was read that had been moved from");
    return std::stoull(digits_, nullptr, 16);
  }
  static std::atomic<long>& live() {
    static std::atomic<long> count = 0;
    return count;
  }

 private:
  std::string digits_;
};
inline mark read_all(const std::vector<text>& all) {
  std::vector<mark> marks;
  for (const text& t : all) marks.push_back(t.read());
  return fold(marks);
}

struct halves {
  text left;
  text right;
  long size;
};

struct injected : std::runtime_error {
  injected() : std::runtime_error("injected") {}
};

/// What a body is told of itself, by a literal among its arguments.
struct duty {
  int id = 0;
  int run = 0;  // which run it holds a slot of
  int pauses = 0;
  int milliseconds = 0;
  bool fails = false;
};
struct item {
  duty who;
  text what;
};

/// What the bodies of one run did.
struct ledger {
  struct body {
    int starts = 0;
    int ends = 0;
    long started_at = 0;
    long ended_at = 0;
    mark read = 0;
  };
  struct run {
    int open_leaves = 0;  // bodies that await no call: each of them holds a slot
    int most_leaves = 0;
  };
  ledger(std::size_t all_bodies, std::size_t all_runs) : bodies(all_bodies), runs(all_runs) {}

  std::mutex mutex;          // of a parallel run's bodies
  std::vector<body> bodies;  // by id
  std::vector<run> runs;
  long clock = 0;
};
/// That of the run which this thread executes.
[[gnu::noinline]] inline ledger*& current_ledger() {
  thread_local ledger* current = nullptr;
  return current;
}
/// That of the parallel run, of which there is one at a time, for the worker threads.
inline std::atomic<ledger*> ledger_of_workers = nullptr;

/// Stands in each body.
class presence {
 public:
  presence(const duty& d, mark read, bool is_leaf = true)
      : duty_(d), is_leaf_(is_leaf), seen_(current_ledger() ? *current_ledger() : *ledger_of_workers) {
    const std::lock_guard lock(seen_.mutex);
    ledger::body& b = mine();
    ++b.starts;
    b.started_at = ++seen_.clock;
    b.read = read;
    result_ = mix(static_cast<mark>(d.id), read);
    if (!is_leaf_) return;
    ledger::run& r = run();
    r.most_leaves = std::max(r.most_leaves, ++r.open_leaves);
  }
  presence(const presence&) = delete;
  presence& operator=(const presence&) = delete;
  ~presence() {
    const std::lock_guard lock(seen_.mutex);
    ++mine().ends;
    mine().ended_at = ++seen_.clock;
    if (is_leaf_) --run().open_leaves;
  }
  /// The mark of what the body gives.
  [[nodiscard]] mark result() const {
    if (duty_.fails) throw injected();
    return result_;
  }

 private:
  ledger::body& mine() { return seen_.bodies.at(static_cast<std::size_t>(duty_.id)); }
  ledger::run& run() { return seen_.runs.at(static_cast<std::size_t>(duty_.run)); }

  const duty duty_;
  const bool is_leaf_;
  ledger& seen_;
  mark result_ = 0;
};

inline ag::task<> pause(duty d) {
  for (int i = 0; i < d.pauses; ++i) co_await ag::sleep_for(std::chrono::milliseconds(d.milliseconds));
}

constexpr long number_of(mark m) { return static_cast<long>(m % 1000); }
constexpr bool flag_of(mark m) { return m % 4 != 0; }

constexpr int agent_cap = 2;
constexpr int host_cap = 3;

/// Most come as a plain function, as one with a context or references, and as a coroutine.
namespace tools {

inline const ag::tool fresh{"fresh", [](duty d) { return text(presence(d, 0).result()); }};
inline const ag::tool fresh_later{"fresh_later", [](duty d) -> ag::task<text> {
  const presence here(d, 0);
  co_await pause(d);
  co_return text(here.result());
}};
inline const ag::tool join{
    "join", [](duty d, const std::vector<text>& all) { return text(presence(d, read_all(all)).result()); }};
inline const ag::tool join_in_context{"join_in_context", [](ag::context& c, duty d, std::vector<text> all) {
  const presence here(d, read_all(all));
  if (c.name() != "join_in_context") throw std::logic_error("the context is another one's");
  return text(here.result());
}};
inline const ag::tool join_later{"join_later", [](duty d, std::vector<text> all) -> ag::task<text> {
  const presence here(d, read_all(all));
  co_await pause(d);
  static_cast<void>(read_all(all));
  co_return text(here.result());
}};
inline const ag::tool two{"two", [](duty d, text a, const text& b, long n) {
  return text(presence(d, fold({a.read(), b.read(), static_cast<mark>(n)})).result());
}};
inline const ag::tool two_later{"two_later", [](ag::context&, duty d, text a, text b, long n) -> ag::task<text> {
  const presence here(d, fold({a.read(), b.read(), static_cast<mark>(n)}));
  co_await pause(d);
  co_return text(here.result());
}};
inline const ag::tool measure{
    "measure", [](duty d, const text& t) { return number_of(presence(d, t.read()).result()); }};
inline const ag::tool measure_later{"measure_later", [](duty d, text t) -> ag::task<long> {
  const presence here(d, t.read());
  co_await pause(d);
  co_return number_of(here.result());
}};
inline const ag::tool decide{"decide", [](duty d, const text& t) { return flag_of(presence(d, t.read()).result()); }};
inline const ag::tool decide_later{"decide_later", [](duty d, text t) -> ag::task<bool> {
  const presence here(d, t.read());
  co_await pause(d);
  co_return flag_of(here.result());
}};
inline const ag::tool split{"split", [](duty d, text t) {
  const mark m = presence(d, t.read()).result();
  return halves{text(mix(m, 1)), text(mix(m, 2)), number_of(m)};
}};
inline const ag::tool split_later{"split_later", [](duty d, text t) -> ag::task<std::pair<text, text>> {
  const presence here(d, t.read());
  co_await pause(d);
  co_return std::pair(text(mix(here.result(), 1)), text(mix(here.result(), 2)));
}};
inline const ag::tool glue{"glue", [](duty d, halves h) {
  return text(presence(d, fold({h.left.read(), h.right.read(), static_cast<mark>(h.size)})).result());
}};
inline const ag::tool glue_tuple{"glue_tuple", [](duty d, std::tuple<text, text, text> t) -> ag::task<text> {
  const presence here(d, fold({std::get<0>(t).read(), std::get<1>(t).read(), std::get<2>(t).read()}));
  co_await pause(d);
  co_return text(here.result());
}};
inline const ag::tool glue_array{"glue_array", [](duty d, std::array<text, 3> a) {
  return text(presence(d, fold({a[0].read(), a[1].read(), a[2].read()})).result());
}};
inline const ag::tool glue_map{"glue_map", [](duty d, const std::map<int, text>& m) {
  std::vector<mark> marks;
  for (const auto& [key, t] : m) marks.push_back(t.read());
  return text(presence(d, fold(marks)).result());
}};
inline const ag::tool wrap{
    "wrap", [](duty d, text t) { return std::make_unique<text>(presence(d, t.read()).result()); }};
inline const ag::tool unwrap{"unwrap", [](duty d, std::unique_ptr<text> t) -> ag::task<text> {
  const presence here(d, t->read());
  co_await pause(d);
  co_return text(here.result());
}};
inline const ag::tool note{"note", [](duty d, text t) -> ag::task<> {
  const presence here(d, t.read());
  co_await pause(d);
  static_cast<void>(here.result());
}};
inline const ag::tool spread{"spread", [](duty d, const std::vector<duty>& elements, const text& t) {
  const mark m = presence(d, t.read()).result();
  std::vector<item> all;
  for (std::size_t i = 0; i < elements.size(); ++i) all.push_back({elements[i], text(mix(m, i))});
  return all;
}};
inline const ag::tool each{"each", [](const item& i) { return text(presence(i.who, i.what.read()).result()); }};
inline const ag::tool each_later{"each_later", [](item i) -> ag::task<text> {
  const presence here(i.who, i.what.read());
  co_await pause(i.who);
  co_return text(here.result());
}};
inline const ag::tool small{"small", [](duty d, text t) -> ag::task<text> {
  const presence here(d, t.read());
  co_await pause(d);
  co_return text(here.result());
}};

/// Calls others, for as many as it was given duties, and itself.
inline ag::task<text> body_with_children(std::vector<duty> all, text t) {
  const presence here(all.at(0), t.read(), false);
  std::vector<decltype(small(duty{}, text(0)))> calls;
  for (std::size_t i = 1; i < all.size(); ++i) calls.push_back(small(all[i], text(mix(t.read(), i))));
  const std::vector<text> results = co_await ag::gather(std::move(calls));
  co_return text(mix(here.result(), read_all(results)));
}
inline const ag::tool family{"family",
    [](std::vector<duty> all, text t) -> ag::task<text> { return body_with_children(std::move(all), std::move(t)); }};
inline const ag::graph_fn agent{"agent", [](std::vector<duty> all, text t) -> ag::task<text> {
  return body_with_children(std::move(all), std::move(t));
}, {.max_concurrency = agent_cap}};

}  // namespace tools

// --- descriptions
enum class op : std::uint8_t {
  fresh,        // -> text
  join,         // texts -> text
  two,          // text, text, number -> text
  measure,      // text -> number
  decide,       // text -> flag
  split,        // text -> a part of what it gives
  split_later,  // the same of a pair
  make,         // text, text, number -> text, by way of a struct
  all_of,       // three texts -> text, by way of a tuple, an array, a map, a vector
  pass_on,      // text -> text, by way of a value that cannot be copied
  note,         // text; text -> text, which is ordered after it
  any_of,       // texts -> the first that was not skipped
  value_or,     // text -> it, or a literal or another text
  map,          // text -> text, by way of a range of elements
  sub_graph,    // text, text -> text
  family,       // text -> text, by a tool that calls tools
  agent,        // text -> text, by a nested run
  host          // text -> text, by a nested run that runs a graph
};
constexpr unsigned op_count = static_cast<unsigned>(op::host) + 1;

struct program;
constexpr std::size_t none = static_cast<std::size_t>(-1);

struct step {
  op what{};
  unsigned variant = 0;
  std::vector<duty> who;
  std::vector<std::size_t> texts;  // positions among the program's texts, so far
  std::vector<std::size_t> after;  // likewise
  std::size_t number = none;
  std::size_t flag = none;  // only if that is true
  std::shared_ptr<const program> inner;
};
struct program {
  static constexpr std::size_t inputs = 2;  // of them the first step reads both
  std::vector<step> steps;
  std::vector<std::size_t> results;  // positions among the texts; only the first one counts of a sub-graph
  bool has_conditions = false;
  bool skips_dependents = false;  // of a nested run
};

// --- tracing
using text_node = ag::node<text>;
/// Interprets: gives the texts at the end.
inline std::vector<text_node> trace(const program& p, std::vector<text_node> texts);

/// What stands for a result that was skipped.
constexpr mark nothing = 7;

inline const ag::graphify nested{"nested", [](const program& p, text_node a, text_node b) -> text_node {
  return ag::value_or(trace(p, {a, b}).at(p.results.at(0)), text(nothing));
}};
/// The same whose result may be one of its inputs, or be skipped.
inline const ag::graphify bare_nested{"bare_nested",
    [](const program& p, text_node a, text_node b) -> text_node { return trace(p, {a, b}).at(p.results.at(0)); }};
inline const ag::graphify whole{"whole", [](const program& p, text_node a, text_node b) -> std::vector<text_node> {
  const std::vector<text_node> texts = trace(p, {a, b});
  std::vector<text_node> results;
  for (std::size_t i = 0; i < p.results.size(); ++i)
    results.push_back(i % 4 == 3 ? texts.at(p.results[i]) : ag::value_or(texts.at(p.results[i]), text(nothing)));
  return results;
}};

namespace tools {
inline const ag::graph_fn host{"host", [](duty d, std::shared_ptr<const program> p, text t) -> ag::task<text> {
  const presence here(d, t.read(), false);
  const auto g = nested.build(*p);
  const auto policy = p->skips_dependents ? ag::on_error::skip_dependents : ag::on_error::stop;
  const text result = co_await ag::run_async(g(t, t), {.max_concurrency = host_cap, .on_error = policy});
  co_return text(mix(here.result(), result.read()));
}};
}  // namespace tools

inline std::string label_of(int id) { return fmt::format("n{}", id); }

/// One step of an interpretation.
class tracer {
 public:
  tracer(const step& s, const std::vector<text_node>& texts) : step_(s), texts_(texts) {}

  text_node at(std::size_t i) const { return texts_.at(step_.texts.at(i)); }
  std::vector<text_node> all() const {
    std::vector<text_node> v;
    for (const std::size_t t : step_.texts) v.push_back(texts_.at(t));
    return v;
  }
  /// The node of the i-th duty gets its names; the first one waits for what the step is ordered after.
  template <class Node>
  auto named(Node n, std::size_t i) const {
    const int id = step_.who.at(i).id;
    ag::node<typename Node::value_type> named_node = n;
    named_node.label(label_of(id));
    if (id % 3 == 0) named_node.id(fmt::format("the {}th", id));
    if (i == 0) {
      std::vector<text_node> before;
      for (const std::size_t t : step_.after) before.push_back(texts_.at(t));
      if (!before.empty()) named_node.after(before);
    }
    return named_node;
  }
  duty who(std::size_t i) const { return step_.who.at(i); }

  text_node text_result(const std::vector<ag::node<long>>& numbers) const;

 private:
  const step& step_;
  const std::vector<text_node>& texts_;
};

inline text_node tracer::text_result(const std::vector<ag::node<long>>& numbers) const {
  using namespace tools;
  const step& s = step_;
  const auto with_number = [&](auto fn) { return s.number == none ? fn(5L) : fn(numbers.at(s.number)); };
  switch (s.what) {
    case op::fresh:
      return s.variant % 2 ? named(fresh(who(0)), 0) : named(fresh_later(who(0)), 0);
    case op::join:
      switch (s.variant % 3) {
        case 0:
          return named(join(who(0), all()), 0);
        case 1:
          return named(join_in_context(who(0), all()), 0);
        default:
          return named(join_later(who(0), all()), 0);
      }
    case op::two:
      return with_number([&](const auto& n) {
        return s.variant % 2 ? named(two(who(0), at(0), at(1), n), 0) : named(two_later(who(0), at(0), at(1), n), 0);
      });
    case op::split: {
      const auto h = named(split(who(0), at(0)), 0);
      return s.variant % 2 ? h[&halves::left] : h[&halves::right];
    }
    case op::split_later: {
      const auto h = named(split_later(who(0), at(0)), 0);
      return s.variant % 2 ? ag::get<0>(h) : ag::get<1>(h);
    }
    case op::make:
      return with_number([&](const auto& n) { return named(glue(who(0), ag::make<halves>(at(0), at(1), n)), 0); });
    case op::all_of:
      switch (s.variant % 4) {
        case 0:
          return named(glue_tuple(who(0), ag::all_of(at(0), at(1), at(2))), 0);
        case 1:
          return named(glue_array(who(0), std::array<text_node, 3>{at(0), at(1), at(2)}), 0);
        case 2:
          return named(glue_map(who(0), std::map<int, text_node>{{1, at(0)}, {2, at(1)}, {3, at(2)}}), 0);
        default:
          return named(join(who(0), ag::all_of(all())), 0);
      }
    case op::pass_on:
      return named(unwrap(who(1), named(wrap(who(0), at(0)), 0)), 1);
    case op::note: {
      const auto n = named(note(who(0), at(0)), 0);
      return named(join(who(1), std::vector{at(1)}), 1).after(n);
    }
    case op::any_of:
      return s.variant % 2 ? ag::any_of(all()) : ag::any_of(at(0), at(1));
    case op::value_or:
      return s.variant % 2 ? ag::value_or(at(0), text(nothing)) : ag::value_or(at(0), at(1));
    case op::map: {
      const std::vector<duty> elements(s.who.begin() + 3, s.who.end());
      const auto range = named(spread(who(0), elements, at(0)), 0);
      const auto mapped = s.variant % 2 ? ag::map(each, range) : ag::map(each_later, range);
      return named(join(who(2), named(mapped, 1)), 2);
    }
    case op::sub_graph:
      switch (s.variant % 4) {
        case 0:
          return nested(*s.inner, at(0), at(1));
        case 1:
          return bare_nested(*s.inner, at(0), at(1));
        case 2: {
          const auto g = nested.build(*s.inner);
          return g(at(0), text(nothing));
        }
        default: {
          const auto g = bare_nested.build(*s.inner);
          return g(text(nothing), text(nothing));
        }
      }
    case op::family:
      return named(family(s.who, at(0)), 0);
    case op::agent:
      return named(agent(s.who, at(0)), 0);
    case op::host:
      return named(host(who(0), s.inner, at(0)), 0);
    case op::measure:
    case op::decide:
      break;
  }
  throw std::logic_error("no text comes of this");
}

inline std::vector<text_node> trace(const program& p, std::vector<text_node> texts) {
  using namespace tools;
  std::vector<ag::node<long>> numbers;
  std::vector<ag::node<bool>> flags;
  for (const step& s : p.steps) {
    const tracer t(s, texts);
    if (s.what == op::measure) {
      numbers.push_back(
          s.variant % 2 ? t.named(measure(t.who(0), t.at(0)), 0) : t.named(measure_later(t.who(0), t.at(0)), 0));
    } else if (s.what == op::decide) {
      flags.push_back(
          s.variant % 2 ? t.named(decide(t.who(0), t.at(0)), 0) : t.named(decide_later(t.who(0), t.at(0)), 0));
    } else {
      const text_node n = t.text_result(numbers);
      texts.push_back(s.flag == none ? n : text_node(ag::when(flags.at(s.flag), n)));
    }
  }
  return texts;
}

// --- growing
class grower {
 public:
  explicit grower(unsigned seed) : random_(seed) {
    fails_one_in_ = below(5) < 2 ? 0 : 8 + below(60);
    is_quick_ = below(8) == 0;
  }

  /// A program, and what its ledgers need.
  std::shared_ptr<const program> grow() { return grow(4 + below(below(4) == 0 ? 60 : 14), 0, 2, true); }
  [[nodiscard]] std::size_t bodies() const { return static_cast<std::size_t>(next_id_); }
  /// Of the nested runs, from 1 on.
  [[nodiscard]] const std::vector<int>& caps() const { return caps_; }
  /// Whether nobody in it takes any time.
  [[nodiscard]] bool is_quick() const { return is_quick_; }

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

 private:
  duty new_duty(int run) {
    duty d;
    d.id = next_id_++;
    d.run = run;
    d.pauses = static_cast<int>(below(3));
    d.milliseconds = is_quick_ ? 0 : static_cast<int>(below(5));
    d.fails = fails_one_in_ != 0 && below(fails_one_in_) == 0;
    return d;
  }
  int new_run(int cap) {
    caps_.push_back(cap);
    return static_cast<int>(caps_.size()) - 1;
  }

  std::shared_ptr<const program> grow(unsigned steps, int run, int depth, bool may_have_conditions) {
    auto p = std::make_shared<program>();
    p->skips_dependents = below(2) == 0;
    std::size_t texts = program::inputs;
    std::size_t numbers = 0;
    std::size_t flags = 0;
    p->steps.push_back({op::join, below(3), {new_duty(run)}, {0, 1}, {}, none, none, nullptr});
    ++texts;
    // Wide ones read what is old, deep ones what is new.
    const bool is_deep = below(3) == 0;
    const auto some_text = [&] {
      return is_deep && below(4) != 0 ? texts - 1 - below(std::min<unsigned>(2, static_cast<unsigned>(texts)))
                                      : below(static_cast<unsigned>(texts));
    };
    while (steps-- > 0) {
      step s;
      s.what = static_cast<op>(below(op_count));
      s.variant = below(12);
      if (depth == 0 && (s.what == op::sub_graph || s.what == op::host)) s.what = op::join;
      const unsigned reads = s.what == op::fresh                          ? 0
                             : s.what == op::join || s.what == op::any_of ? 2 + below(below(8) == 0 ? 30 : 4)
                             : s.what == op::all_of                       ? 3
                                                                          : 2;
      for (unsigned i = 0; i < reads; ++i) s.texts.push_back(some_text());
      if (s.what == op::note || s.what == op::pass_on) s.who = {new_duty(run), new_duty(run)};
      else if (s.what != op::any_of && s.what != op::value_or && s.what != op::sub_graph) s.who = {new_duty(run)};
      if (!s.who.empty() && below(4) == 0)
        for (unsigned n = 1 + below(2); n > 0; --n) s.after.push_back(below(static_cast<unsigned>(texts)));
      if (numbers > 0 && below(2)) s.number = below(static_cast<unsigned>(numbers));
      const bool is_text = s.what != op::measure && s.what != op::decide;
      bool may_be_conditional = is_text && may_have_conditions && flags > 0 && below(3) == 0;
      if (s.what == op::map) {
        for (unsigned n = 2 + below(9); n > 0; --n) s.who.push_back(new_duty(run));
      } else if (s.what == op::family) {
        for (unsigned n = 1 + below(4); n > 0; --n) s.who.push_back(new_duty(run));
      } else if (s.what == op::agent) {
        const int inner = new_run(agent_cap);
        for (unsigned n = 1 + below(5); n > 0; --n) s.who.push_back(new_duty(inner));
      } else if (s.what == op::host) {
        s.inner = grow(1 + below(6), new_run(host_cap), depth - 1, true);
      } else if (s.what == op::sub_graph) {
        // What has conditions inside cannot be given another one.
        s.inner = grow(1 + below(6), run, depth - 1, may_have_conditions && !may_be_conditional);
        p->has_conditions = p->has_conditions || s.inner->has_conditions;
      }
      if (may_be_conditional) {
        s.flag = below(static_cast<unsigned>(flags));
        p->has_conditions = true;
      }
      if (is_text) ++texts;
      numbers += s.what == op::measure;
      flags += s.what == op::decide;
      p->steps.push_back(std::move(s));
    }
    for (unsigned n = 1 + below(6); n > 0; --n) p->results.push_back(some_text());
    return p;
  }

  std::mt19937 random_;
  unsigned fails_one_in_ = 0;
  bool is_quick_ = false;
  int next_id_ = 0;
  std::vector<int> caps_{0};
};

}  // namespace test::graphs
