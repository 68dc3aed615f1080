// The records of entries that are no calls: constants, values made of others, choices.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/graph_executor.hpp"
#include "aethergraph/detail/kept.hpp"

namespace aethergraph::detail {

template <class T>
void destroy_value_of(void* p) noexcept {
  std::destroy_at(static_cast<T*>(p));
}

/// The part of entry_ops that is about a value of type T, as kept: `regular<R>` of a result R.
template <class T>
constexpr entry_ops ops_of_value(entry_kind kind) {
  entry_ops o{};
  o.kind = kind;
  o.is_tracked = !is_bytes<T>;
  o.is_copyable = is_copyable<T>;
  o.is_void = std::same_as<T, std::monostate>;
  o.size = o.is_void ? 0 : static_cast<std::uint32_t>(sizeof(T));
  o.alignment = static_cast<std::uint32_t>(alignof(T));
  if constexpr (!is_bytes<T>) o.destroy_value = &destroy_value_of<T>;
  o.type = &typeid(T);
  return o;
}
template <class T>
inline constexpr entry_ops input_ops = ops_of_value<T>(entry_kind::input);

// Functions and not lambdas, here and in what else there is for each tool: of a lambda a compiler makes three.
template <class Record>
struct record_functions {
  static const Record& of(const void* p) noexcept { return *static_cast<const Record*>(p); }

  static void visit(const void* p, ref_visitor& v) { of(p).visit(v); }
  static void* clone(std::pmr::memory_resource& arena, const void* p, const translation& t) {
    void* const memory = arena.allocate(sizeof(Record), alignof(Record));
    return ::new (memory) Record(of(p).translated(t));
  }
  static void call(graph_executor& ex, std::uint32_t e, const void* p) { of(p).make_value(ex, e); }
  static bool start(graph_executor& ex, std::uint32_t e, const void* p) noexcept {
    if constexpr (std::is_void_v<decltype(of(p).start(ex, e))>) {
      of(p).start(ex, e);
      return false;
    } else {
      return of(p).start(ex, e);
    }
  }
};

/// Adds the part that is about a record.
template <class Record>
constexpr entry_ops with_record(entry_ops o) {
  using functions = record_functions<Record>;
  o.visit = &functions::visit;
  o.clone = &functions::clone;
  if constexpr (!std::is_trivially_destructible_v<Record>) o.destroy_record = &destroy_value_of<Record>;
  if constexpr (requires { Record::is_direct_body; }) o.is_direct_body = Record::is_direct_body;
  if constexpr (requires { requires Record::is_direct; }) o.call = &functions::call;
  if constexpr (requires { &Record::start; }) o.start = &functions::start;
  return o;
}

template <class Kept>
void visit_argument(const Kept& k, ref_visitor& v, std::uint32_t parameter) {
  k.visit([&](value_ref r) { v.see(parameter, r); });
}

/// Ends an entry that is no node with what `make(slot)` constructs.
template <class Make>
void end_with(graph_executor& ex, std::uint32_t e, Make make) noexcept {
  std::exception_ptr failure;
  try {
    make(ex.slot(e));
  } catch (...) {
    failure = std::current_exception();
  }
  ex.node_ends(e, failure);
  ex.entry_ended(e);
}

/// A value made of what is kept: a constant, a conversion, a struct, a container.
template <class T, class Kept>
struct make_record {
  static constexpr entry_kind kind = Kept::is_literal ? entry_kind::constant : entry_kind::make;
  static const entry_ops ops;
  Kept kept;

  void visit(ref_visitor& v) const {
    kept.visit([&](value_ref r) { v.see(0, r); });
  }
  make_record translated(const translation& t) const { return {kept.translated(t)}; }
  void start(graph_executor& ex, std::uint32_t e) const noexcept {
    end_with(ex, e, [&](void* place) { ::new (place) T(take_as<T>(kept, ex)); });
  }
};
template <class T, class Kept>
constexpr entry_ops make_record<T, Kept>::ops =
    with_record<make_record<T, Kept>>(ops_of_value<T>(make_record<T, Kept>::kind));

/// The first of its values that was not skipped.
template <class T, class Kept>
struct choice_record {
  static const entry_ops ops;
  Kept kept;  // a kept_sequence or kept_parts of kept_value<…>

  void visit(ref_visitor& v) const {
    std::uint32_t position = 0;
    kept.visit([&](value_ref r) { v.see(position++, r); });
  }
  choice_record translated(const translation& t) const { return {kept.translated(t)}; }
  void start(graph_executor& ex, std::uint32_t e) const noexcept {
    bool is_made = false;
    const auto choose = [&](const auto& k) {
      if (is_made || !ex.has_value(k.ref)) return;
      end_with(ex, e, [&](void* place) { ::new (place) T(take_as<T>(k, ex)); });
      is_made = true;
    };
    kept.for_each(choose);
    if (!is_made) ex.skip_for_condition(e);
  }
};
template <class T, class Kept>
constexpr entry_ops choice_record<T, Kept>::ops =
    with_record<choice_record<T, Kept>>(ops_of_value<T>(entry_kind::choice));

/// The value of a traced or plain X as a T of the current trace: X's own, or that of an entry made for it.
template <class T, class X>
value_ref as_value(trace& t, const X& x) {
  if constexpr (traced<X>) {
    if constexpr (std::same_as<regular<typename X::value_type>, T>) return traced_ref(x);
  }
  if constexpr (mentions_node<X>) {
    return t.add(nullptr, make_record<T, kept_t<X>>{keep(x)});
  } else {
    if constexpr (is_copyable<T>) {
      return t.add(nullptr, make_record<T, kept_literal<T>>{kept_literal<T>{T(x)}});
    } else {
      static_assert(is_copyable<T>,
          "aethergraph: a literal in a graph is copied for each run, so its type must be copyable; make it a parameter "
          "of type ag::node<T>");
      return {};
    }
  }
}

/// The value of what has ended goes to its place. Its state has been set by whoever ended it.
template <class R, class Frame, class Ended>
void end_frame(Frame& f, Ended& ended) noexcept {
  graph_executor& ex = f.executor;
  const std::uint32_t e = f.entry;
  if (!ended.error()) [[likely]] {
    try {
      if constexpr (std::is_void_v<R>) ended.take();
      else ::new (ex.slot(e)) regular<R>(ended.take());
      ex.value_came(e);
      ex.drop_frame(f);
      return ex.entry_done(e);
    } catch (...) {
      ex.node_ends(e, std::current_exception());
    }
  }
  ex.drop_frame(f);
  ex.entry_ended(e);
}

/// A call that is more than a call of its body, or a nested run, on its way.
template <class A>
struct operation_frame final : in_flight {
  template <class Make>
  operation_frame(graph_executor& ex, std::uint32_t e, Make make) : in_flight(ex, e), awaited(make()) {
    on_done = &end_and_go_on;
  }
  void end() noexcept { end_frame<typename A::value_type>(*this, op); }
  static void end_and_go_on(receiver& r) noexcept {
    auto& self = static_cast<operation_frame&>(r);
    graph_executor& owner = self.executor;
    self.end();
    owner.wake();
  }

  A awaited;
  operation<A> op{awaited};
};

}  // namespace aethergraph::detail
