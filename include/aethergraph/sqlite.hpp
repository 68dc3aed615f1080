// sqlite_store: a run_store in a file. An optional part: link `aethergraph::sqlite`.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "aethergraph/durable.hpp"

namespace aethergraph {

/// What a commit waits for.
enum class synchronous : unsigned char {
  full,   ///< the disk: what was committed survives a loss of power
  normal  ///< the operating system: it survives the end of this process; a loss of power may take the last of it
};

/// How a `sqlite_store` uses its file.
struct sqlite_options {
  aethergraph::synchronous synchronous = aethergraph::synchronous::full;
  /// How long another process may keep the file locked.
  std::chrono::milliseconds busy_timeout = std::chrono::seconds{10};
  /// How large the file may become, for tests of full disks.
  std::optional<std::uint64_t> max_bytes = {};
};
static_assert(std::is_trivially_destructible_v<sqlite_options>);

/// Keeps runs in an SQLite file, which it makes if there is none; `FILE-wal` and `FILE-shm` beside it belong to it.
///
/// What all runs write is committed by one thread, many things at a time; runs do not wait for it. Several processes of
/// one machine may use the file at the same time, if they see each other's process numbers (not from two containers). A
/// run is executed by one of them; when that one has died, the next may open it at once.
///
/// A text (a value, arguments, a prompt) may have 256 MiB. The store must outlive the journals that it has opened, and
/// is not to be used in a forked child. Errors: `store_error` of all members and of the constructor: there is no such
/// directory, the disk is full, the file is locked for too long, cannot be written, is damaged, belongs to another
/// program or to a newer version of this library. A file that cannot be written can still be looked at, as far as
/// SQLite can. `option_error` for bad options. Thread safety: any thread.
///
/// Example: `ag::sqlite_store store{"runs.db"};`
class sqlite_store final : public run_store {
 public:
  explicit sqlite_store(std::string_view path, const sqlite_options& options = {});
  ~sqlite_store() override;

  [[nodiscard]] std::unique_ptr<run_journal> open(const run_claim& claim, store_client& client) override;
  [[nodiscard]] std::vector<stored_run> runs() override;
  [[nodiscard]] std::optional<stored_run> find(std::string_view id) override;
  [[nodiscard]] std::vector<fact> facts(std::string_view id, std::size_t skipped = 0) override;
  [[nodiscard]] std::vector<question> questions(std::string_view id = {}) override;
  void answer(std::string_view token, std::string_view value) override;
  void cancel(std::string_view id) override;
  void forget(std::string_view id, const std::vector<std::uint64_t>& facts) override;
  void fork(std::string_view id, std::string_view new_id, const std::vector<std::uint64_t>& without) override;
  void restate(const run_claim& claim) override;
  void erase(std::string_view id) override;

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace aethergraph
