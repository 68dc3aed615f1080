#include "aethergraph/simulation.hpp"

namespace aethergraph::testing {

namespace {
// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
std::uint64_t next_random(std::uint64_t& state) noexcept {
  std::uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}
}  // namespace

aethergraph::detail::ready_item& simulation::simulated_loop::next_ready() noexcept {
  constexpr std::size_t choices = 16;
  return ready_.take(next_random(choice_) % ready_.count(choices));
}

void simulation::simulated_loop::wait() {
  if (foreign_ > 0 && poll() > 0) return;
  // Time goes on only for a timer that leads somewhere, not for one that watches what does not stop.
  const bool has_next = !timers_.empty() && timers_.earliest() != aethergraph::detail::time_point::max();
  if (has_next && (!timers_.only_watches() || timers_.earliest() <= now())) {
    if (timers_.earliest() > now()) elapsed_ = timers_.earliest().time_since_epoch();
    expire_timers(now());
    return;
  }
  if (foreign_ == 0) {
    if (poll() > 0) return;
    throw error(
        "deadlock: nothing is ready, no timer is pending and no operation is under way, but the run has not ended");
  }
  run_one();
}

}  // namespace aethergraph::testing
