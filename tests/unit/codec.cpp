#include "aethergraph/codec.hpp"

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "support/catch.hpp"
#include "support/core_only.hpp"

namespace ag = aethergraph;

namespace described {
struct point {
  int x = 0;
  double y = 0;
  friend bool operator==(const point&, const point&) = default;
};
BOOST_DESCRIBE_STRUCT(point, (), (x, y))
struct shape {
  std::string name;
  std::vector<point> corners;
  std::optional<point> centre;
  std::map<std::string, std::vector<int>> tags;
  friend bool operator==(const shape&, const shape&) = default;
};
BOOST_DESCRIBE_STRUCT(shape, (), (name, corners, centre, tags))
struct tree {
  std::vector<tree> children;
};
BOOST_DESCRIBE_STRUCT(tree, (), (children))
enum class colour { red, green };
BOOST_DESCRIBE_ENUM(colour, red, green)
}  // namespace described

namespace {

struct money {
  long cents = 0;
  friend bool operator==(const money&, const money&) = default;
};
struct socket_handle {
  int* p = nullptr;
};
struct undescribed {
  int* p = nullptr;
};

struct quota_exceeded : std::runtime_error {
  explicit quota_exceeded(long n) : std::runtime_error("over " + std::to_string(n)), limit(n) {}
  long limit;
};
struct unreachable : std::runtime_error {
  explicit unreachable(const std::string& s) : std::runtime_error(s) {}
};

struct other_failure : std::runtime_error {
  explicit other_failure(const std::string& s) : std::runtime_error(s) {}
};

}  // namespace

template <>
struct ag::codec<money> {
  static boost::json::value encode(const money& m) { return m.cents; }
  static money decode(const boost::json::value& json) { return {boost::json::value_to<long>(json)}; }
};
template <>
struct ag::codec<quota_exceeded> {
  static boost::json::value encode(const quota_exceeded& e) { return e.limit; }
  static quota_exceeded decode(const boost::json::value& json) {
    return quota_exceeded(boost::json::value_to<long>(json));
  }
};
template <>
inline constexpr bool ag::never_recorded<socket_handle> = true;

namespace {

const ag::recorded_failure<quota_exceeded> quota{"quota_exceeded, of the test of codecs"};
const ag::recorded_failure<unreachable> no_host{"unreachable, of the test of codecs"};

/// There and back, as text, the way a store has it.
template <class T>
T there_and_back(const T& value) {
  const ag::detail::codec_ops& ops = *ag::detail::find_codec_ops<T>();
  ag::result<T> r;
  ops.decode(ops.encode(&value), &r);
  return r.value();
}
template <class T>
std::string text_of(const T& value) {
  return ag::detail::find_codec_ops<T>()->encode(&value);
}
template <class T>
void decode(std::string_view json) {
  ag::result<T> r;
  ag::detail::find_codec_ops<T>()->decode(json, &r);
}
template <class T>
void check_same(const T& value) {
  CHECK(there_and_back(value) == value);
}

std::exception_ptr there_and_back(const std::exception_ptr& e) {
  return ag::detail::decode_failure(ag::detail::encode_failure(e));
}

}  // namespace

TEST_CASE("fundamental types, strings and containers come back as they were") {
  check_same(true);
  check_same(-5);
  check_same(std::numeric_limits<std::uint64_t>::max());
  check_same(std::numeric_limits<std::int64_t>::min());
  check_same(std::string("\"quoted\"\n\0 and more", 17));
  check_same(std::vector<std::string>{"a", "", "ü"});
  check_same(std::vector<bool>{true, false});
  check_same(std::tuple<int, std::string>{1, "b"});
  check_same(std::pair<int, double>{1, 2.5});
  check_same(std::array<int, 3>{1, 2, 3});
  check_same(std::set<int>{3, 1});
  check_same(std::map<std::string, std::vector<std::optional<int>>>{{"k", {1, std::nullopt}}});
}

TEST_CASE("described structs and enums come back as they were, nested, too") {
  check_same(described::colour::green);
  check_same(described::shape{});
  check_same(described::shape{"triangle", {{1, 0.5}, {2, 0.1}}, described::point{3, -0.0}, {{"t", {1, 2}}, {"", {}}}});
  CHECK(text_of(described::point{1, 2}) == R"({"x":1,"y":2E0})");
}

TEST_CASE("an optional is its value, or null") {
  CHECK(text_of(std::optional<int>()) == "null");
  check_same(std::optional<int>());
  check_same(std::optional<int>(4));
}

TEST_CASE("floating point numbers come back exactly, also those that JSON has no word for") {
  for (const double x : {0.1, -0.0, 1e300, 5e-324, std::numeric_limits<double>::max()}) {
    CAPTURE(x);
    const double y = there_and_back(x);
    CHECK(y == x);
    CHECK(std::signbit(y) == std::signbit(x));
  }
  CHECK(std::isnan(there_and_back(std::numeric_limits<double>::quiet_NaN())));
  check_same(std::numeric_limits<double>::infinity());
  check_same(-std::numeric_limits<double>::infinity());
  check_same(0.1F);
  check_same(std::numeric_limits<float>::denorm_min());
  CHECK(text_of(std::numeric_limits<double>::infinity()) == "\"inf\"");
}

TEST_CASE("every double comes back as it was, wherever it stands") {
  std::uint64_t bits = 1;
  int wrong = 0;
  for (int i = 0; i < 20'000; ++i) {
    bits = bits * 6364136223846793005ULL + 1442695040888963407ULL;
    // Any bit pattern, and numbers of everyday size.
    const double x = i % 2 == 0 ? std::bit_cast<double>(bits) : static_cast<double>(bits >> 11) * 0x1.0p-53 * 1e6;
    const std::vector<double> back = there_and_back(std::vector<double>{x});
    wrong += std::bit_cast<std::uint64_t>(back.at(0)) != std::bit_cast<std::uint64_t>(x) && !std::isnan(x);
    if (std::isnan(x)) wrong += !std::isnan(back.at(0));
  }
  CHECK(wrong == 0);
  constexpr double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> odd{1, inf, -inf, std::numeric_limits<double>::quiet_NaN(), -0.0};
  const std::vector<double> back = there_and_back(odd);
  REQUIRE(back.size() == odd.size());
  CHECK(back[1] == inf);
  CHECK(back[2] == -inf);
  CHECK(std::isnan(back[3]));
  CHECK(std::signbit(back[4]));
  CHECK(text_of(odd) == "[1E0,1E9999,-1E9999,0E9999,-0E0]");
  check_same(described::point{1, inf});
  check_same(std::vector<std::string>{"NaN", "\\", "Infinity [", "\\\"Inf"});
}

TEST_CASE("strings of any bytes come back as they were") {
  check_same(std::string("caf\xe9"));
  check_same(std::vector<std::string>{"\xff\xfe", "\xc3"});
  check_same(std::map<std::string, int>{{"\x80", 1}});
}

TEST_CASE("what is nested deeply comes back, and what is nested too deeply is refused before it is recorded") {
  const auto nested = [](int levels) {
    described::tree t;
    for (int i = 1; i < levels; ++i) {
      described::tree outer;
      outer.children.push_back(std::move(t));
      t = std::move(outer);
    }
    return t;
  };
  CHECK(there_and_back(nested(400)).children.size() == 1);
  CHECK_THROWS_WITH(text_of(nested(600)), "a value has more than 1000 levels, one in another, and cannot be recorded");
}

TEST_CASE("nothing is null") {
  CHECK(ag::detail::find_codec_ops<void>()->encode(nullptr) == "null");
  ag::result<void> r;
  ag::detail::find_codec_ops<void>()->decode("null", &r);
  CHECK(r.has_value());
  check_same(std::monostate());
}

TEST_CASE("a codec of one's own is used, also where values are compared") {
  check_same(money{1234});
  CHECK(text_of(money{1234}) == "1234");
  CHECK(ag::detail::encode_compared(std::tuple(money{7}, 1)) == "[7,1]");
}

TEST_CASE("what has no codec is not compared, and what is never recorded has none") {
  static_assert(!ag::codable<undescribed>);
  CHECK(ag::detail::encode_compared(std::tuple(undescribed{}, 1)) == "[null,1]");
  CHECK(ag::detail::find_codec_ops<socket_handle>() == nullptr);
}

TEST_CASE("a durable run refuses a result that is never recorded, when it comes to it") {
  const ag::tool opening{"opening", [] { return socket_handle{}; }};
  const ag::graph_fn agent{"agent", [&]() -> ag::task<bool> { co_return (co_await opening()).p == nullptr; }};
  CHECK(ag::run(agent()));
  ag::memory_store store;
  CHECK_THROWS_AS(ag::run(agent(), {.store = &store, .run_id = "a"}), ag::option_error);
}

TEST_CASE("JSON that is no value of the type, or no JSON, is an error") {
  CHECK_THROWS(decode<int>("\"text\""));
  CHECK_THROWS(decode<int>("1e99"));
  CHECK_THROWS(decode<unsigned>("-1"));
  CHECK_THROWS(decode<double>("\"infinite\""));
  CHECK_THROWS(decode<std::vector<int>>("{\"a\":1}"));
  CHECK_THROWS(decode<described::point>("{\"x\":1}"));
  CHECK_THROWS(decode<described::colour>("\"blue\""));
  CHECK_THROWS(decode<int>(""));
  CHECK_THROWS(decode<int>("1 2"));
}

TEST_CASE("failures come back as what they were, if that is known") {
  const auto is = []<class E>(E e, auto check) {
    try {
      std::rethrow_exception(there_and_back(std::make_exception_ptr(e)));
    } catch (const E& again) {
      CHECK(std::string(again.what()) == e.what());
      return check(again);
    } catch (...) {
      return false;
    }
  };
  const auto any = [](const auto&) { return true; };
  CHECK(is(std::out_of_range("no"), any));
  CHECK(is(ag::timed_out("late"), any));
  CHECK(is(unreachable("host"), any));
  CHECK(is(ag::circuit_open("open"), any));
  CHECK(is(ag::service_error("none"), any));
  CHECK(is(std::bad_alloc(), any));
  CHECK(is(ag::retry_after(std::chrono::seconds(3), "later"),
      [](const ag::retry_after& e) { return e.delay() == std::chrono::seconds(3); }));
  CHECK(is(std::system_error(std::make_error_code(std::errc::timed_out), "reading"),
      [](const std::system_error& e) { return e.code() == std::errc::timed_out; }));
  CHECK(is(quota_exceeded(5), [](const quota_exceeded& e) { return e.limit == 5; }));
  CHECK(
      is(ag::recorded_error("some_type", "text"), [](const ag::recorded_error& e) { return e.type() == "some_type"; }));
}

TEST_CASE("failures that are not known come back as a recorded_error with their text") {
  struct of_this_test : std::exception {
    const char* what() const noexcept override { return "bytes \xff"; }
  };
  CHECK_THROWS_AS(std::rethrow_exception(there_and_back(std::make_exception_ptr(of_this_test()))), ag::recorded_error);
  CHECK_THROWS_AS(std::rethrow_exception(there_and_back(std::make_exception_ptr(5))), ag::recorded_error);
}

TEST_CASE("a text that is no recorded failure decodes to an exception all the same") {
  for (const char* text : {"", "[]", "{}", R"({"type":1,"what":"x"})", R"({"type":"std::out_of_range","value":1})"})
    CHECK(ag::detail::decode_failure(text) != nullptr);
}

TEST_CASE("two failures cannot have one name") {
  CHECK_THROWS_AS(ag::recorded_failure<other_failure>("std::runtime_error"), ag::error);
}

TEST_CASE("what a part of the program awaits that knows nothing of codecs is recorded, if another part gives it one") {
  ag::memory_store store;
  CHECK(ag::run(test::core_only_agent(3), {.store = &store, .run_id = "a"}) == 6);
  CHECK(store.facts("a").at(0).value == "6");
}
