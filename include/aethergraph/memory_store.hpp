// memory_store: a run_store without a file, for tests.
#pragma once

#include <functional>
#include <map>
#include <mutex>

#include "aethergraph/run_store.hpp"

namespace aethergraph {

/// Keeps runs as long as it lives, in this process. What is written is safe at once.
///
/// For tests of durable programs: `fail_after` has it fail like a process that is killed or a disk that is full.
/// Thread safety: any thread.
class memory_store final : public run_store {
 public:
  memory_store();
  ~memory_store() override;

  /// So many more things can be written by all runs together; what comes then fails with a `store_error`, and what was
  /// written before stays.
  void fail_after(std::uint64_t writes);
  /// Nothing fails any more.
  void heal();
  /// How many things were written so far, by all runs together.
  [[nodiscard]] std::uint64_t written() const;

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
  class journal;
  struct run;

  [[nodiscard]] run& existing(std::string_view id);
  [[nodiscard]] run& idle(std::string_view id);

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<run>> runs_;  // the oldest first
  std::optional<std::uint64_t> writes_left_;
  std::uint64_t written_ = 0;
};

}  // namespace aethergraph
