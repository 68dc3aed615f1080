// testing::explore: many seeds, and the first one that fails.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "aethergraph/simulation.hpp"

namespace aethergraph::testing {

/// Options of `explore`.
struct explore_options {
  /// The seeds are this one and those that follow it.
  std::uint64_t first_seed = 1;
  /// Of each run.
  aethergraph::run_options run = {};
  /// Of each simulation.
  simulation_options simulation = {};
};

/// What was explored.
struct exploration {
  std::int64_t seeds = 0;         ///< how many were run
  std::size_t interleavings = 0;  ///< how many of them took a course that no other did: see `simulation::interleaving`
};

/// A seed under which a run failed. The message names it, what failed, and how to run this seed alone.
class exploration_error : public error {
 public:
  exploration_error(std::uint64_t seed, std::exception_ptr cause, const std::string& message)
      : error(message), seed_(seed), cause_(std::move(cause)) {}

  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  /// What the run, or the check of its result, threw.
  [[nodiscard]] const std::exception_ptr& cause() const noexcept { return cause_; }

 private:
  std::uint64_t seed_;
  std::exception_ptr cause_;
};

}  // namespace aethergraph::testing

namespace aethergraph::detail {

/// Runs the seeds: `one(self, simulation)` each, which throws if it fails.
testing::exploration explore(
    std::int64_t seeds, const testing::explore_options& options, void (*one)(void*, testing::simulation&), void* self);

/// `result` is empty where it cannot be shown.
[[noreturn]] void throw_failed_check(const std::string& result = {});

/// What an exploration makes for a seed, in one of three ways; null if in none.
template <class Make>
decltype(auto) make_for_seed(Make& make, testing::simulation& sim) {
  if constexpr (std::invocable<Make&>) return std::invoke(make);
  else if constexpr (std::invocable<Make&, std::uint64_t>) return std::invoke(make, sim.seed());
  else if constexpr (std::invocable<Make&, testing::simulation&>) return std::invoke(make, sim);
  else
    static_assert(std::is_invocable_v<Make&>,
        "aethergraph: what makes the invocations to explore is called with nothing, with the seed (std::uint64_t) or "
        "with the simulation (ag::testing::simulation&)");
}

template <class Check, class... Args>
[[nodiscard]] bool passes(Check& check, Args&&... args) {
  if constexpr (std::same_as<std::invoke_result_t<Check&, Args...>, bool>) {
    return std::invoke(check, std::forward<Args>(args)...);
  } else {
    std::invoke(check, std::forward<Args>(args)...);
    return true;
  }
}

template <class T>
concept shown_by_checks = std::is_arithmetic_v<T> || std::convertible_to<const T&, std::string_view>;

/// Runs an invocation, and hands what comes of it to the check: the result, or else the `run_result`.
template <class A, class Check>
void run_and_check(testing::simulation& sim, A& invocation, const run_options& options, Check& check) {
  using value_type = run_value_t<A>;
  if constexpr (std::is_void_v<value_type> && std::invocable<Check&>) {
    sim.run(std::move(invocation), options);
    if (!passes(check)) throw_failed_check();
  } else if constexpr (!std::is_void_v<value_type> && std::invocable<Check&, value_type>) {
    auto&& value = sim.run(std::move(invocation), options);
    if constexpr (shown_by_checks<value_type> && std::invocable<Check&, const value_type&>) {
      if (!passes(check, std::as_const(value))) throw_failed_check(fmt::format("{}", value));
    } else if (!passes(check, std::forward<value_type>(value))) {
      throw_failed_check();
    }
  } else if constexpr (std::invocable<Check&, run_result<value_type>&>) {
    run_result<value_type> ended = sim.try_run(std::move(invocation), options);
    if (!passes(check, ended)) throw_failed_check();
  } else {
    static_assert(std::is_invocable_v<Check&, run_result<value_type>&>,
        "aethergraph: the check of an exploration is called with the result of the run, or with its ag::run_result, "
        "which also one that failed has");
  }
}

struct no_check {};

template <class Make, class Check>
class explorer {
 public:
  explorer(Make& make, Check& check, const run_options& o) noexcept : make_(make), check_(check), options_(o) {}

  static void run_seed(void* self, testing::simulation& sim) { static_cast<explorer*>(self)->run_seed(sim); }

 private:
  void run_seed(testing::simulation& sim) {
    using made = decltype(make_for_seed(make_, sim));
    if constexpr (std::is_void_v<made>) {
      make_for_seed(make_, sim);
    } else if constexpr (std::same_as<made, bool>) {
      if (!make_for_seed(make_, sim)) throw_failed_check();
    } else {
      check_runnable<made&&>();
      if constexpr (consumable<made>) {
        auto invocation = make_for_seed(make_, sim);
        if constexpr (std::same_as<Check, no_check>) sim.run(std::move(invocation), options_);
        else run_and_check(sim, invocation, options_, check_);
      }
    }
  }

  Make& make_;
  Check& check_;
  const run_options& options_;
};

}  // namespace aethergraph::detail

namespace aethergraph::testing {

/// Runs what `make` makes under each of `seeds` seeds, in a simulation of its own, until one fails.
///
/// Parameters: `make` gives a fresh invocation, called with nothing or with the seed. Or it does all of the work
/// itself, called with a `simulation&`, and gives nothing, or `false` for a failure: for several runs, or a look at
/// more than the result. Environment: `AETHERGRAPH_SEED=17` has the seed 17 run, and no other. Returns: how many seeds
/// and interleavings were run. Errors: `exploration_error` for the first seed whose run throws, a deadlock included;
/// `option_error` if `seeds` is below 1 or `AETHERGRAPH_SEED` is no number. Thread safety: as a simulation. Example:
/// `ag::testing::explore(1000, [] { return agent(3); });`
template <class Make>
exploration explore(std::int64_t seeds, Make make, const explore_options& options = {}) {
  aethergraph::detail::no_check none;
  aethergraph::detail::explorer<Make, aethergraph::detail::no_check> one(make, none, options.run);
  return aethergraph::detail::explore(seeds, options, &decltype(one)::run_seed, &one);
}

/// The same, with a check of what each run gives.
///
/// Parameters: `check` is called with the result, and with nothing where there is none; or with the `run_result&`, and
/// then a run that throws has not failed by that. It throws, or returns `false`, for a failure.
/// Example: `ag::testing::explore(1000, [] { return agent(3); }, [](int sum) { return sum == 6; });`
template <class Make, class Check>
  requires(!std::convertible_to<Check, explore_options>)
exploration explore(std::int64_t seeds, Make make, Check check, const explore_options& options = {}) {
  aethergraph::detail::explorer<Make, Check> one(make, check, options.run);
  return aethergraph::detail::explore(seeds, options, &decltype(one)::run_seed, &one);
}

}  // namespace aethergraph::testing
