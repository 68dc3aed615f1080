#include "aethergraph/services.hpp"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using Catch::Matchers::Matches;

static_assert(!std::is_copy_constructible_v<ag::services>);

namespace {

struct clock_service {
  int hour = 0;
};
struct database {
  std::string name;
};
struct store_base {
  virtual ~store_base() = default;
  [[nodiscard]] virtual std::string name() const = 0;
};
struct other_base {
  virtual ~other_base() = default;
  int padding = 0;
};
struct file_store final : other_base, store_base {
  [[nodiscard]] std::string name() const override { return "file"; }
};

const ag::tool hour{"hour", [](ag::context& ctx) { return ctx.service<clock_service>().hour; }};
const ag::graph_fn hours{"hours", []() -> ag::task<int> { co_return co_await hour(); }};

std::string message_of(const std::exception_ptr& e) {
  try {
    if (e) std::rethrow_exception(e);
  } catch (const ag::service_error& x) {
    return x.what();
  }
  return "no service_error";
}

}  // namespace

TEST_CASE("an object is found by the type it was registered as") {
  ag::services s;
  clock_service c{7};
  database d{"main"};
  s.add(c).add(d);
  CHECK(s.find<clock_service>() == &c);
  CHECK(s.find<database>() == &d);
  CHECK(s.find<file_store>() == nullptr);
}

TEST_CASE("an object registered as its base class is found by that, and not by its own") {
  ag::services s;
  file_store f;
  s.add<store_base>(f);
  REQUIRE(s.find<store_base>() != nullptr);
  CHECK(s.find<store_base>() == &f);
  CHECK(s.find<store_base>()->name() == "file");
  CHECK(s.find<file_store>() == nullptr);
}

TEST_CASE("a later object of a type takes the place of the earlier one") {
  ag::services s;
  clock_service a{1};
  clock_service b{2};
  s.add(a).add(b);
  CHECK(s.find<clock_service>() == &b);
}

TEST_CASE("a shared object lives as long as it is registered") {
  ag::services s;
  auto shared = std::make_shared<clock_service>();
  const std::weak_ptr<clock_service> watch = shared;
  s.add(std::move(shared));
  CHECK(s.find<clock_service>() == watch.lock().get());
  clock_service other;
  s.add(other);
  CHECK(watch.expired());
}

TEST_CASE("a shared object may be registered as its base class") {
  ag::services s;
  s.add<store_base>(std::make_shared<file_store>());
  CHECK(s.find<store_base>()->name() == "file");
}

TEST_CASE("a null pointer is not registered") {
  ag::services s;
  CHECK_THROWS_AS(s.add(std::shared_ptr<clock_service>()), ag::service_error);
  CHECK_THROWS_WITH(s.add(std::shared_ptr<clock_service>()),
      Matches("a service of type '.*clock_service' is null; register an object"));
  CHECK(s.find<clock_service>() == nullptr);
}

TEST_CASE("a body finds the service that was handed to its run") {
  ag::services s;
  clock_service c{7};
  s.add(c);
  CHECK(ag::run(hours(), {.services = &s}) == 7);
}

TEST_CASE("a body finds the service that was registered with its runtime, also after the start of the runtime") {
  ag::runtime rt;
  clock_service c{7};
  rt.services().add(c);
  CHECK(ag::run(rt, hours()) == 7);
}

TEST_CASE("the service of a run goes before that of its runtime") {
  ag::runtime rt;
  clock_service of_all{7};
  rt.services().add(of_all);
  ag::services own;
  clock_service of_the_run{8};
  own.add(of_the_run);
  CHECK(ag::run(rt, hours(), {.services = &own}) == 8);
  CHECK(ag::run(rt, hours()) == 7);
}

TEST_CASE("a nested run finds the services of the run around it, and its own before them") {
  ag::services outer;
  ag::services inner;
  clock_service c{7};
  clock_service nearer{8};
  database d{"main"};
  outer.add(c).add(d);
  inner.add(nearer);
  const ag::graph_fn both{"both", [](ag::context& ctx) -> ag::task<std::string> {
    co_return fmt::format("{} {}", ctx.service<database>().name, ctx.service<clock_service>().hour);
  }};
  const auto body = [&]() -> ag::task<std::vector<std::string>> {
    std::vector<std::string> all;
    all.push_back(co_await both());
    all.push_back(co_await ag::run_async(both(), {.services = &inner}));
    all.push_back(co_await both());
    co_return all;
  };
  CHECK(ag::run(body(), {.services = &outer}) == std::vector<std::string>{"main 7", "main 8", "main 7"});
}

TEST_CASE("a missing service is an error that names its type, and says that none is there") {
  CHECK_THAT(message_of(ag::try_run(hours()).error()),
      Matches("run of 'hours': there is no service of type '.*clock_service'; none is registered"));
}

TEST_CASE("a missing service is an error that names those of the run, the runs around it and the runtime") {
  ag::runtime rt;
  database d{"main"};
  rt.services().add(d);
  ag::services own;
  file_store f;
  own.add(f);
  ag::services inner;
  inner.add<store_base>(f);
  const auto body = [&]() -> ag::task<int> { co_return co_await ag::run_async(hours(), {.services = &inner}); };
  CHECK_THAT(message_of(ag::try_run(rt, body(), {.services = &own}).error()),
      Matches("run of 'hours': there is no service of type '.*clock_service'; those registered are: "
              ".*store_base, .*file_store, .*database"));
}

TEST_CASE("services may be registered and looked up by several threads") {
  ag::services s;
  clock_service c{7};
  s.add(c);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      database d{"mine"};
      for (int n = 0; n < 200; ++n) {
        s.add(d);
        static_cast<void>(s.find<database>());
        static_cast<void>(ag::run(hours(), {.services = &s}));
      }
    });
  for (auto& t : threads) t.join();
  CHECK(s.find<clock_service>() == &c);
}
