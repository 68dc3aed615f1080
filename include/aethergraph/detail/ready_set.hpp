// A set of positions that gives its least one first.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace aethergraph::detail {

/// The least position by itself, so that a chain touches no bits; for each other one a bit, a bit above for each word
/// of those that is not zero, and so on up to one word. Each operation touches one word a level at most: four of them
/// for 16 million positions. The words are its owner's.
// Invariant: least_ is nothing exactly if the set is empty, and less than every position that has a bit;
//            a bit of level n + 1 is set exactly if the word below it is not zero.
class ready_set {
 public:
  /// How many words a set of so many positions needs.
  [[nodiscard]] static constexpr std::size_t words(std::size_t positions) noexcept {
    std::size_t all = 0;
    for (std::size_t n = positions;;) {
      n = (n + 63) / 64;
      if (n == 0) n = 1;
      all += n;
      if (n == 1) return all;
    }
  }

  ready_set() noexcept = default;
  /// `memory` holds words(positions) words, all zero.
  ready_set(std::uint64_t* memory, std::size_t positions) noexcept {
    for (std::size_t n = positions;;) {
      n = (n + 63) / 64;
      if (n == 0) n = 1;
      levels_[count_++] = memory;
      memory += n;
      if (n == 1) return;
    }
  }

  [[nodiscard]] bool empty() const noexcept { return least_ == nothing; }

  /// The least position. The set must not be empty.
  [[nodiscard]] std::uint32_t first() const noexcept { return least_; }

  void insert(std::uint32_t position) noexcept {
    if (least_ == nothing) least_ = position;
    else if (position < least_) set_bit(std::exchange(least_, position));
    else set_bit(position);
  }

  /// The least position, which is in the set no longer. The set must not be empty.
  std::uint32_t take_first() noexcept {
    return std::exchange(least_, *levels_[count_ - 1] == 0 ? nothing : take_first_bit());
  }

 private:
  void set_bit(std::uint32_t position) noexcept {
    for (std::size_t l = 0; l < count_; ++l) {
      std::uint64_t& word = levels_[l][position / 64];
      const bool was_empty = word == 0;
      word |= std::uint64_t{1} << (position % 64);
      if (!was_empty) return;
      position /= 64;
    }
  }

  std::uint32_t take_first_bit() noexcept {
    std::uint32_t position = 0;
    for (std::size_t l = count_; l-- > 0;)
      position = position * 64 + static_cast<std::uint32_t>(std::countr_zero(levels_[l][position]));
    std::uint32_t p = position;
    for (std::size_t l = 0; l < count_; ++l) {
      std::uint64_t& word = levels_[l][p / 64];
      word &= word - 1;  // the least bit
      if (word != 0) break;
      p /= 64;
    }
    return position;
  }

  static constexpr std::uint32_t nothing = ~std::uint32_t{0};
  static constexpr std::size_t max_levels = 6;  // of 2^32 positions
  std::uint64_t* levels_[max_levels] = {};
  std::size_t count_ = 0;
  std::uint32_t least_ = nothing;
};

}  // namespace aethergraph::detail
