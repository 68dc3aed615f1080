#include "aethergraph/key_value_store.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;

static_assert(!std::is_copy_constructible_v<ag::key_value_store>);

namespace {

const ag::tool counts{
    "counts", [](ag::context& ctx) { return ctx.kv().update<int>("count", [](int n) { return n + 1; }); }};

}  // namespace

TEST_CASE("a key has the value that it was set to last") {
  ag::key_value_store kv;
  kv.set("attempts", 3);
  CHECK(kv.get<int>("attempts") == 3);
  kv.set("attempts", 4);
  CHECK(kv.get<int>("attempts") == 4);
}

TEST_CASE("a key that was never set has no value, whatever the type") {
  const ag::key_value_store kv;
  CHECK_FALSE(kv.get<int>("attempts").has_value());
  CHECK_FALSE(kv.get<std::string>("").has_value());
}

TEST_CASE("a string literal is kept as a string") {
  ag::key_value_store kv;
  kv.set("name", "fetch");
  CHECK(kv.get<std::string>("name") == "fetch");
}

TEST_CASE("values are handed out as copies") {
  ag::key_value_store kv;
  kv.set("all", std::vector<int>{1, 2});
  auto all = kv.get<std::vector<int>>("all");
  all->push_back(3);
  CHECK(kv.get<std::vector<int>>("all") == std::vector<int>{1, 2});
}

TEST_CASE("a key may be set to a value of another type") {
  ag::key_value_store kv;
  kv.set("x", 3);
  kv.set("x", "three");
  CHECK(kv.get<std::string>("x") == "three");
}

TEST_CASE("reading a key as another type is an error that names the key and both types") {
  ag::key_value_store kv;
  kv.set("attempts", 3);
  CHECK_THROWS_AS(kv.get<double>("attempts"), ag::error);
  CHECK_THROWS_WITH(kv.get<double>("attempts"),
      "the value of key 'attempts' is of type 'int', not 'double'; read it as what it was set as");
  CHECK_THROWS_WITH(kv.update<long>("attempts", [](long n) { return n; }),
      "the value of key 'attempts' is of type 'int', not 'long'; read it as what it was set as");
  CHECK(kv.get<int>("attempts") == 3);
}

TEST_CASE("update changes the old value and gives the new one") {
  ag::key_value_store kv;
  kv.set("n", 3);
  CHECK(kv.update<int>("n", [](int n) { return 2 * n; }) == 6);
  CHECK(kv.get<int>("n") == 6);
}

TEST_CASE("update of a missing key starts from an empty value") {
  ag::key_value_store kv;
  CHECK(kv.update<std::string>("text", [](std::string s) { return s + "!"; }) == "!");
  CHECK(kv.get<std::string>("text") == "!");
}

TEST_CASE("an update that throws changes nothing") {
  ag::key_value_store kv;
  kv.set("n", 3);
  CHECK_THROWS_AS(kv.update<int>("n", [](int) -> int { throw std::runtime_error("no"); }), std::runtime_error);
  CHECK_THROWS_AS(kv.update<int>("m", [](int) -> int { throw std::runtime_error("no"); }), std::runtime_error);
  CHECK(kv.get<int>("n") == 3);
  CHECK_FALSE(kv.contains("m"));
}

TEST_CASE("a key can be removed, once") {
  ag::key_value_store kv;
  kv.set("n", 3);
  CHECK(kv.contains("n"));
  CHECK(kv.erase("n"));
  CHECK_FALSE(kv.contains("n"));
  CHECK_FALSE(kv.erase("n"));
  CHECK_FALSE(kv.get<int>("n").has_value());
}

TEST_CASE("keys come in alphabetical order") {
  ag::key_value_store kv;
  kv.set("b", 1);
  kv.set("c", 1);
  kv.set("a", 1);
  CHECK(kv.keys() == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("updates of several threads are not lost") {
  ag::key_value_store kv;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) kv.update<int>("n", [](int x) { return x + 1; });
    });
  for (auto& t : threads) t.join();
  CHECK(kv.get<int>("n") == 4000);
}

TEST_CASE("the bodies of a run and of the runs that nest in it share a store, which goes with the run") {
  const ag::graph_fn inner{"inner", []() -> ag::task<int> { co_return co_await counts(); }};
  const ag::graph_fn outer{"outer", [&](ag::context& ctx) -> ag::task<int> {
    co_await counts();
    co_await inner();
    co_await ag::run_async(inner(), {.max_concurrency = 1});
    co_return ctx.kv().get<int>("count").value_or(0);
  }};
  CHECK(ag::run(outer()) == 3);
  CHECK(ag::run(outer()) == 3);
}

TEST_CASE("runs on one runtime have stores of their own") {
  ag::runtime rt;
  CHECK(ag::run(rt, counts()) == 1);
  CHECK(ag::run(rt, counts()) == 1);
  CHECK(rt.kv().keys().empty());
}

TEST_CASE("all runs of a runtime share its store with the application") {
  ag::runtime rt({.threads = 2});
  rt.kv().set("served", 100);
  const ag::tool serves{
      "serves", [](ag::context& ctx) { return ctx.runtime_kv().update<int>("served", [](int n) { return n + 1; }); }};
  const ag::graph_fn nested{"nested", [&]() -> ag::task<> { co_await serves(); }};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<> { co_await nested(); }};
  std::vector<ag::run_handle<void>> handles;
  for (int i = 0; i < 50; ++i) handles.push_back(ag::start(rt, agent()));
  for (const auto& h : handles) h.get();
  CHECK(rt.kv().get<int>("served") == 150);
}

TEST_CASE("without a runtime there is no store of one, and the error says where to get it") {
  const ag::graph_fn asks{"asks", [](ag::context& ctx) -> ag::task<bool> { co_return ctx.runtime_kv().contains("x"); }};
  CHECK_THROWS_AS(ag::run(asks()), ag::service_error);
  CHECK_THROWS_WITH(ag::run(asks()),
      "run of 'asks': there is no runtime_kv() here, since no runtime hosts this run; use `ag::run(rt, …)` or "
      "`ag::start(rt, …)`");
}
