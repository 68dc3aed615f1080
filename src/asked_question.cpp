#include "aethergraph/detail/asked_question.hpp"

#include <fmt/format.h>

#include <utility>

#include "aethergraph/channel.hpp"
#include "aethergraph/detail/joined.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/timeout.hpp"

namespace aethergraph::detail {

asked_question::~asked_question() {
  if (run_ && is_asking_ && standing_ <= standing::asked) run_->withdraw(question_.token);
}

question_wait asked_question::begin() noexcept { return {*this, false}; }
question_wait asked_question::end() noexcept { return {*this, true}; }

void asked_question::enter(environment& e) {
  run_ = e.cancellation->run().durable();
  if (!run_) return set(standing::not_durable);
  question_.path = run_->next_path(e);
  question_.token = fmt::format("{}@{}", run_->id(), question_.path);
  // Before the question itself, so that this knows its deadline whenever it is asked.
  if (options_.deadline)
    deadline_ = run_->make_timer(e, "a deadline", {*options_.deadline, true, true}, [](void* op) noexcept {
      auto& self = *static_cast<asked_question*>(op);
      self.give_up();
      self.run_->withdraw(self.question_.token);
      self.set(standing::timed_out);
    }, this);
  const journal_standing begins = run_->enter(*this, fact_kind::answer, question_.path, to_string(question_.kind));
  if (begins == journal_standing::live) ask();
  else if (begins == journal_standing::refused) set(standing::abandoned);
}

void asked_question::ask() noexcept {
  if (run_->is_closed()) return set(standing::abandoned);
  question q = question_;
  if (deadline_) q.deadline = deadline_->due();
  is_asking_ = true;
  run_->ask(*this, std::move(q));
}

void asked_question::set(standing s) noexcept {
  if (standing_ > standing::asked) return;
  standing_ = s;
  if (s > standing::asked) deadline_.reset();
  if (waiting_ && waiting_->is_over()) std::exchange(waiting_, nullptr)->go_on();
}

void asked_question::turn_came(journal_event& e, const fact* replayed) noexcept {
  auto& self = static_cast<asked_question&>(e);
  if (replayed) self.question_.answer = replayed->value;
  else if (!e.answer.empty()) self.question_.answer = std::move(e.answer);
  self.set(self.question_.answer ? standing::answered : standing::abandoned);
}

void asked_question::released(journal_event& e) noexcept {
  auto& self = static_cast<asked_question&>(e);
  if (!self.is_asking_) return self.ask();
  self.set(standing::asked);
  // Not before: the store may have an answer from a time when the deadline had not passed.
  if (self.deadline_) self.deadline_->start();
}

// --- waiting

using wait_operation = operation<question_wait>;

bool wait_operation::is_over() const noexcept {
  using standing = asked_question::standing;
  return question_.standing_ > standing::asked || (!to_the_end_ && question_.standing_ != standing::fresh);
}

void wait_operation::go_on() noexcept {
  scope_->remove_wait(*this);
  scope_->home().make_ready(*this);
}

bool wait_operation::start(environment& e, receiver& r) noexcept {
  scope_ = e.cancellation;
  parent_ = &r;
  on_ready = [](ready_item& i) noexcept { static_cast<wait_operation&>(i).parent_->done(); };
  on_cancel = [](cancellable_wait& w) noexcept {
    auto& self = static_cast<wait_operation&>(w);
    asked_question& q = self.question_;
    if (q.has_happened() && !q.run_->is_closed()) return;  // the answer is there, and will be given
    q.give_up();
    q.deadline_.reset();
    q.waiting_ = nullptr;
    self.error_ = self.scope_->stop_error();
    self.scope_->home().make_ready(self);
  };
  try {
    if (!to_the_end_) question_.enter(e);
  } catch (...) {
    error_ = std::current_exception();
    return true;
  }
  if (is_over()) return true;
  question_.waiting_ = this;
  scope_->add_wait(*this, waits_for_an_answer, e.current_call);
  return false;
}

std::string wait_operation::take() {
  if (error_) std::rethrow_exception(error_);
  using standing = asked_question::standing;
  if (question_.standing_ == standing::timed_out)
    throw timed_out(fmt::format(
        "nobody answered '{}' within {}", question_.question_.prompt, to_text(*question_.options_.deadline)));
  if (question_.standing_ == standing::abandoned) {
    const std::exception_ptr& why = question_.run_->failure();
    std::rethrow_exception(why ? why : cancelled_because(stop_reason::asked_by_caller));
  }
  return question_.question_.answer.value_or("");
}

namespace {

std::string shown(const question& q) {
  std::string text = q.prompt;
  if (q.kind == question_kind::approval) text += " (yes, no)";
  if (q.kind == question_kind::choice) text += " (" + joined(q.choices, ", ") + ")";
  if (!q.token.empty()) text += fmt::format(" [answer {}]", q.token);
  return text;
}

task<std::string> read_valid(channel& c, const question& q, task<std::string> (*read)(channel&, const question&)) {
  for (;;) {
    const std::string typed = co_await read(c, q);
    std::string problem;
    try {
      co_return parse_answer(q, typed);
    } catch (const option_error& e) {
      problem = e.what();
    }
    co_await c.send_text(problem);
  }
}

}  // namespace

task<std::string> ask(channel& c, question q, ask_options o, task<std::string> (*read)(channel& c, const question& q)) {
  asked_question asked(std::move(q), o);
  std::string answer = co_await asked.begin();
  if (asked.where() == asked_question::standing::answered) co_return answer;
  if (asked.what().kind != question_kind::event) co_await c.send_text(shown(asked.what()));
  if (asked.where() == asked_question::standing::not_durable) {
    if (o.deadline) answer = co_await timeout(read_valid(c, asked.what(), read), *o.deadline);
    else answer = co_await read_valid(c, asked.what(), read);
  } else {
    answer = co_await asked.end();
  }
  co_return answer;
}

}  // namespace aethergraph::detail
