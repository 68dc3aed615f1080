// map: a call for each element of a range that is known only when the graph runs.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include "aethergraph/call.hpp"
#include "aethergraph/detail/records.hpp"
#include "aethergraph/graph_fn.hpp"
#include "aethergraph/node.hpp"
#include "aethergraph/tool.hpp"

namespace aethergraph {

namespace detail {

/// Where the results of a map's calls stand until all have come.
template <class T, bool IsDefault = std::default_initializable<T> && std::is_move_assignable_v<T>>
class map_results {
 public:
  explicit map_results(std::size_t n) : all_(n) {}
  void set(std::size_t i, T&& value) { all_[i] = std::move(value); }
  std::vector<T> take() { return std::move(all_); }

 private:
  std::vector<T> all_;
};
template <class T>
class map_results<T, false> {
 public:
  explicit map_results(std::size_t n) : all_(n) {}
  void set(std::size_t i, T&& value) { all_[i].emplace(std::move(value)); }
  std::vector<T> take() {
    std::vector<T> values;
    values.reserve(all_.size());
    for (auto& v : all_) values.push_back(std::move(*v));
    return values;
  }

 private:
  std::vector<std::optional<T>> all_;
};
template <>
class map_results<std::monostate, true> {
 public:
  explicit map_results(std::size_t) {}
  void set(std::size_t, std::monostate&&) {}
  std::monostate take() { return {}; }
};

template <class Callable, class Range>
using mapped_call_t =
    std::remove_cvref_t<decltype(std::declval<const Callable&>()(std::declval<std::ranges::range_value_t<Range>>()))>;

/// What a map keeps while it runs: as many calls at a time as the run has slots.
// Invariant: in_flight_ counts the elements that have started and not ended; those before next_ have started.
template <class Callable, class Range>
class map_frame final : public in_flight {
  using call_type = mapped_call_t<Callable, Range>;
  using R = typename call_type::value_type;

  struct element : receiver {
    element(map_frame& o, std::size_t i, call_type&& c) : owner(o), index(i), awaited(std::move(c)) {
      on_done = [](receiver& r) noexcept {
        auto& self = static_cast<element&>(r);
        map_frame& m = self.owner;
        m.element_ended(self);
        m.advance();
      };
    }
    map_frame& owner;
    const std::size_t index;
    element* previous = nullptr;
    element* next = nullptr;
    call_type awaited;
    operation<call_type> op{awaited};
  };

 public:
  map_frame(graph_executor& ex, std::uint32_t e, const Callable& callable, Range& range, bool may_move)
      : in_flight(ex, e),
        callable_(callable),
        at_(std::ranges::begin(range)),
        count_(static_cast<std::size_t>(std::ranges::distance(range))),
        may_move_(may_move),
        results_(count_) {
    steps_.within = ex.number_of(e);
    steps_.next_position = no_index;
  }
  ~map_frame() {
    while (first_) drop(*first_);  // only if the run is torn down
  }

  void begin() noexcept {
    surroundings_ = executor.surroundings();
    surroundings_.steps = surroundings_.steps ? &steps_ : nullptr;
    window_ = std::max<std::size_t>(1, std::min(count_, executor.run().slots.capacity()));
    is_starting_ = true;
    advance();
    is_starting_ = false;
  }
  [[nodiscard]] bool has_ended() const noexcept {
    return in_flight_ == 0 && !is_scheduled_ && (next_ == count_ || must_stop());
  }
  /// Gives the values or the failure.
  void end() noexcept {
    graph_executor& ex = executor;
    const std::uint32_t e = entry;
    std::exception_ptr failure = failure_;
    if (!failure && next_ < count_) failure = ex.surroundings().stop_error();
    if (!failure) {
      try {
        ::new (ex.slot(e)) auto(results_.take());
      } catch (...) {
        failure = std::current_exception();
      }
    }
    ex.node_ends(e, failure);
    ex.drop_frame(*this);
    ex.entry_ended(e);
  }

 private:
  [[nodiscard]] bool must_stop() const noexcept {
    return executor.is_stopped() || (failure_ && executor.stops_on_failure());
  }
  // No recursion: what ends at once is seen by the loop here, what ends later calls this anew.
  void advance() noexcept {
    if (is_advancing_ || is_scheduled_) return;
    is_advancing_ = true;
    loop& l = executor.home();
    while (next_ < count_ && in_flight_ < window_ && !must_stop()) {
      if (l.is_look_due()) {
        is_scheduled_ = true;
        resume_.owner = this;
        l.make_ready(resume_, [](ready_item& i) noexcept {
          map_frame& m = *static_cast<resumption&>(i).owner;
          m.is_scheduled_ = false;
          m.advance();
        });
        break;
      }
      start_next();
    }
    is_advancing_ = false;
    if (is_starting_ || !has_ended()) return;
    graph_executor& ex = executor;
    end();
    ex.wake();
  }
  void start_next() noexcept {
    const std::size_t index = next_++;
    element* e = nullptr;
    try {
      void* const memory = allocate_frame(sizeof(element));
      try {
        e = ::new (memory) element(*this, index, make_call());
      } catch (...) {
        free_frame(memory, sizeof(element));
        throw;
      }
    } catch (...) {
      note_failure(index, std::current_exception());
      return;
    }
    e->next = first_;
    if (first_) first_->previous = e;
    first_ = e;
    ++in_flight_;
    steps_.child = static_cast<std::uint32_t>(index);
    if (detail::begin(e->op, surroundings_, *e)) element_ended(*e);
  }
  call_type make_call() {
    if constexpr (std::is_lvalue_reference_v<std::iter_reference_t<iterator>> &&
                  is_copyable<std::ranges::range_value_t<Range>>) {
      auto& value = *at_;
      ++at_;
      return may_move_ ? callable_(std::move(value)) : callable_(std::as_const(value));
    } else if constexpr (std::is_lvalue_reference_v<std::iter_reference_t<iterator>>) {
      auto& value = *at_;
      ++at_;
      return callable_(std::move(value));
    } else {
      auto value = *at_;
      ++at_;
      return callable_(std::move(value));
    }
  }
  void element_ended(element& e) noexcept {
    --in_flight_;
    if (e.op.error()) {
      note_failure(e.index, e.op.error());
    } else {
      try {
        if constexpr (std::is_void_v<R>) e.op.take();
        else if constexpr (std::is_reference_v<R>) results_.set(e.index, std::ref(e.op.take()));
        else results_.set(e.index, e.op.take());
      } catch (...) {
        note_failure(e.index, std::current_exception());
      }
    }
    drop(e);
  }
  void note_failure(std::size_t index, const std::exception_ptr& cause) noexcept {
    const bool is_first = !failure_ || (executor.is_stopped() && is_cancellation(failure_));
    if (is_first) failure_ = cause;
    executor.note_element_failure(entry, index, cause);
    if (executor.stops_on_failure() && !executor.is_stopped())
      executor.surroundings().cancel(cancelled_because(stop_reason::sibling_failed));
  }
  void drop(element& e) noexcept {
    (e.previous ? e.previous->next : first_) = e.next;
    if (e.next) e.next->previous = e.previous;
    e.~element();
    free_frame(&e, sizeof(element));
  }

  using iterator = std::ranges::iterator_t<Range>;
  struct resumption : ready_item {
    map_frame* owner = nullptr;
  };

  const Callable& callable_;
  iterator at_;
  const std::size_t count_;
  const bool may_move_;
  map_results<regular<R>> results_;
  environment surroundings_;
  sequence steps_;
  resumption resume_;
  element* first_ = nullptr;
  std::size_t window_ = 1;
  std::size_t next_ = 0;
  std::size_t in_flight_ = 0;
  std::exception_ptr failure_;
  bool is_advancing_ = false;
  bool is_scheduled_ = false;
  bool is_starting_ = false;
};

template <class Callable, class Range>
struct map_record {
  using R = typename mapped_call_t<Callable, Range>::value_type;
  using value_type = std::conditional_t<std::is_void_v<R>, std::monostate, std::vector<regular<R>>>;

  static const entry_ops ops;
  Callable callable;
  kept_value<Range> range;

  void visit(ref_visitor& v) const { visit_argument(range, v, 0); }
  map_record translated(const translation& t) const { return {callable, range.translated(t)}; }
  void start(graph_executor& ex, std::uint32_t e) const noexcept {
    ex.node_starts(e);
    map_frame<Callable, Range>* frame = nullptr;
    try {
      // The range stays where it is, held by this reader; its elements are moved out if nobody else reads it.
      frame = &ex.add_frame<map_frame<Callable, Range>>(
          e, callable, *static_cast<Range*>(ex.address(range.ref)), !is_bytes<Range> && ex.is_last_read(range.ref));
    } catch (...) {
      ex.node_ends(e, std::current_exception());
      ex.entry_ended(e);
      return;
    }
    frame->begin();
    if (frame->has_ended()) frame->end();
  }
};
template <class Callable, class Range>
constexpr entry_ops map_record<Callable, Range>::ops = with_record<map_record<Callable, Range>>(
    ops_of_value<typename map_record<Callable, Range>::value_type>(entry_kind::map));

template <class Callable, class Range>
concept mappable = requires { requires awaitable<mapped_call_t<Callable, Range>>; };

template <class Callable, class N>
auto record_map(const Callable& callable, const tool_info& tool, const N& range) {
  using whole = std::remove_cvref_t<typename N::value_type>;
  if constexpr (!std::ranges::forward_range<whole>) {
    static_assert(
        std::ranges::forward_range<whole>, "aethergraph: ag::map needs a node of a range, such as a std::vector");
    return after_an_error();
  } else if constexpr (!mappable<Callable, whole>) {
    static_assert(mappable<Callable, whole>,
        "aethergraph: the elements of the range do not convert to the parameter of the mapped tool");
    return after_an_error();
  } else {
    using record = map_record<Callable, whole>;
    using R = typename record::R;
    using result = std::conditional_t<std::is_void_v<R>, void, std::vector<regular<R>>>;
    trace* const t = trace::current();
    if (!t) refuse_outside_of_tracing("ag::map");
    if (!tool.problem.empty()) throw option_error(tool.problem);
    return node<result>(t->value(t->add(&tool, record{callable, {traced_ref(range)}})));
  }
}

}  // namespace detail

/// A call of a tool for each element of a range that is known only when the graph runs; the results as a vector, in the
/// order of the range.
///
/// Parameters: a tool (or an agent) of one parameter; a node of a forward range.
/// Slot: each call takes one, the map itself none. Only as many calls as the run has slots exist at a time.
/// Errors: the first failure of a call is that of the map; with `on_error::skip_dependents` the others go on. Each is
/// named by its position: "work#2[17]".
template <class Signature, class F, detail::traced N>
auto map(const tool<Signature, F>& mapped, const N& range) {
  return detail::record_map(mapped, detail::tool_info_of(mapped), range);
}
template <class F, detail::traced N>
auto map(const graph_fn<F>& mapped, const N& range) {
  return detail::record_map(mapped, tool_info_of(mapped), range);
}

}  // namespace aethergraph
