#include "aethergraph/progress.hpp"

#include <cstdio>
#include <cstdlib>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

const ag::tool naps{"naps", [](int s) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::seconds{s});
  co_return s;
}};
const ag::tool blinks{"blinks", [](int ms) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::milliseconds{ms});
  co_return ms;
}};
const ag::tool fails{"fails", [](int s) -> ag::task<int> {
  co_await ag::sleep_for(std::chrono::seconds{s});
  throw std::runtime_error("failed");
}};

/// A stream into a string.
class text_file {
 public:
  text_file() : file_(std::tmpfile()) { REQUIRE(file_ != nullptr); }
  text_file(const text_file&) = delete;
  text_file& operator=(const text_file&) = delete;
  ~text_file() { std::fclose(file_); }
  [[nodiscard]] std::FILE* get() const { return file_; }
  /// All that was flushed to it.
  [[nodiscard]] std::string text() const {
    std::string all;
    std::rewind(file_);
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) all += static_cast<char>(c);
    std::fseek(file_, 0, SEEK_END);
    return all;
  }

 private:
  std::FILE* file_;
};

/// The same, with the number of each run left out: it counts the runs of the process.
std::string without_numbers(std::string text) {
  for (std::size_t at = text.find("task#"); at != text.npos; at = text.find("task#", at + 5)) {
    const std::size_t end = text.find_first_not_of("0123456789", at + 5);
    text.erase(at + 5, end - at - 5);
  }
  return text;
}

/// What a simulated run shows.
template <class A>
std::string shown(A inv, bool is_terminal, const ag::run_options& options = {}) {
  const text_file out;
  ag::progress p(out.get(), is_terminal);
  ag::run_options o = options;
  o.observer = &p;
  ag::testing::simulation(1).try_run(std::move(inv), o);
  return without_numbers(out.text());
}

}  // namespace

TEST_CASE("plain progress says how a run ended") {
  auto body = []() -> ag::task<> {
    co_await naps(1);
    co_await naps(1);
  };
  CHECK(shown(body(), false) == "task# done: 2 done, 1.0/s\n");
}

TEST_CASE("progress of a run without calls says so") {
  auto body = []() -> ag::task<> { co_return; };
  CHECK(shown(body(), false) == "task# done: 0 done\n");
}

TEST_CASE("plain progress shows a line every five seconds at most") {
  auto body = []() -> ag::task<> {
    for (int i = 0; i < 6; ++i) co_await naps(2);
  };
  CHECK(shown(body(), false) ==
        "3 done, 0.5/s\n"
        "6 done, 0.5/s\n"
        "task# done: 6 done, 0.5/s\n");
}

TEST_CASE("progress shows what is running and waiting, and the slowest now") {
  auto body = []() -> ag::task<> { co_await ag::gather(naps(10), naps(6), naps(2), naps(3)); };
  CHECK(shown(body(), false, {.max_concurrency = 2}) ==
        "1 done, 1 running, 2 waiting, 0.2/s, slowest now naps#1 for 6.0 s\n"
        "4 done, 0.4/s\n"
        "task# done: 4 done, 0.4/s\n");
}

TEST_CASE("progress counts what is not done by itself") {
  auto body = []() -> ag::task<> { co_await ag::gather(fails(10), naps(20), naps(1)); };
  CHECK(shown(body(), false) ==
        "1 done, 1 not done, 1 running, 0.2/s, slowest now naps#2 for 10.0 s\n"
        "task# failed: 1 done, 2 not done, 0.3/s\n");
}

TEST_CASE("progress counts calls that never started") {
  const ag::tool fails_now{"fails_now", [](int) -> int { throw std::runtime_error("now"); }};
  const ag::tool bad{"", [](int x) { return x; }};
  auto body = [&]() -> ag::task<> {
    co_await ag::as_result(bad(1));
    co_await ag::sleep_for(1s);
    co_await ag::gather(fails_now(1), naps(1), naps(1));
  };
  CHECK(shown(body(), false) == "task# failed: 0 done, 4 not done, 4.0/s\n");
}

TEST_CASE("progress counts the calls of nested runs, not the nested runs, and ends once") {
  const ag::graph_fn inner{"inner", []() -> ag::task<> {
    co_await naps(1);
    co_await naps(1);
  }};
  auto body = [&]() -> ag::task<> { co_await ag::gather(inner(), inner()); };
  CHECK(shown(body(), false) == "task# done: 4 done, 2.0/s\n");
}

TEST_CASE("progress says so when a deadline ended a run") {
  auto body = []() -> ag::task<> { co_await naps(10); };
  CHECK(shown(body(), false, {.deadline = 2s}) == "task# failed: 0 done, 1 not done, 0.5/s\n");
}

TEST_CASE("progress on a terminal rewrites one line, and leaves one for the end") {
  auto body = []() -> ag::task<> {
    co_await naps(1);
    co_await naps(1);
  };
  CHECK(shown(body(), true) ==
        "\r\x1b[K1 done, 1.0/s"
        "\r\x1b[K2 done, 1.0/s"
        "\r\x1b[Ktask# done: 2 done, 1.0/s\n");
}

TEST_CASE("progress on a terminal rewrites its line ten times a second at most") {
  auto body = []() -> ag::task<> {
    for (int i = 0; i < 100; ++i) co_await blinks(10);
  };
  const std::string text = shown(body(), true);
  CHECK(std::ranges::count(text, '\r') == 11);
  CHECK_THAT(text, Catch::Matchers::StartsWith("\r\x1b[K10 done, 100.0/s\r\x1b[K20 done, 100.0/s"));
}

TEST_CASE("the slowest now is what has run the longest, not what was made first") {
  auto body = []() -> ag::task<> { co_await ag::gather(blinks(500), blinks(9000), blinks(9500), blinks(6000)); };
  CHECK_THAT(
      shown(body(), false), Catch::Matchers::StartsWith("2 done, 2 running, 0.3/s, slowest now blinks#2 for 6.0 s\n"));
}

TEST_CASE("one progress shows several runs, and adds up their calls") {
  const text_file out;
  ag::progress p(out.get(), false);
  ag::testing::simulation sim{1};
  auto body = []() -> ag::task<> { co_await naps(2); };
  sim.run(body(), {.observer = &p});
  sim.run(body(), {.observer = &p});
  CHECK(without_numbers(out.text()) ==
        "task# done: 1 done, 0.5/s\n"
        "task# done: 2 done, 0.5/s\n");
}

TEST_CASE("one progress serves runs on several threads") {
  const text_file out;
  ag::progress p(out.get(), false);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        auto body = []() -> ag::task<> {
          co_await ag::gather(std::views::iota(0, 50) | std::views::transform([](int) { return blinks(0); }));
        };
        ag::run(body(), {.observer = &p});
      });
  }
  const std::string text = out.text();
  CHECK(std::ranges::count(text, '\n') == 4);
  const std::string last =
      text.substr(text.rfind('\n', text.size() - 2) + 1);  // earlier ones may show the others' calls
  CHECK_THAT(last, Catch::Matchers::Contains("200 done") && !Catch::Matchers::Contains("not done") &&
                       !Catch::Matchers::Contains("running") && !Catch::Matchers::Contains("waiting"));
}

TEST_CASE("a stream that is no terminal gets plain lines") {
  const text_file out;
  ag::progress p(out.get());
  auto body = []() -> ag::task<> { co_await naps(1); };
  ag::testing::simulation(1).run(body(), {.observer = &p});
  CHECK_THAT(out.text(), !Catch::Matchers::Contains("\x1b"));
}
