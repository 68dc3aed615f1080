#include "aethergraph/logger.hpp"

#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using namespace std::chrono_literals;
using Catch::Matchers::Matches;
using lines = std::vector<std::string>;

namespace {

/// Keeps the fields of the last line.
class last_line final : public ag::logger {
 public:
  void write(const ag::log_line& line) override {
    seen = line.level;
    time = line.time;
    run = line.run;
    node = line.node;
    text = line.text;
    ++count;
  }
  ag::log_level seen{};
  std::chrono::system_clock::time_point time;
  std::string run, node, text;
  int count = 0;
};

const ag::tool says{"says", [](ag::context& ctx, std::string text) { ctx.logger().info("{}", text); }};
const ag::graph_fn talks{"talks", [](ag::context& ctx, std::string text) -> ag::task<std::string> {
  co_await says(text);
  ctx.logger().warning("said {}", text);
  co_return ctx.run_id();
}};

/// Sends standard error elsewhere while it lives.
class captured_stderr {
 public:
  captured_stderr() : file_(std::tmpfile()), saved_(dup(fileno(stderr))) {
    std::fflush(stderr);
    dup2(fileno(file_), fileno(stderr));
  }
  captured_stderr(const captured_stderr&) = delete;
  captured_stderr& operator=(const captured_stderr&) = delete;
  ~captured_stderr() {
    restore();
    std::fclose(file_);
  }
  std::string text() {
    restore();
    std::string all;
    std::rewind(file_);
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) all += static_cast<char>(c);
    return all;
  }

 private:
  void restore() {
    if (saved_ < 0) return;
    std::fflush(stderr);
    dup2(saved_, fileno(stderr));
    close(saved_);
    saved_ = -1;
  }
  std::FILE* file_;
  int saved_;
};

/// Counts how often it is formatted.
struct counted {
  int* times;
};

}  // namespace

template <>
struct fmt::formatter<counted> {
  constexpr auto parse(format_parse_context& ctx) const { return ctx.begin(); }
  template <class Context>
  auto format(const counted& c, Context& ctx) const {
    ++*c.times;
    return fmt::format_to(ctx.out(), "counted");
  }
};

TEST_CASE("levels have names") {
  CHECK(to_string(ag::log_level::debug) == "debug");
  CHECK(to_string(ag::log_level::info) == "info");
  CHECK(to_string(ag::log_level::warning) == "warning");
  CHECK(to_string(ag::log_level::error) == "error");
  CHECK(to_string(ag::log_level::off) == "off");
}

TEST_CASE("a line names the run and the node, and the body of an agent only the run") {
  ag::memory_logger log;
  const std::string id = ag::run(talks("hello"), {.logger = &log});
  CHECK(log.lines() == lines{"info " + id + " says#1: hello", "warning " + id + ": said hello"});
}

TEST_CASE("a line of a nested run names that run") {
  ag::memory_logger log;
  const ag::graph_fn outer{"outer", [](ag::context& ctx) -> ag::task<std::string> {
    const std::string id = co_await talks("hello");
    ctx.logger().info("from {}", ctx.run_id());
    co_return id;
  }};
  const std::string inner = ag::run(outer(), {.logger = &log});
  REQUIRE(log.lines().size() == 3);
  CHECK_THAT(log.lines()[0], Matches("info " + inner + " says#[0-9]+: hello"));
  CHECK_THAT(log.lines()[2], Matches("info (outer#[0-9]+): from outer#[0-9]+"));
}

TEST_CASE("a logger gets level, time, run, node and text apart") {
  last_line log;
  const auto before = std::chrono::system_clock::now();
  const ag::tool warns{"warns", [](ag::context& ctx) {
    ctx.logger().error("{:>4} of {}", 7, "nine");
    return ctx.run_id();
  }};
  const std::string id = ag::run(warns(), {.logger = &log});
  CHECK(log.seen == ag::log_level::error);
  CHECK(log.run == id);
  CHECK(log.node == "warns#1");
  CHECK(log.text == "   7 of nine");
  CHECK(log.time >= before);
  CHECK(log.time <= std::chrono::system_clock::now());
}

TEST_CASE("each level has its function, and log takes any") {
  ag::memory_logger log;
  const ag::graph_fn all{"all", [](ag::context& ctx) -> ag::task<std::string> {
    ctx.logger().debug("d");
    ctx.logger().info("i");
    ctx.logger().warning("w");
    ctx.logger().error("e");
    ctx.logger().log(ag::log_level::warning, "{}", "l");
    ctx.logger().log(ag::log_level::off, "never");
    co_return ctx.run_id();
  }};
  const std::string id = ag::run(all(), {.logger = &log});
  CHECK(log.lines() == lines{"debug " + id + ": d", "info " + id + ": i", "warning " + id + ": w",
                           "error " + id + ": e", "warning " + id + ": l"});
}

TEST_CASE("a logger lets pass what is at its level or above") {
  last_line log;
  CHECK(log.level() == ag::log_level::info);
  CHECK_FALSE(log.is_enabled(ag::log_level::debug));
  CHECK(log.is_enabled(ag::log_level::info));
  log.set_level(ag::log_level::error);
  CHECK(log.level() == ag::log_level::error);
  CHECK_FALSE(log.is_enabled(ag::log_level::warning));
  CHECK(log.is_enabled(ag::log_level::error));
  log.set_level(ag::log_level::off);
  CHECK_FALSE(log.is_enabled(ag::log_level::error));
  CHECK_FALSE(log.is_enabled(ag::log_level::off));
}

TEST_CASE("what is below the level is not formatted") {
  static int formatted = 0;
  last_line log;
  const ag::graph_fn quiet{"quiet", [](ag::context& ctx) -> ag::task<> {
    ctx.logger().debug("{}", counted{&formatted});
    ctx.logger().info("{}", counted{&formatted});
    co_return;
  }};
  ag::run(quiet(), {.logger = &log});
  CHECK(formatted == 1);
  CHECK(log.text == "counted");
}

TEST_CASE("the level may be changed while the run goes on") {
  last_line log;
  const ag::graph_fn changes{"changes", [&](ag::context& ctx) -> ag::task<> {
    const ag::node_logger here = ctx.logger();
    here.debug("dropped");
    log.set_level(ag::log_level::debug);
    here.debug("kept");
    co_return;
  }};
  ag::run(changes(), {.logger = &log});
  CHECK(log.count == 1);
  CHECK(log.text == "kept");
}

TEST_CASE("the logger of a run goes before that of the runtime, and a nested run's before both") {
  ag::memory_logger of_all;
  ag::memory_logger own;
  ag::memory_logger inner;
  ag::runtime rt({.logger = &of_all});
  const ag::graph_fn outer{"outer", [&](ag::context& ctx) -> ag::task<> {
    ctx.logger().info("outer");
    co_await talks("inherits");
    co_await ag::run_async(talks("has its own"), {.logger = &inner});
  }};
  ag::run(rt, talks("plain"));
  ag::run(rt, outer(), {.logger = &own});
  CHECK(of_all.lines().size() == 2);
  CHECK(own.lines().size() == 3);
  CHECK(inner.lines().size() == 2);
}

TEST_CASE("what a logger throws reaches the body that logs") {
  struct broken final : ag::logger {
    void write(const ag::log_line&) override { throw std::runtime_error("disk full"); }
  } log;
  CHECK_THROWS_WITH(ag::run(says("hello"), {.logger = &log}), "disk full");
}

TEST_CASE("the default logger writes a line with the time on standard error, from info on") {
  std::string id;
  std::string text;
  {
    captured_stderr captured;
    const ag::graph_fn agent{"agent", [](ag::context& ctx) -> ag::task<std::string> {
      ctx.logger().debug("not shown");
      co_await says("shown");
      co_return ctx.run_id();
    }};
    id = ag::run(agent());
    text = captured.text();
  }
  CHECK_THAT(text,
      Matches("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z info " + id + " says#1: shown\n"));
}

TEST_CASE("the level of the default logger may be changed") {
  captured_stderr captured;
  ag::stderr_logger().set_level(ag::log_level::warning);
  ag::run(says("hidden"));
  ag::stderr_logger().set_level(ag::log_level::info);
  CHECK(captured.text().empty());
}

TEST_CASE("runs on different threads may share a logger") {
  ag::memory_logger log;
  ag::runtime rt({.threads = 2, .logger = &log});
  std::vector<ag::run_handle<std::string>> handles;
  for (int i = 0; i < 100; ++i) handles.push_back(ag::start(rt, talks("hello")));
  for (const auto& h : handles) h.wait();
  CHECK(log.lines().size() == 200);
}
