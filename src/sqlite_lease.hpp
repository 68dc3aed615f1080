// Who executes a run: a process that can be seen to live, or to have died.
#pragma once

#include <string>
#include <string_view>

namespace aethergraph::detail {

/// What a run's owner is in the file: "PROCESS START BOOT LEASE". The process by its number and its start, as the
/// kernel counts it, since numbers are given again; the boot, since starts are; and a lease of this process, since it
/// may have given up a run and not been able to write that.
/// Thread safety: any thread, of several of them.
class sqlite_lease {
 public:
  sqlite_lease();
  sqlite_lease(const sqlite_lease&) = delete;
  sqlite_lease& operator=(const sqlite_lease&) = delete;
  /// It is void from now on.
  ~sqlite_lease();

  [[nodiscard]] const std::string& owner() const noexcept { return owner_; }

 private:
  std::string owner_;
};

/// "process 4711", or nothing if the lease is void.
[[nodiscard]] std::string who_has(std::string_view owner);

}  // namespace aethergraph::detail
