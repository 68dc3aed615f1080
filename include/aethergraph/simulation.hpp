// testing::simulation: runs under a virtual clock and a seeded choice among what is ready.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "aethergraph/run.hpp"

namespace aethergraph::testing {

/// A simulated run in which nothing can ever happen again. The message lists who waits for what.
class deadlock_error : public error {
 public:
  using error::error;
};

/// Options of a `simulation`.
struct simulation_options {
  /// Real time. While operations of Asio's are under way, virtual time stands still: for this long since one of them
  /// began or ended, then it goes on without them.
  duration patience = std::chrono::milliseconds{100};
};

/// Executes runs in virtual time: sleeps, timeouts and deadlines take none, and which of several ready things goes
/// first follows a seed. The same seed gives the same interleaving, on every machine.
///
/// What others do waits in real time: operations of Asio's, and runs of a runtime that are awaited by their handles. A
/// run that waits for them is in no deadlock.
/// Errors: a run in which nothing can ever happen again throws `deadlock_error`, instead of hanging. It is asked to
/// stop first, so that clean-up runs; what still waits then, shielded, is destroyed where it stands.
/// Thread safety: one thread. What only another thread would release counts as never released.
/// Example: `ag::testing::simulation sim{1}; sim.run(agent(), {.deadline = 1h});`
class simulation {
 public:
  explicit simulation(std::uint64_t seed, const simulation_options& options = {}) noexcept
      : seed_(seed), options_(options), course_{seed} {}

  /// As `aethergraph::run`. A second run goes on where the first one ended: in virtual time, and in what the seed
  /// decides.
  template <class A>
  aethergraph::detail::run_value_t<A> run(A&& inv, const run_options& options = {}) {
    return try_run(std::forward<A>(inv), options).value();
  }

  /// As `aethergraph::try_run`. Errors: likewise; `deadlock_error`.
  template <class A>
  run_result<aethergraph::detail::run_value_t<A>> try_run(A&& inv, const run_options& options = {}) {
    aethergraph::detail::check_runnable<A&&>();
    if constexpr (aethergraph::detail::consumable<A>) {
      aethergraph::detail::refuse_blocking_run();
      simulated_loop loop(course_, seed_, options_.patience);
      aethergraph::detail::blocking_run<std::remove_cvref_t<A>> r(loop, inv, options);
      r.execute();
      return run_result<aethergraph::detail::run_value_t<A>>(r.operation());
    } else {
      return {};
    }
  }

  /// Virtual time that has passed so far in this simulation, also during a run.
  [[nodiscard]] duration elapsed() const noexcept { return course_.elapsed; }
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  /// A number that stands for all choices so far: the same for the same interleaving, another one for another.
  [[nodiscard]] std::uint64_t interleaving() const noexcept { return course_.interleaving; }

 private:
  /// What goes on from run to run.
  struct course {
    std::uint64_t random;  // the state of the generator
    std::uint64_t interleaving = 0;
    std::uint64_t runs = 0;
    std::uint64_t drawn = 0;  // how many numbers its bodies have drawn
    duration elapsed{};
  };

  // Invariant: what is ready stands in `pool_` or in `ready_`; `ready_` is empty only if `pool_` is.
  class simulated_loop final : public aethergraph::detail::blocking_loop {
   public:
    simulated_loop(course& c, std::uint64_t seed, duration patience) noexcept
        : course_(c), seed_(seed), patience_(patience) {}
    aethergraph::detail::time_point now() const noexcept override {
      return aethergraph::detail::time_point{} + course_.elapsed;
    }
    std::uint64_t next_run_number() noexcept override { return ++course_.runs; }
    std::uint64_t random_bits() override;
    bool runs_workers_inline() const noexcept override { return true; }

   private:
    void set_alarm(aethergraph::detail::time_point) override {}
    aethergraph::detail::ready_item& next_ready() noexcept override;
    void wait(aethergraph::detail::run_state& root) override;
    bool wait_for_others();

    course& course_;
    const std::uint64_t seed_;
    const duration patience_;
    std::vector<aethergraph::detail::ready_item*> pool_;
    std::size_t others_seen_ = 0;  // operations under way when virtual time last stood still for them
    std::chrono::steady_clock::time_point still_until_{};
  };

  std::uint64_t seed_;
  simulation_options options_;
  course course_;
};

}  // namespace aethergraph::testing
