// A set of positions that gives its least one first.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace aethergraph::detail {

/// The word that its least position is in stands by itself, so that most operations touch no memory; each other word
/// has a bit above it if it is not zero, and so on up to one word. Each operation touches one word a level at most:
/// four of them for 16 million positions. The words are its owner's.
// Invariant: bits_ is 0 exactly if the set is empty; words of level 0 up to word_ are zero in memory;
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

  [[nodiscard]] bool empty() const noexcept { return bits_ == 0; }

  /// The least position. The set must not be empty.
  [[nodiscard]] std::uint32_t first() const noexcept {
    return word_ * 64 + static_cast<std::uint32_t>(std::countr_zero(bits_));
  }

  void insert(std::uint32_t position) noexcept {
    const std::uint32_t word = position / 64;
    const std::uint64_t bit = std::uint64_t{1} << (position % 64);
    if (word == word_) {
      bits_ |= bit;
    } else if (bits_ == 0 || word < word_) {
      if (bits_ != 0) put(word_, bits_);
      word_ = word;
      bits_ = bit;
    } else {
      put(word, bit);
    }
  }

  /// The least position, which is in the set no longer. The set must not be empty.
  std::uint32_t take_first() noexcept {
    const std::uint32_t position = first();
    drop_first();
    return position;
  }
  void drop_first() noexcept {
    bits_ &= bits_ - 1;  // the least bit
    if (bits_ == 0 && *levels_[count_ - 1] != 0) take_first_word();
  }

 private:
  [[gnu::noinline]] void put(std::uint32_t word, std::uint64_t bits) noexcept {
    for (std::size_t l = 0;; ++l) {
      const bool was_empty = levels_[l][word] == 0;
      levels_[l][word] |= bits;
      if (!was_empty || l + 1 == count_) return;
      bits = std::uint64_t{1} << (word % 64);
      word /= 64;
    }
  }

  [[gnu::noinline]] void take_first_word() noexcept {
    std::uint32_t word = 0;
    for (std::size_t l = count_; l-- > 1;)
      word = word * 64 + static_cast<std::uint32_t>(std::countr_zero(levels_[l][word]));
    word_ = word;
    bits_ = std::exchange(levels_[0][word], 0);
    for (std::size_t l = 1; l < count_; ++l) {
      word /= 64;
      levels_[l][word] &= levels_[l][word] - 1;
      if (levels_[l][word] != 0) return;
    }
  }

  static constexpr std::size_t max_levels = 6;  // of 2^32 positions
  std::uint64_t* levels_[max_levels] = {};
  std::size_t count_ = 0;
  std::uint32_t word_ = 0;
  std::uint64_t bits_ = 0;
};

}  // namespace aethergraph::detail
