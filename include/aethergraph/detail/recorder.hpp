// What a run remembers of its nodes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aethergraph/detail/declared_nodes.hpp"
#include "aethergraph/detail/frame_allocator.hpp"
#include "aethergraph/detail/owned.hpp"
#include "aethergraph/detail/sequence.hpp"
#include "aethergraph/detail/timer_queue.hpp"
#include "aethergraph/node_state.hpp"

namespace aethergraph::detail {

class loop;
class scope;
struct tool_info;

/// One node.
struct node_record {
  const tool_info* tool = nullptr;
  const scope* live = nullptr;  // what it runs in; null once it has ended
  std::exception_ptr cause;
  place where;
  std::int32_t attempts = 0;
  node_state state = node_state::waiting;
  node_kind kind = node_kind::call;
};
static_assert(sizeof(node_record) <= 56);

/// Adds a place, below what it stands within, to a path.
void append_place(std::string& path, const place& p);
/// How a journal calls a node of a static graph: what has a meaning in paths is written as in addresses of the web.
[[nodiscard]] std::string path_of_node(std::string_view id);

/// One join: a combinator, whose children come together in it.
struct join_record {
  place where;  // `after` it: what ended last before it, or (as_completed) while it was open
  bool has_ended = false;
  bool has_inner_steps = false;  // something was awaited while it was open, beside its children
};

/// Numbered records, the oldest of which can be dropped. They come in small blocks, which the allocator of coroutine
/// frames has at hand when runs come and go. The first block begins smaller still, and is replaced when it is full:
/// most runs are short.
// Invariant: blocks_[i] holds the records from base_ + i * block_size on; there is memory for capacity_ of them, and
//            the first min(size_, capacity_) are alive.
template <class Record>
class record_log {
 public:
  static constexpr std::size_t block_size = 16;

  explicit record_log(node_number first = 1) noexcept : base_(first) {}
  record_log(const record_log&) = delete;
  record_log& operator=(const record_log&) = delete;
  ~record_log();

  /// The number of a new record. When memory has run out there is none behind it.
  node_number add() noexcept {
    if (size_ == capacity_) [[unlikely]]
      add_memory();
    if (size_ < capacity_) [[likely]]
      ::new (static_cast<void*>(blocks_[size_ / block_size] + size_ % block_size)) Record;
    return base_ + size_++;
  }
  /// Null: it was dropped, or never had memory.
  [[nodiscard]] Record* at(node_number n) const noexcept {
    const node_number index = n - base_;  // of a dropped one it wraps round, and is too large
    if (index >= size_ || index >= capacity_) [[unlikely]]
      return nullptr;
    return blocks_[index / block_size] + index % block_size;
  }
  /// Numbers from first() to last() - 1 are held, or were lost for want of memory.
  [[nodiscard]] node_number first() const noexcept { return base_; }
  [[nodiscard]] node_number last() const noexcept { return base_ + size_; }
  /// Whether the next record needs more memory.
  [[nodiscard]] bool is_full() const noexcept { return size_ == capacity_; }
  [[nodiscard]] std::size_t blocks() const noexcept { return (capacity_ + block_size - 1) / block_size; }
  /// Only of full blocks.
  void drop_blocks(std::size_t count) noexcept;

 private:
  static constexpr std::size_t first_size = 4;

  /// How many records the memory of a block is for.
  [[nodiscard]] std::size_t size_of_block(std::size_t b) const noexcept {
    return b == 0 && capacity_ < block_size ? capacity_ : block_size;
  }
  void free_block(std::size_t b) noexcept;
  void add_memory() noexcept;

  Record* first_block_ = nullptr;
  Record** blocks_ = &first_block_;
  std::size_t table_size_ = 1;
  node_number base_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

template <class Record>
record_log<Record>::~record_log() {
  for (std::size_t b = 0; b < blocks(); ++b) free_block(b);
  if (blocks_ != &first_block_) delete[] blocks_;
}

template <class Record>
void record_log<Record>::drop_blocks(std::size_t count) noexcept {
  for (std::size_t b = 0; b < count; ++b) free_block(b);
  std::move(blocks_ + count, blocks_ + blocks(), blocks_);
  base_ += count * block_size;
  size_ -= count * block_size;
  capacity_ -= count * block_size;
}

template <class Record>
void record_log<Record>::free_block(std::size_t b) noexcept {
  const std::size_t alive = std::min(size_, capacity_) - b * block_size;
  std::destroy_n(blocks_[b], std::min(alive, block_size));
  free_frame(blocks_[b], size_of_block(b) * sizeof(Record));
}

template <class Record>
void record_log<Record>::add_memory() noexcept {
  try {
    const std::size_t b = capacity_ / block_size;
    if (b == table_size_) {
      Record** const larger = new Record*[2 * table_size_];
      std::copy_n(blocks_, table_size_, larger);
      if (blocks_ != &first_block_) delete[] blocks_;
      blocks_ = larger;
      table_size_ *= 2;
    }
    const std::size_t size = capacity_ == 0 ? first_size : block_size;
    auto* const memory = static_cast<Record*>(allocate_frame(size * sizeof(Record)));
    if (capacity_ == first_size) {
      std::uninitialized_move_n(blocks_[0], first_size, memory);
      free_block(0);
      capacity_ = 0;
    }
    blocks_[b] = memory;
    capacity_ += size;
  } catch (const std::bad_alloc&) {
    // what is added from here on has no memory
  }
}

// What stands outside of the class is made in recorder.cpp.
extern template class record_log<node_record>;
extern template class record_log<join_record>;

/// What a node's time is noted of.
enum class moment : std::uint8_t { made, started, ended };

struct recorded_times;
struct recording;

/// The nodes of a root run and of all that nest in it. Used on the run's strand.
///
/// It is bounded for runs that live for ever: beyond `kept_nodes` ended ones the oldest are folded into counts; failed
/// ones are kept longer, up to `kept_failures` of them. Static graphs that have ended are folded whole, the last one
/// never.
// Invariant: ended_ counts the ended records of nodes_, at most kept_nodes between two steps; those of older_ are older
//            than nodes_.first().
class recorder {
 public:
  static constexpr std::size_t kept_nodes = 100'000;
  static constexpr std::size_t kept_failures = 10'000;
  static constexpr std::size_t kept_joins = 100'000;

  /// The numbers from 1 to `reserved` are left to the nodes of a static graph. Errors: `std::bad_alloc`.
  recorder(bool with_times, const loop& l, node_number reserved);
  recorder(const recorder&) = delete;
  recorder& operator=(const recorder&) = delete;
  ~recorder();

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* p, std::size_t size) noexcept { free_frame(p, size); }

  /// A node was made, the next in this sequence. `live` until it has ended.
  node_number note_made(const tool_info& tool, node_kind kind, sequence& s, const scope& live) noexcept {
    const node_number n = nodes_.add();
    if (node_record* r = nodes_.at(n)) [[likely]] {
      r->tool = &tool;
      r->live = &live;
      r->where = s.next();
      r->kind = kind;
    }
    return n;
  }
  void note_started(node_number n) noexcept {
    node_record* r = find(n);
    if (!r) return;
    r->state = node_state::running;
    ++r->attempts;
  }
  /// `cause` is null of one that is done. The state that it ended in.
  node_state note_ended(node_number n, const std::exception_ptr& cause, sequence& s) noexcept {
    s.leave(n);
    node_record* r = find(n);
    if (!r) return cause ? node_state::failed : node_state::done;
    const node_state state = cause ? state_after(*r, cause) : node_state::done;
    r->state = state;
    r->live = nullptr;
    if (cause) r->cause = cause;
    if (n < nodes_.first()) [[unlikely]]
      fold_old(n);
    else if (++ended_ > kept_nodes) [[unlikely]] fold_nodes();
    return state;
  }

  /// Errors: `std::bad_alloc`.
  void note_attempt_failed(node_number n, const std::exception_ptr& cause);

  node_number note_join_opened(sequence& s) noexcept;
  void note_join_closed(node_number n, sequence& s) noexcept;

  [[nodiscard]] bool has_times() const noexcept { return times_.get() != nullptr; }
  // --- only if it has times
  /// A node was made just now, has started, or ends.
  void note_time(node_number n, moment what, time_point at) noexcept;
  /// A call waits for something from here on, or an attempt of it begins.
  void note_phase(node_number n, node_phase what, time_point at) noexcept;
  /// A run has begun that has so many slots; `run` is its node.
  void note_slots(node_number run, std::size_t slots) noexcept;
  /// The root run has ended.
  void note_run_ended(time_point at) noexcept;

  /// A run of a static graph begins, that of this node; its number. Until its end it is asked for its states.
  /// Errors: `std::bad_alloc`.
  [[nodiscard]] std::uint32_t add_declared(const declared_nodes& d, node_number run);
  void end_declared(std::uint32_t graph, declared_states&& states) noexcept;

  [[nodiscard]] recording copy() const;

  /// Calls `fn(number, record)` for each node that has not ended, in the order in which they were made; of static
  /// graphs, for those that have started.
  template <class Fn>
  void for_each_live(Fn fn) const {
    for (const auto& [n, r] : declared_or_old_in_flight()) fn(n, r);
    for (node_number n = nodes_.first(); n < nodes_.last(); ++n)
      if (const node_record* r = nodes_.at(n); r && r->live) fn(n, *r);
  }
  /// The path of a node. What it stands in may have been folded: that part is then "…".
  [[nodiscard]] std::string path(node_number n) const;
  /// The same as a journal knows it: with the names of a graph's nodes in place of their positions, and the attempts of
  /// calls whose bodies ran before. Of a node or join, or of what is awaited at a place.
  [[nodiscard]] std::string replay_path(node_number n) const;
  /// How many attempts of a call have failed; 0 also of what is known no longer.
  [[nodiscard]] std::size_t failed_attempts(node_number n) const noexcept;
  [[nodiscard]] std::string replay_path(const place& p) const;

 private:
  struct known_graph {
    node_number run;
    const plan* graph;
    const declared_nodes* live;  // null: it has ended
  };
  static constexpr std::uint32_t root_graph = 1;  // the number of the graph that the root run is a run of

  /// Empty: it was folded.
  [[nodiscard]] std::optional<known_graph> find_graph(std::uint32_t number) const noexcept;

  /// What only long or troubled runs have.
  struct older_records;
  /// Errors: `std::bad_alloc`.
  [[nodiscard]] older_records& have_older();
  [[nodiscard]] const older_records& older() const noexcept;

  [[nodiscard]] std::vector<std::pair<node_number, node_record>> declared_or_old_in_flight() const;
  [[nodiscard]] std::optional<place> place_of(node_number n) const noexcept;
  [[nodiscard]] node_record* find(node_number n) noexcept {
    if (node_record* r = nodes_.at(n)) [[likely]]
      return r;
    return find_old(n);
  }
  [[nodiscard]] node_record* find_old(node_number n) noexcept;
  void begin_times(const loop& l);
  void drop_times(node_number first, node_number last) noexcept;
  [[nodiscard]] static node_state state_after(const node_record& r, const std::exception_ptr& cause) noexcept;
  void fold_nodes() noexcept;
  void fold_joins() noexcept;
  void fold_old(node_number n) noexcept;
  void limit_failures() noexcept;

  record_log<node_record> nodes_;
  record_log<join_record> joins_;
  std::size_t ended_ = 0;
  time_point start_{};
  static void delete_older(older_records* o) noexcept;
  owned<older_records, delete_older> older_;
  static void delete_times(recorded_times* t) noexcept;
  owned<recorded_times, delete_times> times_;  // null: they are not noted
  // That of the root run, while it is live, stands by itself: runs of small graphs are made by the million.
  const declared_nodes* live_root_ = nullptr;
  struct declared_runs;
  static void delete_declared(declared_runs* d) noexcept;
  [[nodiscard]] declared_runs& have_declared();
  owned<declared_runs, delete_declared> declared_;  // made with the first
  std::uint32_t next_declared_ = root_graph + 1;
  std::size_t ended_declared_ = 0;  // the nodes of those that have ended
};

}  // namespace aethergraph::detail
