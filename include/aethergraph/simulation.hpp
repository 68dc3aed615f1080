// testing::simulation: runs under a virtual clock and a seeded choice among what is ready.
#pragma once

#include <cstdint>

#include "aethergraph/run.hpp"

namespace aethergraph::testing {

/// Executes runs in virtual time: sleeps, timeouts and deadlines take none, and which of several ready things goes
/// first follows a seed. The same seed gives the same interleaving.
///
/// Asio operations of others wait in real time.
/// Errors: a run in which nothing can ever happen again throws `error`, instead of hanging.
/// Thread safety: one thread.
class simulation {
 public:
  explicit simulation(std::uint64_t seed) : seed_(seed) {}

  /// As `aethergraph::run`.
  template <class A>
  aethergraph::detail::run_value_t<A> run(A&& inv, const run_options& options = {}) {
    return try_run(std::forward<A>(inv), options).value();
  }

  /// As `aethergraph::try_run`.
  template <class A>
  run_result<aethergraph::detail::run_value_t<A>> try_run(A&& inv, const run_options& options = {}) {
    aethergraph::detail::check_runnable<A&&>();
    if constexpr (aethergraph::detail::consumable<A>) {
      aethergraph::detail::refuse_blocking_run();
      simulated_loop loop(seed_++, elapsed_);
      aethergraph::detail::blocking_run<std::remove_cvref_t<A>> r(loop, inv, options);
      r.execute();
      return run_result<aethergraph::detail::run_value_t<A>>(r.operation());
    } else {
      return {};
    }
  }

  /// Virtual time that has passed so far in this simulation.
  [[nodiscard]] duration elapsed() const noexcept { return elapsed_; }

 private:
  class simulated_loop final : public aethergraph::detail::blocking_loop {
   public:
    simulated_loop(std::uint64_t seed, duration& elapsed) : choice_(seed), elapsed_(elapsed) {}
    aethergraph::detail::time_point now() const noexcept override {
      return aethergraph::detail::time_point{} + elapsed_;
    }

    bool runs_workers_inline() const noexcept override { return true; }

   private:
    void set_alarm(aethergraph::detail::time_point) override {}
    aethergraph::detail::ready_item& next_ready() noexcept override;
    void wait() override;

    std::uint64_t choice_;  // the state of the generator
    duration& elapsed_;
  };

  std::uint64_t seed_;
  duration elapsed_{};
};

}  // namespace aethergraph::testing
