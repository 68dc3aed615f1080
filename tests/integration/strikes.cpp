// Each program is broken off, made to throw, and cancelled, at every point in turn: with and without records and an
// observer, started by `run_async`, parallel, and hosted by a runtime.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <optional>

#include "support/catch.hpp"
#include "support/event_check.hpp"
#include "support/programs.hpp"

using test::event_check;
using test::probe;
namespace ag = aethergraph;
namespace asio = boost::asio;

namespace {

constexpr int enough = 100'000;  // more strikes than any program has points: the loops below end before

/// How a program is run.
enum class manner { plain, watched, parallel, hosted, hosted_under_a_cap };
constexpr manner all_manners[] = {
    manner::plain, manner::watched, manner::parallel, manner::hosted, manner::hosted_under_a_cap};

const char* to_string(manner m) {
  switch (m) {
    case manner::plain:
      return "plain";
    case manner::watched:
      return "with an observer";
    case manner::parallel:
      return "parallel";
    case manner::hosted:
      return "hosted";
    default:
      return "hosted under a cap";
  }
}

const int cap = 2;

/// One running of a program on an io_context of its own.
class trial {
 public:
  trial(const test::program& program, probe& p, manner m) : manner_(m) {
    ag::run_options options{.max_concurrency = cap};
    options.record = m == manner::plain ? ag::record::off : ag::record::times;
    if (m != manner::plain) options.observer = &events_;
    options.parallel = m == manner::parallel;
    if (is_hosted()) {
      ag::runtime_options shared;
      if (m == manner::hosted_under_a_cap) shared.max_concurrency = 1;
      runtime_.emplace(*io_, shared);
      handle_ = ag::start(*runtime_, program(p), options);
      p.cancel = [this] { handle_.cancel(); };
    } else {
      p.cancel = [this] {
        const auto emit = [this] { signal_.emit(asio::cancellation_type::terminal); };
        if (manner_ == manner::parallel) asio::post(*io_, emit);
        else emit();
      };
      ag::run_async(io_->get_executor(), program(p), options,
          asio::bind_cancellation_slot(signal_.slot(), [this](std::exception_ptr e, int) {
        ++calls_;
        error_ = e;
      }));
    }
  }
  trial(const trial&) = delete;
  trial& operator=(const trial&) = delete;

  void finish() {
    io_->run();
    check();
    CHECK(has_ended());
    CHECK(events_.is_complete());
    if (is_hosted()) {
      CHECK(events_.differences(handle_.graph()) == std::vector<std::string>());
      CHECK(runtime_->permits_held() == 0);
    }
  }
  /// True: it had ended before.
  bool break_off_after(std::size_t handlers, bool runtime_goes_first) {
    for (std::size_t n = 0; n < handlers && io_->run_one() > 0; ++n) {
    }
    const bool was_left_alone = has_ended();
    if (is_hosted()) static_cast<void>(handle_.graph());
    if (runtime_goes_first) {
      io_->stop();
      runtime_.reset();
    }
    io_.reset();
    check();
    if (is_hosted()) {
      CHECK(handle_.done());
      CHECK((was_left_alone || is<ag::cancelled>(error())));
      if (runtime_) CHECK(runtime_->runs().empty());
      if (runtime_) CHECK(runtime_->permits_held() == 0);
    }
    return was_left_alone;
  }

  [[nodiscard]] std::exception_ptr error() const {
    if (!is_hosted()) return error_;
    try {
      handle_.get();
      return nullptr;
    } catch (...) {
      return std::current_exception();
    }
  }

  template <class Error>
  static bool is(const std::exception_ptr& e) {
    try {
      if (e) std::rethrow_exception(e);
      return false;
    } catch (const Error&) {
      return true;
    } catch (...) {
      return false;
    }
  }

 private:
  [[nodiscard]] bool is_hosted() const { return manner_ >= manner::hosted; }
  [[nodiscard]] bool has_ended() const { return is_hosted() ? handle_.done() : calls_ > 0; }
  void check() {
    CHECK(calls_ <= 1);
    CHECK(events_.wrong() == std::vector<std::string>());
  }

  const manner manner_;
  event_check events_;
  asio::cancellation_signal signal_;
  std::optional<asio::io_context> io_{std::in_place};
  std::optional<ag::runtime> runtime_;
  ag::run_handle<int> handle_;
  int calls_ = 0;
  std::exception_ptr error_;
};

/// Calls `fn(program, manner)` for all of them.
template <class Fn>
void for_each_program(Fn fn) {
  for (const auto& [name, program] : test::programs())
    for (const manner m : all_manners) {
      INFO(name << ", " << to_string(m));
      fn(program, m);
    }
}

}  // namespace

TEST_CASE("a program that is left alone ends with a value") {
  for_each_program([](const test::program& program, manner m) {
    probe p;
    trial t(program, p, m);
    t.finish();
    CHECK(!t.error());
    CHECK(p.live() == 0);
    CHECK(p.broken_limits() == "");
    CHECK(p.points() > 0);
  });
}

TEST_CASE("a program that is broken off after any number of handlers leaves nothing behind") {
  for_each_program([](const test::program& program, manner m) {
    bool was_left_alone = false;
    for (std::size_t handlers = 0; !was_left_alone; ++handlers) {
      INFO("broken off after " << handlers << " handlers");
      REQUIRE(handlers < enough);
      for (const bool runtime_goes_first : {false, true}) {
        if (runtime_goes_first && m < manner::hosted) continue;
        probe p;
        {
          trial t(program, p, m);
          was_left_alone = t.break_off_after(handlers, runtime_goes_first);
        }
        CHECK(p.live() == 0);
        CHECK(p.broken_limits() == "");
      }
    }
  });
}

TEST_CASE("a program that throws at any point ends once, with nothing left running") {
  for_each_program([](const test::program& program, manner m) {
    bool was_left_alone = false;
    for (int strike = 1; !was_left_alone; ++strike) {
      INFO("throws at point " << strike);
      REQUIRE(strike < enough);
      probe p;
      p.throw_at = strike;
      trial t(program, p, m);
      t.finish();
      was_left_alone = p.points() < strike;
      CHECK((!t.error() || trial::is<test::injected>(t.error())));
      CHECK(p.live() == 0);
      CHECK(p.broken_limits() == "");
    }
  });
}

TEST_CASE("a program that is cancelled at any point ends once, with nothing left running") {
  for_each_program([](const test::program& program, manner m) {
    bool was_left_alone = false;
    for (int strike = 1; !was_left_alone; ++strike) {
      INFO("cancelled at point " << strike);
      REQUIRE(strike < enough);
      probe p;
      p.cancel_at = strike;
      trial t(program, p, m);
      t.finish();
      was_left_alone = p.points() < strike;
      CHECK((!t.error() || trial::is<ag::cancelled>(t.error())));
      CHECK(p.live() == 0);
      CHECK(p.broken_limits() == "");
    }
  });
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
        event_check events;
        ag::run_options options{.max_concurrency = seed};
        if (seed == 2) options.observer = &events;
        ag::testing::simulation sim(static_cast<std::uint64_t>(seed));
        const auto r = sim.try_run(program(p), options);
        was_left_alone = p.points() < strike;
        CHECK((r.ok() || trial::is<test::injected>(r.error())));
        CHECK(r.peak_concurrency() <= static_cast<std::size_t>(seed));
        CHECK(p.live() == 0);
        CHECK(p.broken_limits() == "");
        CHECK(events.wrong() == std::vector<std::string>());
        CHECK(events.is_complete());
        if (seed == 2) CHECK(events.differences(r.graph()) == std::vector<std::string>());
      }
    }
  }
}
