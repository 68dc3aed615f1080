#include "aethergraph/detail/run_strand.hpp"

#include <boost/asio/execution.hpp>
#include <exception>

namespace aethergraph::detail {

namespace execution = boost::asio::execution;

namespace {
/// Stands for: somebody has the turn, or is on the way to it, and nobody waits for the next one.
constinit strand_item no_more{};
}  // namespace

// --- marks

constinit thread_local run_strand::mark* run_strand::mark::innermost = nullptr;

run_strand::mark::mark(const run_strand& s, doing d) noexcept : strand(s), what(d), outer(innermost) {
  innermost = this;
}

run_strand::mark::~mark() { innermost = outer; }

run_strand::mark* run_strand::mark::find(const run_strand& s, doing d) noexcept {
  mark* m = innermost;
  while (m && (&m->strand != &s || m->what != d)) m = m->outer;
  return m;
}

bool run_strand::is_here() const noexcept { return mark::find(*this, mark::doing::its_turn) != nullptr; }

// --- turns

/// What the executor is given. If it goes without having been called, all that waits goes with it.
class run_strand::turn {
 public:
  explicit turn(run_strand& s) noexcept : strand_(&s) { s.add_reference(); }
  turn(turn&& o) noexcept : strand_(std::exchange(o.strand_, nullptr)) {}
  turn& operator=(turn&&) = delete;
  ~turn() {
    if (!strand_) return;
    if (mark* const asking = mark::find(*strand_, mark::doing::asking_for_turn)) asking->was_dropped = true;
    else strand_->drop_waiting();
    strand_->drop_reference();
  }

  void operator()() {
    run_strand& s = *std::exchange(strand_, nullptr);
    if (mark* const asking = mark::find(s, mark::doing::asking_for_turn)) asking->was_taken = true;
    const turn_here here(s);
    s.run_waiting();
  }

 private:
  run_strand* strand_;
};

run_strand::~run_strand() { drop_ready(); }  // what was refused a turn

run_strand::run_strand(boost::asio::any_io_executor inner)
    : inner_(std::move(inner)), inner_io_(inner_.target<boost::asio::io_context::executor_type>()) {
  if (inner_io_ && boost::asio::query(*inner_io_, execution::blocking) == execution::blocking.never)
    inner_io_ = nullptr;  // so nothing may be called right here
}

void run_strand::ask_for_turn(bool never_blocks, bool& was_taken) {
  mark asking(*this, mark::doing::asking_for_turn);
  try {
    if (inner_io_) boost::asio::require(*inner_io_, execution::blocking.never).execute(turn(*this));
    else if (never_blocks) boost::asio::require(inner_, execution::blocking.never).execute(turn(*this));
    else inner_.execute(turn(*this));
  } catch (...) {
    was_taken = asking.was_taken;
    throw;
  }
  if (asking.was_dropped) {  // without a word, by an executor whose context is going
    add_reference();
    drop_waiting();
    drop_reference();
  }
}

bool run_strand::enter_here() noexcept {
  if (!inner_io_ || !inner_io_->running_in_this_thread()) return false;
  strand_item* latest = nullptr;
  // acquire: pairs with leave
  if (!waiting_.compare_exchange_strong(latest, &no_more, std::memory_order_acquire, std::memory_order_relaxed))
    return false;
  if (!ready_) return true;
  add_reference();
  const turn_here leftovers(*this);  // what was refused a turn comes first
  return false;
}

void run_strand::end_turn() noexcept {
  while (!leave()) {
    bool was_taken = false;
    try {
      return ask_for_turn(true, was_taken);
    } catch (...) {
      if (was_taken) std::terminate();  // by an executor that blocks though it must not: what it ran has thrown
      run_waiting();                    // for want of memory, or of an executor, in this turn
    }
  }
}

bool run_strand::leave() noexcept {
  if (ready_) return false;
  strand_item* latest = &no_more;
  // release: who enters next sees what was done here
  return waiting_.compare_exchange_strong(latest, nullptr, std::memory_order_release, std::memory_order_relaxed);
}

// --- what waits

void run_strand::add(strand_item& i, bool never_blocks) {
  strand_item* latest = waiting_.load(std::memory_order_relaxed);
  do i.next = latest;
  while (!waiting_.compare_exchange_weak(latest, &i, std::memory_order_acq_rel, std::memory_order_relaxed));
  if (latest) return;
  bool was_taken = false;
  try {
    ask_for_turn(never_blocks, was_taken);
  } catch (...) {
    if (!was_taken) take_back(i);
    throw;
  }
}

void run_strand::take_back(strand_item& i) noexcept {
  take_waiting();
  strand_item** link = &ready_;
  while (*link != &i) link = &(*link)->next;
  *link = i.next;
  i.drop(i);
  if (ready_) {  // others have come meanwhile, and were not refused
    bool was_taken = false;
    try {
      return ask_for_turn(true, was_taken);
    } catch (...) {
      if (was_taken) return;
      // They stay, until somebody else asks for a turn.
    }
  }
  strand_item* latest = &no_more;
  while (!waiting_.compare_exchange_strong(latest, nullptr, std::memory_order_release, std::memory_order_relaxed)) {
    take_waiting();
    latest = &no_more;
  }
}

void run_strand::take_waiting() noexcept {
  strand_item* latest = waiting_.exchange(&no_more, std::memory_order_acquire);
  strand_item* in_order = nullptr;
  while (latest && latest != &no_more) {
    strand_item* const earlier = latest->next;
    latest->next = in_order;
    in_order = latest;
    latest = earlier;
  }
  strand_item** end = &ready_;
  while (*end) end = &(*end)->next;
  *end = in_order;
}

strand_item& run_strand::pop_ready() noexcept {
  strand_item& i = *ready_;
  ready_ = i.next;
  return i;
}

void run_strand::run_waiting() {
  take_waiting();
  while (ready_) {
    strand_item& i = pop_ready();
    i.run(i);
  }
}

void run_strand::drop_waiting() noexcept {
  do {
    take_waiting();
    drop_ready();
  } while (!leave());
}

void run_strand::drop_ready() noexcept {
  while (ready_) {
    strand_item& i = pop_ready();
    i.drop(i);
  }
}

}  // namespace aethergraph::detail
