#include "aethergraph/simulation.hpp"

#include <fmt/format.h>

#include <chrono>
#include <new>
#include <string>
#include <utility>

namespace aethergraph::testing {

namespace {

constexpr std::uint64_t scramble(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): seeds that follow one
// another give sequences that have nothing in common.
std::uint64_t next_random(std::uint64_t& state) noexcept { return scramble(state += 0x9e3779b97f4a7c15); }

/// The first lines, and how many are left out.
std::string shortened(std::string text) {
  constexpr std::size_t lines_kept = 50;
  std::size_t lines = 0;
  std::size_t end = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '\n' && ++lines == lines_kept) end = i + 1;
  if (lines > lines_kept) text.replace(end, std::string::npos, fmt::format("  and {} more\n", lines - lines_kept));
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

aethergraph::detail::ready_item& simulation::simulated_loop::next_ready() noexcept {
  if (turns_) return ready_.pop();  // what a durable run does between two facts is the same each time
  try {
    while (!ready_.empty()) {
      pool_.push_back(nullptr);
      pool_.back() = &ready_.pop();
    }
  } catch (const std::bad_alloc&) {
    // What has no place in the pool is chosen from later.
  }
  if (pool_.empty()) return ready_.pop();
  std::size_t n = 0;
  if (pool_.size() > 1) {
    n = next_random(course_.random) % pool_.size();
    course_.interleaving = scramble(course_.interleaving + n + 1);
  }
  std::swap(pool_[n], pool_.back());
  aethergraph::detail::ready_item& chosen = *pool_.back();
  pool_.pop_back();
  if (!pool_.empty() && ready_.empty()) {
    ready_.push(*pool_.back());
    pool_.pop_back();
  }
  return chosen;
}

std::uint64_t simulation::simulated_loop::random_bits() {
  return scramble(~seed_ + ++course_.drawn * 0x9e3779b97f4a7c15);  // apart from what decides who goes first
}

void simulation::simulated_loop::wait(aethergraph::detail::run_state& root) {
  if (poll() > 0) {
    others_seen_ = 0;
    return;
  }
  // Time goes on only for a timer that leads somewhere, not for one that watches what does not stop.
  const bool has_next = !timers_.empty() && timers_.earliest() != aethergraph::detail::time_point::max();
  if (has_next && (!timers_.only_watches() || timers_.earliest() <= now())) {
    if (timers_.earliest() > now()) {
      if (wait_for_others()) return;
      course_.elapsed = timers_.earliest().time_since_epoch();
    }
    expire_timers(now());
    return;
  }
  if (foreign_ > 0) {
    run_one();
    return;
  }
  if (run_one_unless_idle()) return;
  std::string report;
  root.describe(report);
  root.cancel(aethergraph::detail::cancelled_because(aethergraph::detail::stop_reason::deadlock));
  throw deadlock_error(
      fmt::format("deadlock after {} of virtual time: nothing that '{}' waits for can happen any more\n{}: {}",
          aethergraph::detail::to_text(course_.elapsed), root.name(), root.identity(), shortened(std::move(report))));
}

/// False: none of them has come to its end in time.
bool simulation::simulated_loop::wait_for_others() {
  if (foreign_ == 0) return false;
  if (foreign_ != others_seen_) {
    others_seen_ = foreign_;
    still_until_ = aethergraph::detail::saturating_add(std::chrono::steady_clock::now(), patience_);
  }
  if (!run_one_until(still_until_)) return false;
  others_seen_ = 0;
  return true;
}

}  // namespace aethergraph::testing
