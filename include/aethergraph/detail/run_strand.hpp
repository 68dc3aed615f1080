// The strand of a run on somebody's executor.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/frame_allocator.hpp"

namespace aethergraph::detail {

/// What waits for its turn on a strand. It owns itself: one of the two is called, once.
struct strand_item {
  strand_item* next = nullptr;
  void (*run)(strand_item&) = nullptr;
  void (*drop)(strand_item&) noexcept = nullptr;
};

/// Calls functions by way of an executor: never two at a time, and in the order in which they came. Kept by those who
/// refer to it, and while anything waits. Any thread.
// As boost::asio::strand, which is several objects behind several pointers, and allocates and locks for each function:
// a server may have 100,000 runs with a strand each, most of which nobody else ever comes to at the same time.
// Invariant: waiting_ is null while nobody has the turn or is on the way to it; else the latest of those that wait
//            for the next one, or `no_more` if nobody does. ready_ belongs to whoever has the turn.
class run_strand {
 public:
  explicit run_strand(boost::asio::any_io_executor inner);
  run_strand(const run_strand&) = delete;
  run_strand& operator=(const run_strand&) = delete;

  [[nodiscard]] const boost::asio::any_io_executor& inner() const noexcept { return inner_; }
  /// Whether the calling thread has the turn.
  [[nodiscard]] bool is_here() const noexcept;

  /// Later, never inside this call. Errors: `std::bad_alloc`, or what the executor throws; then nothing has happened.
  template <class F>
  void post(F&& f) {
    add(function<std::decay_t<F>>::make(std::forward<F>(f)), true);
  }
  /// The same, or right here, if that may be.
  template <class F>
  void dispatch(F&& f) {
    if (is_here()) {
      std::decay_t<F> here(std::forward<F>(f));
      here();
    } else if (enter_here()) {
      add_reference();
      const turn_here my_turn(*this);
      std::decay_t<F> here(std::forward<F>(f));
      inner_io_->execute([&here] { here(); });  // what it throws comes out of the context's `run`, not of this
    } else {
      add(function<std::decay_t<F>>::make(std::forward<F>(f)), false);
    }
  }

  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference() noexcept {
    // acq_rel: pairs with itself, so that the last one out sees all that the others did
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  template <class F>
  struct function : strand_item {
    F f;

    template <class G>
    explicit function(G&& g) : f(std::forward<G>(g)) {
      run = [](strand_item& i) {
        auto& self = static_cast<function&>(i);
        F here(std::move(self.f));  // its memory may serve for what it does
        destroy(self);
        here();
      };
      drop = [](strand_item& i) noexcept { destroy(static_cast<function&>(i)); };
    }
    template <class G>
    static strand_item& make(G&& g) {
      static_assert(alignof(function) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
      void* const place = allocate_frame(sizeof(function));
      try {
        return *::new (place) function(std::forward<G>(g));
      } catch (...) {
        free_frame(place, sizeof(function));
        throw;
      }
    }
    static void destroy(function& self) noexcept {
      self.~function();
      free_frame(&self, sizeof(function));
    }
  };

  /// Says, while it stands on the stack, what this thread is about.
  struct mark {
    enum class doing { its_turn, asking_for_turn };

    const run_strand& strand;
    const doing what;
    // Of the turn that was asked for, right inside the question:
    bool was_taken = false;
    bool was_dropped = false;
    mark* const outer;

    mark(const run_strand& s, doing d) noexcept;
    mark(const mark&) = delete;
    mark& operator=(const mark&) = delete;
    ~mark();
    [[nodiscard]] static mark* find(const run_strand& s, doing d) noexcept;

   private:
    static constinit thread_local mark* innermost;
  };

  /// The turn is this thread's, and so is a reference, until it goes.
  class turn_here {
   public:
    explicit turn_here(run_strand& s) noexcept : strand_(s), mark_(s, mark::doing::its_turn) {}
    turn_here(const turn_here&) = delete;
    turn_here& operator=(const turn_here&) = delete;
    ~turn_here() {
      strand_.end_turn();
      strand_.drop_reference();
    }

   private:
    run_strand& strand_;
    mark mark_;
  };
  class turn;

  ~run_strand();

  /// True: the turn is the caller's.
  [[nodiscard]] bool enter_here() noexcept;
  void add(strand_item& i, bool never_blocks);
  void take_back(strand_item& i) noexcept;
  void ask_for_turn(bool never_blocks, bool& was_taken);
  void run_waiting();
  void end_turn() noexcept;
  void drop_waiting() noexcept;
  void drop_ready() noexcept;
  void take_waiting() noexcept;
  [[nodiscard]] strand_item& pop_ready() noexcept;
  [[nodiscard]] bool leave() noexcept;

  std::atomic<strand_item*> waiting_ = nullptr;
  strand_item* ready_ = nullptr;
  std::atomic<std::size_t> references_ = 1;
  const boost::asio::any_io_executor inner_;
  const boost::asio::io_context::executor_type* inner_io_;  // what inner_ is, if it is that
};

}  // namespace aethergraph::detail
