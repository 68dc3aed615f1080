#include "aethergraph/rerun.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "aethergraph/detail/recorded_structure.hpp"
#include "aethergraph/recorded_graph.hpp"

namespace aethergraph {

namespace detail {
namespace {

bool is_at_or_under(std::string_view path, std::string_view outer) {
  return path.starts_with(outer) && (path.size() == outer.size() || path[outer.size()] == '/' ||
                                        path[outer.size()] == '~' || path[outer.size()] == ':');
}

/// What a run has to forget so that some of it is computed anew.
class selection {
 public:
  selection(run_store& store, std::string_view run_id, const std::vector<std::string_view>& selectors)
      : run_(existing(store, run_id)), all_(store.facts(run_id)), graph_(recorded_graph(store, run_id)) {
    for (const std::string_view s : selectors) select(s);
    is_of_graph_ = !read_structure(run_.structure).nodes.empty();
    if (is_of_graph_) find_nodes();
    else find_beginning();
  }

  [[nodiscard]] const stored_run& run() const noexcept { return run_; }
  [[nodiscard]] bool has(std::string_view path, std::uint64_t number) const {
    return is_of_graph_ ? nodes_.contains(node_of_path(path)) : number >= beginning_;
  }
  /// Whether a question would be asked anew, of which no answer is recorded.
  [[nodiscard]] bool has_open(std::string_view path) const {
    if (std::ranges::any_of(all_, [&](const fact& f) { return f.path == path; })) return false;
    return is_of_graph_ ? nodes_.contains(node_of_path(path)) : beginning_ != never;
  }
  [[nodiscard]] std::vector<fact> facts() const {
    std::vector<fact> found;
    for (const fact& f : all_)
      if (has(f.path, f.number)) found.push_back(f);
    return found;
  }

 private:
  static constexpr std::uint64_t never = static_cast<std::uint64_t>(-1);

  static stored_run existing(run_store& store, std::string_view id) {
    std::optional<stored_run> found = store.find(id);
    if (!found) throw store_error(fmt::format("there is no run '{}' in the store", id));
    return std::move(*found);
  }

  void select(std::string_view selector) {
    const std::size_t before = paths_.size();
    for (const std::string& id : graph_.select(selector)) paths_.push_back(graph_.find(id)->path);
    // What is no node: a question, a time.
    for (const fact& f : all_)
      if (f.path == selector) paths_.push_back(f.path);
    if (paths_.size() == before)
      throw option_error(
          fmt::format("'{}' selects nothing of run '{}'; it must be \"tool:\" and the beginning of a "
                      "name, or an id or path that its recorded graph has",
              selector, run_.id));
  }

  void find_nodes() {
    for (const std::string& path : paths_)
      if (std::string node = node_of_path(path); !node.empty()) {
        for (std::string& id : graph_.dependents(node)) nodes_.insert(std::move(id));
        nodes_.insert(std::move(node));
      }
  }
  void find_beginning() {
    for (const std::string& path : paths_)
      for (const fact& f : all_)
        if (is_at_or_under(f.path, path)) beginning_ = std::min(beginning_, f.number);
  }

  const stored_run run_;
  const std::vector<fact> all_;
  const task_graph graph_;
  std::vector<std::string> paths_;
  bool is_of_graph_ = false;
  std::set<std::string, std::less<>> nodes_;
  std::uint64_t beginning_ = never;
};

std::vector<std::uint64_t> numbers_of(const std::vector<fact>& facts) {
  std::vector<std::uint64_t> numbers;
  for (const fact& f : facts) numbers.push_back(f.number);
  return numbers;
}

void mark_as_accepting(run_store& store, std::string_view id, const stored_run& r) {
  run_claim claim{std::string(id), r.program, r.version, r.arguments, r.structure};
  if (!claim.structure.starts_with(accepts_changes)) claim.structure.insert(0, 1, accepts_changes);
  store.restate(claim);
}

/// Opens a run without executing it.
class nobody final : public store_client {
 public:
  void committed(std::uint64_t) noexcept override {}
  void failed(std::exception_ptr why) noexcept override { why_ = std::move(why); }
  void answered(std::string_view, std::string_view) noexcept override {}
  void cancel_requested() noexcept override {}

  [[nodiscard]] const std::exception_ptr& failure() const noexcept { return why_; }

 private:
  std::exception_ptr why_;  // read once the journal is gone
};

/// Takes back questions that nobody has been told the answer to: they may be others when they are asked anew.
void withdraw_open(run_store& store, const selection& s) {
  std::vector<std::string> tokens;
  for (question& q : store.questions(s.run().id))
    if (s.has_open(q.path)) tokens.push_back(std::move(q.token));
  if (tokens.empty()) return;
  nobody client;
  const stored_run& r = s.run();
  auto journal = store.open({r.id, r.program, r.version, r.arguments, r.structure, r.slots}, client);
  for (std::string& t : tokens) journal->withdraw(std::move(t));
  journal.reset();
  if (client.failure()) std::rethrow_exception(client.failure());
}

}  // namespace
}  // namespace detail

std::vector<fact> rerun(run_store& store, std::string_view run_id, const std::vector<std::string_view>& selectors,
    const rerun_options& options) {
  const detail::selection selected(store, run_id, selectors);
  std::vector<fact> forgotten = selected.facts();
  store.forget(run_id, detail::numbers_of(forgotten));
  detail::withdraw_open(store, selected);  // now, since one that has ended can only be read
  if (options.accept_changes) detail::mark_as_accepting(store, run_id, selected.run());
  return forgotten;
}

std::vector<fact> fork(run_store& store, std::string_view run_id, std::string_view new_id,
    const std::vector<std::string_view>& selectors, const rerun_options& options) {
  const detail::selection selected(store, run_id, selectors);
  std::vector<fact> without = selected.facts();
  store.fork(run_id, new_id, detail::numbers_of(without));
  if (options.accept_changes) detail::mark_as_accepting(store, new_id, selected.run());
  return without;
}

}  // namespace aethergraph
