#include "aethergraph/detail/hosted_run.hpp"

#include <fmt/format.h>

#include <chrono>
#include <iterator>

#include "aethergraph/detail/graph_source.hpp"
#include "aethergraph/detail/runtime_state.hpp"
#include "aethergraph/detail/tool_info.hpp"

namespace aethergraph::detail {

hosted_base::hosted_base(const tool_info& what, std::uint64_t number)
    : what_(what), number_(number), id_(run_identity(what.name, number)), started_(std::chrono::steady_clock::now()) {}

void hosted_base::cancel() {
  {
    const std::lock_guard lock(mutex_);
    was_cancelled_ = true;
  }
  gate_->cancel();
}

bool hosted_base::was_cancelled() const {
  const std::lock_guard lock(mutex_);
  return was_cancelled_;
}

task_graph hosted_base::live_graph() const {
  std::shared_ptr<const graph_source> source;
  const run_gate::sight seen = gate_->look([&](const run_state& r) {
    if (r.has_begun()) source = r.copy_graph();
  });
  if (seen == run_gate::sight::over) {  // it is ending right now
    ended.wait();
    return graph();
  }
  if (!source) source = std::make_shared<const graph_source>(id_, node_state::waiting, nullptr);
  return graph_source::make_graph(std::move(source));
}

void hosted_base::describe(std::string& text, duration patience) const {
  std::string is;
  const run_gate::sight seen = gate_->look([&](const run_state& r) {
    if (r.has_begun()) r.describe(is);
    else is = "not begun yet\n";
  }, patience);
  if (seen == run_gate::sight::busy)
    is = "busy: a body has been computing, or blocking, for the whole time of this look\n";
  if (seen == run_gate::sight::over) is = "ending\n";
  text += fmt::format("{}, started {} ms ago: {}", id_,
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_).count(), is);
}

void hosted_base::add_stopping(std::vector<std::string>& names, duration patience) const {
  const std::size_t before = names.size();
  std::shared_ptr<const graph_source> source;
  static_cast<void>(gate_->look([&](const run_state& r) {
    if (r.has_begun()) source = r.copy_graph();
  }, patience));
  if (source) {
    const task_graph now = graph_source::make_graph(std::move(source));
    for (const task_graph::node_view& n : now.nodes())
      if (n.state == node_state::stopping) names.push_back(fmt::format("{} of {}", n.id, id_));
  }
  if (names.size() == before) names.push_back(id_);  // its own body, or something that computes
}

hosting::hosting(std::shared_ptr<runtime_state> r, std::shared_ptr<hosted_base> run, loop& l)
    : runtime_(std::move(r)), run_(std::move(run)), host_(runtime_->lend()) {
  if (runtime_->permits()) permits_.reset(new permit_account(runtime_->permits(), l));
  host_.permits = permits_.get();
  host_.services = &runtime_->all_services;
  host_.kv = &runtime_->kv;
}

void hosting::begin() { runtime_->add(run_); }

hosting::~hosting() {
  if (!run_) return;
  runtime_->remove(*run_);  // only if the start has failed
  runtime_->note_end();
}

void hosting::end() noexcept {
  // In this order: whoever learns that the run has ended finds neither it among the live ones nor its permits held, and
  // whoever learns that the runtime is idle finds all handles done.
  const std::shared_ptr<hosted_base> run = std::move(run_);
  if (permits_) permits_->settle();
  runtime_->remove(*run);
  run->ended.set();
  runtime_->note_end();
}

}  // namespace aethergraph::detail
