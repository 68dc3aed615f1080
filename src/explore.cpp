#include "aethergraph/explore.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include "aethergraph/detail/message_of.hpp"

namespace aethergraph::detail {

namespace {

/// The one seed that the environment asks for.
std::optional<std::uint64_t> seed_to_replay() {
  const char* const value = std::getenv("AETHERGRAPH_SEED");
  if (!value) return {};
  const std::string_view text = value;
  std::uint64_t seed = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (problem != std::errc() || end != text.data() + text.size())
    throw option_error(fmt::format(
        "the environment variable AETHERGRAPH_SEED is '{}'; it must be a seed, such as 17, or not be set", text));
  return seed;
}

}  // namespace

void throw_failed_check(const std::string& result) {
  throw error(result.empty() ? "the check of the run returned false"
                             : fmt::format("the check of the run returned false for the result {}", result));
}

testing::exploration explore(
    std::int64_t seeds, const testing::explore_options& options, void (*one)(void*, testing::simulation&), void* self) {
  refuse_blocking_run();
  if (seeds < 1) throw option_error(fmt::format("explore was asked to run {} seeds; it needs at least 1", seeds));
  std::uint64_t seed = options.first_seed;
  if (const auto asked = seed_to_replay()) {
    seed = *asked;
    seeds = 1;
  }
  std::vector<std::uint64_t> seen;
  for (std::int64_t done = 0; done < seeds; ++done, ++seed) {
    testing::simulation sim(seed, options.simulation);
    try {
      one(self, sim);
    } catch (...) {
      const std::exception_ptr cause = std::current_exception();
      throw testing::exploration_error(seed, cause,
          fmt::format("seed {} failed, after {} that did not: {}\n"
                      "To run this seed alone, set AETHERGRAPH_SEED={} in the environment, or use "
                      "ag::testing::simulation({}).",
              seed, done, message_of(cause), seed, seed));
    }
    seen.push_back(sim.interleaving());
  }
  std::sort(seen.begin(), seen.end());
  return {seeds, static_cast<std::size_t>(std::unique(seen.begin(), seen.end()) - seen.begin())};
}

}  // namespace aethergraph::detail
