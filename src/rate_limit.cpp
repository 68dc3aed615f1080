#include "aethergraph/rate_limit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "aethergraph/error.hpp"

namespace aethergraph {

rate_limit::rate_limit(double per_second, double burst) : per_second_(per_second), burst_(burst) {
  if (!(per_second > 0) || !std::isfinite(per_second))
    throw option_error(fmt::format("a rate_limit allows {} a second; it must be more than 0", per_second));
  if (!(burst >= 1) || !std::isfinite(burst))
    throw option_error(fmt::format("a rate_limit has a burst of {}; it must be at least 1", burst));
}

rate_limit::figures rate_limit::now() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

duration rate_limit::take(std::string_view key, detail::time_point at, bool has_waited) {
  const std::lock_guard lock(mutex_);
  auto found = buckets_.find(key);
  if (found == buckets_.end()) found = buckets_.emplace(std::string(key), bucket{burst_, at, 0}).first;
  bucket& b = found->second;
  if (at > b.filled) {
    const double seconds = std::chrono::duration<double>(at - b.filled).count();
    b.tokens = std::min(burst_, b.tokens + seconds * per_second_);
    b.filled = at;
  }
  // Who has waited goes first: a newcomer finds as many tokens fewer as others wait for.
  const double ahead = has_waited ? 0 : static_cast<double>(b.waiting);
  constexpr double rounding = 1e-9;
  if (b.tokens - ahead >= 1 - rounding) {
    b.tokens = std::max(0.0, b.tokens - 1);
    ++figures_.taken_total;
    if (has_waited) {
      --b.waiting;
      --figures_.waiting;
    }
    return duration::zero();
  }
  const double seconds = (1 + ahead - b.tokens) / per_second_;
  if (!has_waited) {
    ++b.waiting;
    ++figures_.waiting;
    ++figures_.waited_total;
  }
  constexpr double longest = 1e9;  // seconds
  return std::max(duration(1), std::chrono::ceil<duration>(std::chrono::duration<double>(std::min(seconds, longest))));
}

void rate_limit::leave(std::string_view key) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(key);
  if (found == buckets_.end()) return;
  --found->second.waiting;
  --figures_.waiting;
}

}  // namespace aethergraph
