// Each program is broken off, made to throw, and cancelled, at every point in turn.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "support/catch.hpp"
#include "support/programs.hpp"

using test::probe;
namespace ag = aethergraph;
namespace asio = boost::asio;

namespace {

constexpr int enough = 100'000;  // more strikes than any program has points: the loops below end before

struct outcome {
  int calls = 0;
  std::exception_ptr error;
};

/// Starts a program on an io_context; the handler notes how it ended.
void start(asio::io_context& io, const test::program& program, probe& p, int cap, asio::cancellation_signal& signal,
    outcome& end) {
  p.cancel = [&] { signal.emit(asio::cancellation_type::terminal); };
  ag::run_async(io.get_executor(), program(p), {.max_concurrency = cap},
      asio::bind_cancellation_slot(signal.slot(), [&end](std::exception_ptr e, int) {
    ++end.calls;
    end.error = e;
  }));
}

template <class Error>
bool is(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const Error&) {
    return true;
  } catch (...) {
    return false;
  }
}

const int cap = 2;

}  // namespace

TEST_CASE("a program that is left alone ends with a value") {
  for (const auto& [name, program] : test::programs()) {
    INFO(name);
    probe p;
    outcome end;
    asio::cancellation_signal signal;
    asio::io_context io;
    start(io, program, p, cap, signal, end);
    io.run();
    CHECK(end.calls == 1);
    CHECK(!end.error);
    CHECK(p.live() == 0);
    CHECK(p.points() > 0);
  }
}

TEST_CASE("a program that is broken off after any number of handlers leaves nothing behind") {
  for (const auto& [name, program] : test::programs()) {
    bool was_left_alone = false;
    for (std::size_t handlers = 0; !was_left_alone; ++handlers) {
      INFO(name << ", broken off after " << handlers << " handlers");
      REQUIRE(handlers < enough);
      probe p;
      outcome end;
      {
        asio::cancellation_signal signal;
        std::optional<asio::io_context> io(std::in_place);
        start(*io, program, p, cap, signal, end);
        for (std::size_t n = 0; n < handlers && io->run_one() > 0; ++n) {
        }
        was_left_alone = end.calls > 0;
        io.reset();
      }
      CHECK(p.live() == 0);
    }
  }
}

TEST_CASE("a program that throws at any point ends once, with nothing left running") {
  for (const auto& [name, program] : test::programs()) {
    bool was_left_alone = false;
    for (int strike = 1; !was_left_alone; ++strike) {
      INFO(name << ", throws at point " << strike);
      REQUIRE(strike < enough);
      probe p;
      p.throw_at = strike;
      outcome end;
      asio::cancellation_signal signal;
      asio::io_context io;
      start(io, program, p, cap, signal, end);
      io.run();
      was_left_alone = p.points() < strike;
      CHECK(end.calls == 1);
      CHECK((!end.error || is<test::injected>(end.error)));
      CHECK(p.live() == 0);
    }
  }
}

TEST_CASE("a program that is cancelled at any point ends once, with nothing left running") {
  for (const auto& [name, program] : test::programs()) {
    bool was_left_alone = false;
    for (int strike = 1; !was_left_alone; ++strike) {
      INFO(name << ", cancelled at point " << strike);
      REQUIRE(strike < enough);
      probe p;
      p.cancel_at = strike;
      outcome end;
      asio::cancellation_signal signal;
      asio::io_context io;
      start(io, program, p, cap, signal, end);
      io.run();
      was_left_alone = p.points() < strike;
      CHECK(end.calls == 1);
      CHECK((!end.error || is<ag::cancelled>(end.error)));
      CHECK(p.live() == 0);
    }
  }
}

TEST_CASE("a program that throws at any point ends in blocking and simulated runs too") {
  for (const auto& [name, program] : test::programs()) {
    bool was_left_alone = false;
    for (int strike = 1; !was_left_alone; ++strike) {
      INFO(name << ", throws at point " << strike);
      REQUIRE(strike < enough);
      for (int seed : {1, 2}) {
        probe p;
        p.throw_at = strike;
        ag::testing::simulation sim(static_cast<std::uint64_t>(seed));
        const auto r = sim.try_run(program(p), {.max_concurrency = seed});
        was_left_alone = p.points() < strike;
        CHECK((r.ok() || is<test::injected>(r.error())));
        CHECK(r.peak_concurrency() <= static_cast<std::size_t>(seed));
        CHECK(p.live() == 0);
      }
    }
  }
}
