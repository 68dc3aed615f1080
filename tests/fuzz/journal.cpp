// A real journal, changed as the bytes say: resuming it gives a result or throws something that is meant.

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool square{"square", [](int x) { return x % 1000 * (x % 1000); }};
const ag::tool slow{"slow", [](int x) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds(x % 7));
  co_return x;
}};
const ag::tool outer{"outer", [](ag::context& ctx, int x) -> ag::task<int> {
  const int a = co_await square(x);
  const int b = co_await slow(static_cast<int>(ctx.random() % 5));
  co_return a / 2 + b / 2;
}, {.retry = {.max_attempts = 2}}};
const ag::tool broken{"broken", [](int x) -> int { throw std::out_of_range(std::to_string(x)); }};
const ag::tool total{"total", [](std::vector<int> xs) { return static_cast<int>(xs.size()); }};
const ag::graphify shape{"shape", [](ag::node<std::vector<int>> xs) { return total(ag::map(outer, xs)); }};
const ag::graph_fn inner{"inner", [](int x) -> ag::task<int> { co_return co_await outer(x); }};

const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<std::string> {
  std::string seen = ctx.uuid().substr(0, 2);
  const auto [a, b, c] = co_await ag::gather(outer(1), inner(2), slow(3));
  seen += std::to_string(a ^ b ^ c);
  const auto first = co_await ag::race(slow(2), ag::sleep_for(1ms), outer(3));
  seen += std::to_string(first.index());
  const auto failed = co_await ag::as_result(broken(4));
  seen += failed.has_value() ? "!" : "?";
  const auto late = co_await ag::as_result(ag::timeout(slow(6), 2ms));
  seen += late.has_value() ? "!" : "?";
  const std::vector<int> some{1, 2, 3};
  auto graph = shape.build();
  seen += std::to_string(co_await graph(some));
  co_await ag::as_completed(
      std::vector{4, 2, 5} | std::views::transform(slow), [&](int x) { seen += char('a' + x % 26); });
  co_return seen;
}};

/// What somebody writes to whom nobody listens.
struct deaf final : ag::store_client {
  void committed(std::uint64_t) noexcept override {}
  void failed(std::exception_ptr) noexcept override {}
  void answered(std::string_view, std::string_view) noexcept override {}
  void cancel_requested() noexcept override {}
};

struct recording {
  ag::run_claim claim;
  std::vector<ag::fact> facts;
};
const recording& real() {
  static const recording& r = *new recording([] {
    ag::memory_store store;
    ag::testing::simulation(1).run(agent(), {.store = &store, .run_id = "a"});
    const ag::stored_run info = *store.find("a");
    return recording{{"a", info.program, info.version, info.arguments, info.structure}, store.facts("a")};
  }());
  return r;
}

class bytes {
 public:
  bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  bool are_left() const { return left_ > 0; }
  std::uint8_t next() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  std::string text() {
    std::string s(next() % 32, ' ');
    for (char& c : s) c = static_cast<char>(next());
    return s;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

void change(std::vector<ag::fact>& facts, bytes& b) {
  const std::uint8_t what = b.next() % 12;
  const std::size_t at = facts.empty() ? 0 : b.next() % facts.size();
  if (facts.empty() || what == 0) {
    facts = real().facts;
    return;
  }
  ag::fact& f = facts[at];
  const ag::fact& other = real().facts[b.next() % real().facts.size()];
  const auto here = facts.begin() + static_cast<std::ptrdiff_t>(at);
  switch (what) {
    case 1:
      facts.resize(at);
      break;
    case 2:
      facts.erase(here);
      break;
    case 3:
      std::swap(f, facts[b.next() % facts.size()]);
      break;
    case 4:
      f.number = b.next();
      break;
    case 5:
      f.kind = static_cast<ag::fact_kind>(1 + b.next() % 7);
      break;
    case 6:
      f.state = static_cast<ag::node_state>(b.next() % 8);
      break;
    case 7:
      f.path = b.next() % 2 ? other.path : b.text();
      break;
    case 8:
      f.name = b.next() % 2 ? other.name : b.text();
      break;
    case 9:
      f.value = b.next() % 2 ? other.value : b.text();
      break;
    case 10:
      f.attempts = b.next();
      f.arguments = other.arguments;
      break;
    default:
      facts.insert(here, other);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bytes b(data, size);
  std::vector<ag::fact> facts = real().facts;
  for (int changes = 0; b.are_left() && changes < 20; ++changes) change(facts, b);

  ag::memory_store store;
  {
    deaf nobody;
    const auto journal = store.open(real().claim, nobody);
    for (const ag::fact& f : facts) journal->write(f);
  }
  for (std::uint64_t writes = 3;; writes *= 4) {
    store.fail_after(writes);
    try {
      ag::testing::simulation(2).run(agent(), {.store = &store, .run_id = "a"});
      return 0;
    } catch (const ag::store_error&) {
    } catch (const ag::testing::deadlock_error& e) {
      std::fprintf(stderr, "it hangs: %s\n", e.what());
      std::abort();
    } catch (const std::exception&) {
      return 0;  // a divergence, or what a changed fact says was thrown
    }
  }
}
