// What a run remembers of its nodes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "aethergraph/detail/frame_allocator.hpp"
#include "aethergraph/detail/sequence.hpp"
#include "aethergraph/detail/timer_queue.hpp"
#include "aethergraph/node_state.hpp"

namespace aethergraph::detail {

class loop;
class scope;
struct tool_info;

/// Of what has not happened, or was not recorded. A simulation's clock starts at 0.
inline constexpr time_point no_time = time_point::min();

/// One node.
struct node_record {
  const tool_info* tool = nullptr;
  const scope* live = nullptr;  // what it runs in; null once it has ended
  std::exception_ptr cause;
  place where;
  time_point start = no_time;
  time_point end = no_time;
  std::int32_t attempts = 0;
  node_state state = node_state::waiting;
  node_kind kind = node_kind::call;
};
static_assert(sizeof(node_record) <= 80);

/// Adds a place, below what it stands within, to a path.
void append_place(std::string& path, const place& p);

/// One join: a combinator, whose children come together in it.
struct join_record {
  place where;
  bool has_ended = false;
};

/// Numbered records, the oldest of which can be dropped. They come in small blocks, which the allocator of coroutine
/// frames has at hand when runs come and go.
// Invariant: blocks_[i] holds the records from base_ + i * block_size on.
template <class Record>
class record_log {
 public:
  static constexpr std::size_t block_size = 16;

  /// The number of a new record. When memory has run out there is none behind it.
  node_number add() noexcept {
    if (size_ % block_size == 0) [[unlikely]]
      add_block();
    return base_ + size_++;
  }
  /// Null: it was dropped, or never had memory.
  [[nodiscard]] Record* at(node_number n) const noexcept {
    const node_number index = n - base_;  // of a dropped one it wraps round, and is too large
    if (index / block_size >= blocks_.size()) [[unlikely]]
      return nullptr;
    return &blocks_[index / block_size]->records[index % block_size];
  }
  /// Numbers from first() to last() - 1 are held, or were lost for want of memory.
  [[nodiscard]] node_number first() const noexcept { return base_; }
  [[nodiscard]] node_number last() const noexcept { return base_ + size_; }
  /// Whether the next record needs another block.
  [[nodiscard]] bool is_block_full() const noexcept { return size_ % block_size == 0; }
  [[nodiscard]] std::size_t blocks() const noexcept { return blocks_.size(); }
  void drop_blocks(std::size_t count) noexcept {
    blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(count));
    base_ += count * block_size;
    size_ -= count * block_size;
  }

 private:
  struct block {
    std::array<Record, block_size> records;
    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* p, std::size_t size) noexcept { free_frame(p, size); }
  };

  void add_block() noexcept {
    if (is_full_) return;
    try {
      blocks_.push_back(std::make_unique<block>());
    } catch (const std::bad_alloc&) {
      is_full_ = true;
    }
  }

  std::vector<std::unique_ptr<block>> blocks_;
  node_number base_ = 1;
  std::size_t size_ = 0;
  bool is_full_ = false;
};

/// How many nodes of each end are no longer held one by one.
struct ended_counts {
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t skipped = 0;

  void add(node_state s) noexcept {
    ++(s == node_state::done         ? done
        : s == node_state::failed    ? failed
        : s == node_state::cancelled ? cancelled
                                     : skipped);
  }
};

/// A copy of what a recorder holds, at one moment.
struct recording {
  struct node {
    node_number number;
    node_record record;
  };
  struct join {
    node_number number;
    join_record record;
  };
  std::vector<node> nodes;  // by number
  std::vector<join> joins;  // likewise
  ended_counts folded;
  time_point start{};  // of the run, when times are recorded
};

/// The nodes of a root run and of all that nest in it. Used on the run's strand.
///
/// It is bounded for runs that live for ever: beyond `kept_nodes` ended ones the oldest are folded into counts; failed
/// ones are kept longer, up to `kept_failures` of them.
// Invariant: ended_ counts the ended records of nodes_; the maps hold records older than nodes_.first(): old_live_
// those
//            that have not ended, old_failed_ those that have failed.
class recorder {
 public:
  static constexpr std::size_t kept_nodes = 100'000;
  static constexpr std::size_t kept_failures = 10'000;
  static constexpr std::size_t kept_joins = 100'000;

  recorder(bool with_times, const loop& l) noexcept;
  recorder(const recorder&) = delete;
  recorder& operator=(const recorder&) = delete;
  ~recorder() = default;

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* p, std::size_t size) noexcept { free_frame(p, size); }

  /// A node was made, the next in this sequence. `live` until it has ended.
  node_number note_made(const tool_info& tool, node_kind kind, sequence& s, const scope& live) noexcept {
    if (nodes_.is_block_full() && ended_ > kept_nodes) [[unlikely]]
      fold_nodes();
    const node_number n = nodes_.add();
    if (node_record* r = nodes_.at(n)) [[likely]] {
      r->tool = &tool;
      r->live = &live;
      r->where = s.next();
      r->kind = kind;
    }
    return n;
  }
  void note_started(node_number n, const loop& l) noexcept {
    node_record* r = find(n);
    if (!r) return;
    r->state = node_state::running;
    ++r->attempts;
    if (with_times_) note_time(r->start, l);
  }
  /// `cause` is null of one that is done. The state that it ended in.
  node_state note_ended(node_number n, const std::exception_ptr& cause, sequence& s, const loop& l) noexcept {
    s.leave(n);
    node_record* r = find(n);
    if (!r) return cause ? node_state::failed : node_state::done;
    if (with_times_) note_time(r->end, l);
    const node_state state = cause ? state_after(*r, cause) : node_state::done;
    r->state = state;
    r->live = nullptr;
    if (cause) r->cause = cause;
    if (n >= nodes_.first()) [[likely]]
      ++ended_;
    else fold_old(n);
    return state;
  }

  node_number note_join_opened(sequence& s) noexcept;
  void note_join_closed(node_number n, sequence& s) noexcept;

  [[nodiscard]] recording copy() const;

  /// Calls `fn(number, record)` for each node that has not ended, in the order in which they were made.
  template <class Fn>
  void for_each_live(Fn fn) const {
    for (const auto& [n, r] : old_live_) fn(n, r);
    for (node_number n = nodes_.first(); n < nodes_.last(); ++n)
      if (const node_record* r = nodes_.at(n); r && r->live) fn(n, *r);
  }
  /// The path of a node. What it stands in may have been folded: that part is then "…".
  [[nodiscard]] std::string path(node_number n) const;

 private:
  [[nodiscard]] const place* place_of(node_number n) const noexcept;
  [[nodiscard]] node_record* find(node_number n) noexcept {
    if (node_record* r = nodes_.at(n)) [[likely]]
      return r;
    return find_old(n);
  }
  [[nodiscard]] node_record* find_old(node_number n) noexcept;
  [[nodiscard]] static node_state state_after(const node_record& r, const std::exception_ptr& cause) noexcept;
  static void note_time(time_point& t, const loop& l) noexcept;
  void fold_nodes() noexcept;
  void fold_joins() noexcept;
  void fold_old(node_number n) noexcept;
  void keep_failure(node_number n, const node_record& r);

  record_log<node_record> nodes_;
  record_log<join_record> joins_;
  std::size_t ended_ = 0;
  const bool with_times_;
  time_point start_{};
  ended_counts folded_;
  std::map<node_number, node_record> old_live_;
  std::map<node_number, node_record> old_failed_;
  std::map<node_number, join_record> old_joins_;
};

}  // namespace aethergraph::detail
