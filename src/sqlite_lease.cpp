#include "sqlite_lease.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <sstream>

namespace aethergraph::detail {

namespace {

/// Those of this process.
struct {
  std::mutex mutex;
  std::set<std::string, std::less<>> owners;
} live;

[[nodiscard]] std::string boot() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id.empty() ? "unknown" : id;
}

/// When a process was started, in ticks since the boot; nothing if it is dead, its parent having noticed or not.
[[nodiscard]] std::optional<std::uint64_t> start_of(long process) {
  std::string line;
  std::getline(std::ifstream(fmt::format("/proc/{}/stat", process)), line);
  const std::size_t at = line.rfind(')');  // the name before it may hold anything
  if (at == line.npos) return std::nullopt;
  std::istringstream fields(line.substr(at + 1));
  char state = 0;
  fields >> state;
  if (state == 'Z' || state == 'X') return std::nullopt;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  std::uint64_t start = 0;
  return fields >> start ? std::optional(start) : std::nullopt;
}

}  // namespace

sqlite_lease::sqlite_lease() {
  std::random_device random;
  owner_ =
      fmt::format("{} {} {} {:08x}{:08x}", ::getpid(), start_of(::getpid()).value_or(0), boot(), random(), random());
  const std::lock_guard lock(live.mutex);
  live.owners.insert(owner_);
}

sqlite_lease::~sqlite_lease() {
  const std::lock_guard lock(live.mutex);
  live.owners.erase(owner_);
}

std::string who_has(std::string_view owner) {
  long process = 0;
  std::uint64_t start = 0;
  std::string its_boot;
  std::istringstream fields{std::string(owner)};
  if (!(fields >> process >> start >> its_boot) || its_boot != boot()) return {};
  if (process == ::getpid()) {
    const std::lock_guard lock(live.mutex);
    if (!live.owners.contains(owner)) return {};
  } else if (start_of(process) != start) {
    return {};
  }
  return fmt::format("process {}", process);
}

}  // namespace aethergraph::detail
