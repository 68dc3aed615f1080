// What every run_store does, as its interface says: the same cases for each of them. And whoever opens a run there.
#pragma once

#include <aethergraph/run_store.hpp>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace test {

namespace ag = aethergraph;

/// Remembers what it is told, and lets a test wait for it.
class recording_client final : public ag::store_client {
 public:
  void committed(std::uint64_t count) noexcept override;
  void failed(std::exception_ptr why) noexcept override;
  void answered(std::string_view token, std::string_view answer) noexcept override;
  void cancel_requested() noexcept override;

  /// Whether so much is safe, before the patience of a test ends or it fails.
  [[nodiscard]] bool waits_for(std::uint64_t count);
  /// What it was told when it failed, once it has; "" if it does not.
  [[nodiscard]] std::string failure();
  [[nodiscard]] bool waits_for_answer();
  [[nodiscard]] bool waits_for_cancel();

  [[nodiscard]] std::uint64_t count() const;
  /// How often it was told so.
  [[nodiscard]] int commits() const;
  [[nodiscard]] std::exception_ptr why() const;
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> answers() const;

 private:
  template <class Predicate>
  bool waits(Predicate is_true);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t count_ = 0;
  int commits_ = 0;
  std::exception_ptr why_;
  std::vector<std::pair<std::string, std::string>> answers_;
  bool is_cancelled_ = false;
};

/// The fact with a number, with something in every field.
[[nodiscard]] ag::fact fact_with(std::uint64_t number);
[[nodiscard]] ag::run_claim claim_of(std::string id);
[[nodiscard]] ag::question question_with(std::string token, std::string run);
/// All that there is of one, in one line, to compare.
[[nodiscard]] std::string text_of(const ag::fact& f);
/// Numbers of facts.
[[nodiscard]] std::vector<std::uint64_t> numbers_of(const std::vector<ag::fact>& facts);

struct contract_case {
  const char* name;
  void (*check)(ag::run_store&);
};
/// Each is for a store without a run.
[[nodiscard]] std::span<const contract_case> store_contract();

}  // namespace test
