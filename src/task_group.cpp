#include "aethergraph/task_group.hpp"

namespace aethergraph {

task_group::~task_group() {
  while (first_) delete std::exchange(first_, first_->next);  // only when the run is torn down
}

void task_group::open(detail::environment& e, detail::receiver& r) noexcept {
  parent_ = &r;
  scope_.open(e);
  join_.open(scope_, e);
}

void task_group::add(spawned_base& s) noexcept {
  s.next = first_;
  if (first_) first_->previous = &s;
  first_ = &s;
  ++spawned_;
  s.order = ++last_order_;
  scope_.home().make_ready(s);
}

void task_group::spawned_ended(spawned_base& s, const std::exception_ptr& error) noexcept {
  failure_.note(error, scope_);
  (s.previous ? s.previous->next : first_) = s.next;
  if (s.next) s.next->previous = s.previous;
  delete &s;
  if (--spawned_ == 0 && has_body_ended_) {
    finish();
    parent_->done();
  }
}

bool task_group::body_ended(const std::exception_ptr& error) noexcept {
  failure_.note(error, scope_);
  has_body_ended_ = true;
  if (spawned_ > 0) return false;
  finish();
  return true;
}

void task_group::finish() noexcept {
  failure_.settle(scope_);
  scope_.close();
  join_.close();
}

}  // namespace aethergraph
