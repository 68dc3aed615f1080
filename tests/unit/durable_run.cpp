#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "../support/catch.hpp"

namespace ag = aethergraph;

namespace {

int bodies = 0;
std::vector<std::string> seen;

const ag::tool square{"square", [](int x) {
  ++bodies;
  return x * x;
}};
const ag::tool slow_square{"slow_square", [](int x) -> ag::task<int> {
  ++bodies;
  co_await ag::sleep_for(std::chrono::milliseconds(x));
  co_return x* x;
}};
const ag::tool fails{"fails", [](int x) -> int {
  ++bodies;
  throw std::out_of_range("no " + std::to_string(x));
}};

const ag::graph_fn summing{"summing", [](int n) -> ag::task<int> {
  int sum = 0;
  for (int i = 1; i <= n; ++i) sum += co_await square(i);
  co_return sum;
}};

const ag::graph_fn fan{"fan", [](std::vector<int> xs) -> ag::task<int> {
  int sum = 0;
  const std::vector<int> all = co_await ag::gather(xs | std::views::transform(slow_square));
  for (int x : all) sum += co_await square(x);
  co_return sum;
}};

/// Runs until it is done, letting the store fail after so many writes each time: what was written stays.
template <class Make>
auto run_in_pieces(ag::memory_store& store, std::uint64_t piece, Make make, const ag::run_options& options) {
  for (int attempt = 0; attempt < 10'000; ++attempt) {
    store.fail_after(piece);
    try {
      return ag::run(make(), options);
    } catch (const ag::store_error&) {
    }
  }
  throw std::runtime_error("it never ends");
}

}  // namespace

TEST_CASE("a durable run gives what any other gives") {
  ag::memory_store store;
  CHECK(ag::run(summing(10), {.store = &store, .run_id = "a"}) == 385);
  CHECK(store.find("a")->status == ag::run_status::done);
  CHECK(store.find("a")->outcome == "385");
  CHECK(store.facts("a").size() == 10);
}

TEST_CASE("the id of a finished run gives its recorded result") {
  ag::memory_store store;
  const int first = ag::run(summing(10), {.store = &store, .run_id = "a"});
  bodies = 0;
  CHECK(ag::run(summing(10), {.store = &store, .run_id = "a"}) == first);
  CHECK(bodies == 0);
}

TEST_CASE("a run that was interrupted anywhere goes on where it was") {
  for (std::uint64_t piece = 1; piece <= 12; ++piece) {
    CAPTURE(piece);
    ag::memory_store store;
    bodies = 0;
    CHECK(run_in_pieces(store, piece, [] { return summing(10); }, {.store = &store, .run_id = "a"}) == 385);
    // Each interruption repeats the one call that was open; the last piece has the result alone, at times.
    CHECK(bodies <= 10 + static_cast<int>(11 / piece) + 1);
    CHECK(store.facts("a").size() == 10);
  }
}
