#include "aethergraph/result.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "support/catch.hpp"

namespace ag = aethergraph;

namespace {

struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};

std::exception_ptr failure(const char* message) { return std::make_exception_ptr(std::runtime_error(message)); }

static_assert(std::is_same_v<decltype(std::declval<ag::result<int>&>().value()), int&>);
static_assert(std::is_same_v<decltype(std::declval<const ag::result<int>&>().value()), const int&>);
static_assert(std::is_same_v<decltype(std::declval<ag::result<int>&&>().value()), int>);
static_assert(std::is_same_v<decltype(std::declval<ag::result<int&>&>().value()), int&>);
static_assert(std::is_void_v<decltype(std::declval<ag::result<void>&>().value())>);
static_assert(!std::is_copy_constructible_v<ag::result<std::unique_ptr<int>>> ||
              std::is_move_constructible_v<ag::result<std::unique_ptr<int>>>);

}  // namespace

TEST_CASE("a result with a value has it") {
  ag::result<int> r;
  r.emplace(3);
  CHECK(r.has_value());
  CHECK(static_cast<bool>(r));
  CHECK(r.value() == 3);
  CHECK_FALSE(r.error());
}

TEST_CASE("a result with an exception rethrows it as its value") {
  ag::result<int> r{failure("bad")};
  CHECK_FALSE(r.has_value());
  CHECK_THROWS_WITH(r.value(), "bad");
  CHECK_THROWS_WITH(r.value(), "bad");
}

TEST_CASE("a result with an exception gives it") {
  const std::exception_ptr e = failure("bad");
  CHECK(ag::result<int>{e}.error() == e);
}

TEST_CASE("an empty result throws error as its value") {
  ag::result<int> r;
  CHECK_FALSE(r.has_value());
  CHECK_THROWS_AS(r.value(), ag::error);
}

TEST_CASE("a result of void has a value or rethrows") {
  ag::result<void> r;
  r.emplace();
  CHECK(r.has_value());
  CHECK_NOTHROW(r.value());
  r.fail(failure("void failed"));
  CHECK_THROWS_WITH(r.value(), "void failed");
}

TEST_CASE("a result of a reference gives the very object") {
  int object = 1;
  ag::result<int&> r;
  r.emplace(object);
  CHECK(&r.value() == &object);
  CHECK(&std::move(r).value() == &object);
}

TEST_CASE("a result of what only moves gives it up") {
  ag::result<std::unique_ptr<int>> r;
  r.emplace(std::make_unique<int>(4));
  std::unique_ptr<int> p = std::move(r).value();
  CHECK(*p == 4);
}

TEST_CASE("a result needs no default constructor") {
  ag::result<no_default> r;
  r.emplace(4);
  CHECK(r.value().value == 4);
}

TEST_CASE("failing a result drops its value") {
  auto p = std::make_shared<int>(1);
  ag::result<std::shared_ptr<int>> r;
  r.emplace(p);
  r.fail(failure("later"));
  CHECK(p.use_count() == 1);
  CHECK_FALSE(r.has_value());
}

TEST_CASE("a result's value may be changed in place") {
  ag::result<std::string> r;
  r.emplace("a");
  r.value() += "b";
  CHECK(r.value() == "ab");
}
