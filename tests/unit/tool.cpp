#include "aethergraph/tool.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

int triple(int x) { return 3 * x; }
int triple_noexcept(int x) noexcept { return 3 * x; }
ag::task<int> triple_later(int x) { co_return 3 * x; }

struct adder {
  int n;
  int operator()(int x) const { return x + n; }
};
struct noexcept_adder {
  int operator()(int x) const noexcept { return x + 1; }
};

struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};

const ag::tool doubled{"doubled", [](int x) -> ag::task<int> { co_return 2 * x; }};

// Namespace-scope objects with bad options: making them throws nothing.
const ag::tool nameless{"", [](int x) { return x; }};

}  // namespace

TEST_CASE("a tool may be a coroutine lambda") { CHECK(ag::run(doubled(21)) == 42); }

TEST_CASE("a tool may be a plain lambda") {
  const ag::tool t{"t", [](int x) { return 2 * x; }};
  CHECK(ag::run(t(4)) == 8);
}

TEST_CASE("a tool may be a function") {
  const ag::tool t{"t", triple};
  CHECK(ag::run(t(2)) == 6);
}

TEST_CASE("a tool may be a pointer to a function") {
  const ag::tool t{"t", &triple};
  CHECK(ag::run(t(2)) == 6);
}

TEST_CASE("a tool may be a coroutine function") {
  const ag::tool t{"t", triple_later};
  CHECK(ag::run(t(2)) == 6);
}

TEST_CASE("a tool may be a noexcept function") {
  const ag::tool t{"t", triple_noexcept};
  CHECK(ag::run(t(2)) == 6);
}

TEST_CASE("a tool may be a noexcept lambda") {
  const ag::tool t{"t", [](int x) noexcept { return x + 2; }};
  CHECK(ag::run(t(2)) == 4);
}

TEST_CASE("a tool may be a function object with state") {
  const ag::tool t{"t", adder{10}};
  CHECK(ag::run(t(1)) == 11);
}

TEST_CASE("a tool may be a noexcept function object") {
  const ag::tool t{"t", noexcept_adder{}};
  CHECK(ag::run(t(1)) == 2);
}

TEST_CASE("a tool may be a coroutine of Asio's") {
  const ag::tool t{"t", [](int x) -> asio::awaitable<int> {
    co_await asio::post(asio::use_awaitable);
    co_return x + 1;
  }};
  CHECK(ag::run(t(1)) == 2);
}

TEST_CASE("a coroutine of Asio's may give void, and throw") {
  bool ran = false;
  const ag::tool ok{"ok", [&](int) -> asio::awaitable<void> {
    ran = true;
    co_return;
  }};
  ag::run(ok(1));
  CHECK(ran);
  const ag::tool bad{"bad", [](int) -> asio::awaitable<void> {
    throw std::runtime_error("asio body");
    co_return;
  }};
  CHECK_THROWS_WITH(ag::run(bad(1)), "asio body");
}

TEST_CASE("a coroutine of Asio's may give what has no default constructor") {
  const ag::tool t{"t", [](int x) -> asio::awaitable<no_default> { co_return no_default{x}; }};
  CHECK(ag::run(t(5)).value == 5);
}

TEST_CASE("a coroutine of Asio's may be handed the context") {
  const ag::tool t{"named", [](ag::context& ctx, int) -> asio::awaitable<std::string> {
    co_await asio::post(asio::use_awaitable);
    co_return std::string(ctx.name());
  }};
  CHECK(ag::run(t(5)) == "named");
}

TEST_CASE("a tool without parameters may be called") {
  const ag::tool t{"t", [] { return 5; }};
  CHECK(ag::run(t()) == 5);
}

TEST_CASE("a tool may give void") {
  int calls = 0;
  const ag::tool t{"t", [&](int by) { calls += by; }};
  ag::run(t(3));
  CHECK(calls == 3);
}

TEST_CASE("a tool may give a reference") {
  int object = 0;
  const ag::tool t{"t", [&]() -> ag::task<int&> { co_return object; }};
  CHECK(&ag::run(t()) == &object);
}

TEST_CASE("a plain-function tool may give a reference") {
  int object = 0;
  const ag::tool t{"t", [&]() -> int& { return object; }};
  CHECK(&ag::run(t()) == &object);
}

TEST_CASE("a tool gives a move-only result") {
  const ag::tool t{"t", [](int x) -> ag::task<std::unique_ptr<int>> { co_return std::make_unique<int>(x); }};
  CHECK(*ag::run(t(7)) == 7);
}

TEST_CASE("a plain-function tool gives a move-only result without default constructor") {
  struct both {
    explicit both(int x) : p(std::make_unique<int>(x)) {}
    std::unique_ptr<int> p;
  };
  const ag::tool t{"t", [](int x) { return both{x}; }};
  CHECK(*ag::run(t(7)).p == 7);
}

TEST_CASE("a tool takes a move-only argument") {
  const ag::tool t{"t", [](std::unique_ptr<int> p) -> ag::task<int> { co_return *p; }};
  CHECK(ag::run(t(std::make_unique<int>(9))) == 9);
}

TEST_CASE("arguments convert to the parameters of the tool") {
  const ag::tool t{"t", [](std::string s, double d) { return s + (d > 1 ? "+" : "-"); }};
  CHECK(ag::run(t("text", 2)) == "text+");
}

TEST_CASE("braces make an argument") {
  const ag::tool t{"t", [](std::vector<int> v) { return v.size(); }};
  CHECK(ag::run(t({1, 2, 3})) == 3);
}

TEST_CASE("a const reference parameter is bound to the call's own copy") {
  const ag::tool t{"t", [](const std::string& s) -> ag::task<std::string> {
    co_await ag::sleep_for(0s);
    co_return s;
  }};
  auto body = [&]() -> ag::task<std::string> {
    auto argument = std::make_unique<std::string>("a string that is too long for the small buffer");
    auto call = t(*argument);
    *argument = "another string that is too long for the small buffer";
    argument.reset();
    co_return co_await std::move(call);
  };
  CHECK(ag::run(body()) == "a string that is too long for the small buffer");
}

TEST_CASE("a call outlives its tool") {
  auto body = []() -> ag::task<int> {
    auto tool = std::make_unique<ag::tool<int(int), adder>>("t", adder{4});
    auto call = (*tool)(1);
    tool.reset();
    co_return co_await std::move(call);
  };
  CHECK(ag::run(body()) == 5);
}

TEST_CASE("a call shares what its tool captured and owns") {
  auto owned = std::make_shared<int>(6);
  std::weak_ptr<int> watch = owned;
  auto make_call = [&] {
    const ag::tool t{"t", [p = std::move(owned)](int x) -> ag::task<int> {
      co_await ag::sleep_for(0s);
      co_return x + *p;
    }};
    return t(1);
  };
  CHECK(ag::run(make_call()) == 7);
  CHECK(watch.expired());
}

TEST_CASE("a callable that cannot be copied makes a tool") {
  const ag::tool t{"t", [p = std::make_unique<int>(2)](int x) { return x + *p; }};
  CHECK(ag::run(t(1)) == 3);
}

TEST_CASE("a callable that cannot be copied makes a tool whose calls share it") {
  const ag::tool t{"t", [p = std::make_unique<int>(2)](int x) { return x + *p; }};
  const auto copy = t;
  auto body = [&]() -> ag::task<int> { co_return co_await t(1) + co_await copy(2); };
  CHECK(ag::run(body()) == 7);
}

TEST_CASE("a tool may be assigned over one of its type") {
  ag::tool a{"a", &triple};
  const ag::tool b{"b", &triple};
  a = b;
  CHECK(a.name() == "b");
}

TEST_CASE("an explicit signature takes a generic lambda") {
  const ag::tool<int(int)> t{"t", [](auto x) { return x + x; }};
  CHECK(ag::run(t(4)) == 8);
}

TEST_CASE("an explicit signature takes a generic coroutine lambda with the context") {
  const ag::tool<std::string(int)> t{"t", [](ag::context& ctx, auto x) -> ag::task<std::string> {
    co_await ag::sleep_for(0s);
    co_return std::string(ctx.name()) + std::to_string(x);
  }};
  CHECK(ag::run(t(4)) == "t4");
}

TEST_CASE("an explicit signature takes an owning callable, and may be a temporary") {
  auto body = []() -> ag::task<int> {
    auto p = std::make_shared<int>(5);
    auto f = [p](auto x) { return x + *p; };
    co_return co_await ag::tool<int(int)>{"t", f}(1);
  };
  CHECK(ag::run(body()) == 6);
}

TEST_CASE("tools of one explicit signature have one type") {
  ag::tool<int(int)> t{"a", [](auto x) { return x; }};
  t = ag::tool<int(int)>{"b", [](int x) { return x + 1; }};
  CHECK(ag::run(t(1)) == 2);
}

TEST_CASE("an explicit signature may give void, and take move-only arguments") {
  int got = 0;
  const ag::tool<void(std::unique_ptr<int>)> t{"t", [&](auto p) { got = *p; }};
  ag::run(t(std::make_unique<int>(3)));
  CHECK(got == 3);
}

TEST_CASE("an explicit signature takes a coroutine of Asio's") {
  const ag::tool<int(int)> t{"t", [](auto x) -> asio::awaitable<int> {
    co_await asio::post(asio::use_awaitable);
    co_return x + 1;
  }};
  CHECK(ag::run(t(4)) == 5);
}

TEST_CASE("views::transform over a temporary view of calls is safe") {
  auto body = []() -> ag::task<std::vector<int>> {
    co_return co_await ag::gather(std::views::iota(0, 4) | std::views::transform(doubled));
  };
  CHECK(ag::run(body()) == std::vector<int>{0, 2, 4, 6});
}

TEST_CASE("what a plain-function tool throws reaches the co_await") {
  const ag::tool t{"t", [](int x) {
    if (x > 0) throw std::invalid_argument("x is positive");
    return x;
  }};
  auto body = [&]() -> ag::task<std::string> {
    try {
      co_await t(1);
    } catch (const std::invalid_argument& e) {
      co_return e.what();
    }
    co_return "nothing thrown";
  };
  CHECK(ag::run(body()) == "x is positive");
}

TEST_CASE("an empty name is refused by the first call, not by the constructor") {
  CHECK_THROWS_AS(ag::run(nameless(1)), ag::option_error);
}

TEST_CASE("a tool knows its name") { CHECK(doubled.name() == "doubled"); }

TEST_CASE("options that cannot work are refused by the first call, which names the value and what would be valid") {
  const auto refusal = [](const ag::tool_options& o) -> std::string {
    const ag::tool t{"t", [](int x) { return x; }, o};
    try {
      ag::run(t(1));
    } catch (const ag::option_error& e) {
      return e.what();
    }
    return "none";
  };
  CHECK(refusal({.timeout = 0ms}) == "tool 't': the option `timeout` is 0ms; it must be more than 0");
  CHECK(refusal({.retry = {.max_attempts = 0}}) ==
        "tool 't': the option `retry.max_attempts` is 0; it must be at least 1");
  CHECK(refusal({.retry = {.first_delay = -1ms}}) ==
        "tool 't': the option `retry.first_delay` is -1ms; it must be at least 0");
  CHECK(refusal({.retry = {.factor = 0.5}}) == "tool 't': the option `retry.factor` is 0.5; it must be at least 1");
  CHECK(refusal({.retry = {.jitter = 2}}) == "tool 't': the option `retry.jitter` is 2; it must be from 0 to 1");
  CHECK(refusal({.weight = 2}) == "tool 't': the option `weight` is 2; it must be left out where there is no pool");
  CHECK(refusal({.rate_key = "k"}) ==
        "tool 't': the option `rate_key` is 'k'; it must be left out where there is no rate");
  ag::resource_pool pool{"gpu", 2};
  CHECK(refusal({.pool = &pool, .weight = 3}) ==
        "tool 't': the option `weight` is 3; it must be at most 2, the capacity of pool 'gpu'");
}

TEST_CASE("a version and a label are accepted") {
  const ag::tool t{"t", [](int x) { return x; }, {.version = "2", .label = "io"}};
  CHECK(ag::run(t(1)) == 1);
}

TEST_CASE("a tool is copy-assignable though its lambda has captures") {
  const auto adding = [](int a) { return ag::tool{"add", [a](int x) { return x + a; }}; };
  auto tool = adding(1);
  tool = adding(10);
  CHECK(ag::run(tool(1)) == 11);
}

TEST_CASE("a call is move-assignable though its tool's lambda has captures") {
  const auto adding = [](std::string a) { return ag::tool{"add", [a](std::string x) { return x + a; }}; };
  const auto tool = adding("b");
  auto call = tool("x");
  call = tool("a");
  CHECK(ag::run(std::move(call)) == "ab");
}
