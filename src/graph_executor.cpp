// How a static graph begins, and what it has come to. How its nodes go on is in graph_loop.cpp.
#include "aethergraph/detail/graph_executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "aethergraph/detail/message_of.hpp"
#include "aethergraph/detail/tool_info.hpp"
#include "aethergraph/detail/visitor.hpp"
#include "graph_rarities.hpp"

namespace aethergraph::detail {

namespace {
constexpr std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }
}  // namespace

graph_executor::graph_executor(const std::shared_ptr<const plan>& self) noexcept : shared_plan_(self) {
  ticket_.owner = this;
}

graph_executor::~graph_executor() {
  while (first_in_flight_) drop_frame(*first_in_flight_);  // only if the run is torn down
  if (spare_frame_) spare_frame_->destroy(*spare_frame_);
  free_block();
}

void graph_executor::free_block() noexcept {
  if (!block_) return;
  if (plan_->has_tracked_values)
    for (std::uint32_t e = 0; e < plan_->size(); ++e)
      if (holds_value(e) && plan_->entries[e].ops->is_tracked && open_reads_[e] > 0) destroy_value(e);
  plan_->give_block_back(block_);
  block_ = nullptr;
}

namespace {
/// What stands in the block of a run, in this order, and how much of it there is.
struct block_layout {
  explicit block_layout(const plan& p) noexcept
      : slack(p.value_alignment > alignof(std::max_align_t) ? p.value_alignment : 0),
        words(ready_set::words(p.size())),
        states(round_up(p.size(), alignof(std::uint32_t))) {}
  std::size_t slack;   // so that the values can be aligned
  std::size_t words;   // of one ready set; there are two, and words of 64 bits
  std::size_t states;  // bytes; behind them come two counters an entry
  [[nodiscard]] std::size_t set_bytes() const noexcept { return 2 * words * sizeof(std::uint64_t); }
};
}  // namespace

std::size_t graph_executor::block_bytes(const plan& p) noexcept {
  const block_layout l(p);
  return std::max<std::size_t>(
      l.slack + p.value_bytes + l.set_bytes() + l.states + 2 * p.size() * sizeof(std::uint32_t), 1);
}

void graph_executor::open(environment& e, receiver& r) {
  const plan& p = *plan_;
  const std::size_t n = p.size();
  const block_layout l(p);
  parent_ = &r;
  block_ = p.take_block();
  std::byte* at = block_;
  if (l.slack > 0)
    at += round_up(reinterpret_cast<std::uintptr_t>(at), p.value_alignment) - reinterpret_cast<std::uintptr_t>(at);
  values_ = at;
  at += p.value_bytes;
  static_assert(node_state{} == node_state::waiting);
  std::memset(at, 0, l.set_bytes() + n);
  auto* const bits = reinterpret_cast<std::uint64_t*>(at);
  ready_ = ready_set(bits, n);
  ready_calls_ = ready_set(bits + l.words, n);
  flags_ = p.flags.data();
  rank_ = p.rank.empty() ? nullptr : p.rank.data();
  offsets_ = p.offsets.data();
  first_successor_ = p.first_successor.data();
  successors_ = p.successors.data();
  at += l.set_bytes();
  state_ = reinterpret_cast<std::uint8_t*>(at);
  open_dependencies_ = reinterpret_cast<std::uint32_t*>(at + l.states);
  open_reads_ = open_dependencies_ + n;
  if (n > 0) {
    std::memcpy(open_dependencies_, p.dependencies.data(), n * sizeof(std::uint32_t));
    std::memcpy(open_reads_, p.reads.data(), n * sizeof(std::uint32_t));
  }
  open_ = p.size();

  scope_.open(e);
  run_state& run = scope_.run();
  stops_on_failure_ = run.options().on_error == on_error::stop;
  calls_directly_ = !run.has_gates();
  grants_slots_ = !run.durable();
  if (run.is_parallel()) {
    workers_ = &home().workers();
    workers_wait_.on_cancel = [](cancellable_wait& w) noexcept {
      static_cast<workers_wait&>(w).stop_flag.store(true, std::memory_order_relaxed);  // relaxed: only the flag matters
    };
    scope_.add_wait(workers_wait_, on_worker_thread, e.current_call);
  }
  ticket_.cancellation = &scope_;
  ticket_.caller = nullptr;
  if (run.log()) {
    if (run.log()->has_times()) few_have().times.resize(n);
    graph_number_ = run.log()->add_declared(*this, run.number());
  }
  is_watched_ = run.is_observed() || rarities_;
}

bool graph_executor::start() noexcept {
  is_pumping_ = true;
  if (run().is_observed()) tell_made();
  const plan& p = *plan_;
  for (std::uint32_t e = p.inputs; e < p.size(); ++e)
    if (open_dependencies_[e] == 0) make_ready(e);
  for (std::uint32_t e = 0; e < p.inputs; ++e) entry_ended(e);
  run_ready();
  is_pumping_ = false;
  if (std::exchange(has_slot_, false)) give_slot_back();
  return is_over();
}

// --- what others note, and ask

void graph_executor::note_started(std::uint32_t e) noexcept { node_starts(e); }
void graph_executor::note_attempt_failed(std::uint32_t e, const std::exception_ptr& cause) {
  few_have().failed_attempts[e].push_back(cause);
}

std::size_t graph_executor::failed_attempts(std::uint32_t e) const noexcept {
  if (!rarities_) return 0;
  const auto found = rarities_->failed_attempts.find(e);
  return found == rarities_->failed_attempts.end() ? 0 : found->second.size();
}

void graph_executor::note_element_failure(
    std::uint32_t e, std::size_t element, const std::exception_ptr& cause) noexcept {
  if (scope_.is_stopped() && is_cancellation(cause)) return;
  try {
    few_have().failures.push_back({e, element, cause});
  } catch (const std::bad_alloc&) {
  }
}

void graph_executor::tell_made() noexcept {
  for (std::uint32_t e = 0; e < plan_->size(); ++e)
    if (const plan_entry& here = plan_->entries[e]; here.is_node())
      run().tell(
          event_kind::node_made, number_of(e), *here.tool, kind_of(here.ops->kind), node_state::waiting, nullptr);
}
// --- the end

std::exception_ptr graph_executor::outcome() const {
  const plan& p = *plan_;
  if (has_failures()) {
    constexpr std::size_t named = 10;
    std::string text;
    std::vector<node_failure> all;
    for (const auto& f : rarities_->failures) {
      std::string id = p.id_of(f.entry);
      if (f.element != rarities::no_element) id += fmt::format("[{}]", f.element);
      if (all.size() < named) text += fmt::format("{} {}: {}", all.empty() ? "" : ";", id, message_of(f.cause));
      const tool_info* const tool = p.entries[f.entry].tool;
      all.push_back({std::move(id), tool ? tool->name : std::string(), f.cause});
    }
    if (all.size() > named) text += fmt::format("; and {} more", all.size() - named);
    std::string message = fmt::format("graph '{}' failed:{}", p.what.name, text);
    return std::make_exception_ptr(graph_error(message, std::move(all)));
  }
  const std::uint8_t* const begin = state_;
  if (scope_.is_stopped() && std::any_of(begin, begin + p.size(), [](std::uint8_t s) {
    return entry_state::state(s) != node_state::done && !(s & entry_state::after_condition);
  }))
    return scope_.stop_error();
  std::string missing;
  visitor find([&](std::uint32_t, value_ref r) {
    if (!has_value(r) && missing.empty()) missing = p.id_of(r.entry);
  });
  p.result_ops->visit(p.result, find);
  if (missing.empty()) return nullptr;
  return std::make_exception_ptr(graph_error(
      fmt::format("graph '{}' has no result: '{}' was skipped, since a condition was false; give the branch a way out "
                  "with ag::value_or or ag::any_of",
          p.what.name, missing),
      {}));
}

void graph_executor::leave() noexcept {
  if (workers_) scope_.remove_wait(workers_wait_);
  scope_.close();
  run_state& r = run();
  try {
    if (has_failures()) {
      std::vector<node_failure>& all = r.failures();
      // The elements of a map are here by what they are elements of.
      std::erase_if(all, [&](const node_failure& n) {
        return std::ranges::any_of(rarities_->failures, [&](const auto& f) { return f.cause == n.cause; });
      });
      std::size_t at = 0;
      for (const auto& f : rarities_->failures) {
        const tool_info* const tool = plan_->entries[f.entry].tool;
        std::string id = plan_->id_of(f.entry);
        if (f.element != rarities::no_element) id += fmt::format("[{}]", f.element);
        all.insert(all.begin() + static_cast<std::ptrdiff_t>(at++),
            {std::move(id), tool ? tool->name : std::string(), f.cause});
        if (at == run_state::kept_failures) break;
      }
    }
  } catch (const std::bad_alloc&) {
    // the graph still says that it has failed
  }
  // Of a root that nobody asks for its graph, as `run` does, this would be in vain.
  if (&r.root() != &r) leave_states();
}

void graph_executor::leave_states() noexcept {
  if (!block_) return;  // the run has failed before it came to this
  recorder* const log = run().log();
  if (!log) return;
  try {
    log->end_declared(graph_number_, copy_states());
  } catch (const std::bad_alloc&) {
    log->end_declared(graph_number_, {});
  }
}

declared_states graph_executor::copy_states() const {
  declared_states s;
  s.states.assign(state_, state_ + plan_->size());
  if (scope_.is_stopped()) {
    s.stop = scope_.stop_error();
    for (std::uint8_t& b : s.states)
      if (entry_state::state(b) == node_state::running) b = static_cast<std::uint8_t>(node_state::stopping);
  }
  if (rarities_) {
    s.causes = rarities_->causes;
    s.failed_attempts = rarities_->failed_attempts;
    s.when = rarities_->times;
  }
  return s;
}

}  // namespace aethergraph::detail
