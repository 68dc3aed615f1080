// asked_question: a question from its asking to its answer.
#pragma once

#include <memory>
#include <string>

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/detail/operation.hpp"
#include "aethergraph/detail/recorded_wait.hpp"
#include "aethergraph/question.hpp"
#include "aethergraph/task.hpp"

namespace aethergraph::detail {

class question_wait;

/// In a durable run the place of a question in the journal; in others nothing happens here. It lives in the coroutine
/// that asks.
// Invariant: waiting_ is set while that coroutine is suspended here.
class asked_question : journal_event {
 public:
  enum class standing : std::uint8_t {
    fresh,
    not_durable,
    asked,  // it stands in the store, is to be shown, and has no answer
    answered,
    timed_out,
    abandoned  // the run has been stopped
  };

  explicit asked_question(question q, const ask_options& o) noexcept
      : journal_event(&turn_came, &released), question_(std::move(q)), options_(o) {}
  ~asked_question();

  /// Awaited: it is answered already, or is to be shown.
  [[nodiscard]] question_wait begin() noexcept;
  /// Awaited: its answer, as JSON. Errors: `timed_out`, `cancelled`.
  [[nodiscard]] question_wait end() noexcept;

  [[nodiscard]] standing where() const noexcept { return standing_; }
  [[nodiscard]] const question& what() const noexcept { return question_; }

 private:
  friend operation<question_wait>;

  void enter(environment& e);
  void ask() noexcept;
  void set(standing s) noexcept;
  static void turn_came(journal_event& e, const fact* replayed) noexcept;
  static void released(journal_event& e) noexcept;

  question question_;
  const ask_options options_;
  standing standing_ = standing::fresh;
  bool is_asking_ = false;  // it was given to the store
  durable_run* run_ = nullptr;
  std::unique_ptr<recorded_timer> deadline_;
  operation<question_wait>* waiting_ = nullptr;
};

class [[nodiscard("nothing is waited for until this is awaited")]] question_wait {
 public:
  question_wait(asked_question& q, bool to_the_end) noexcept : question_(q), to_the_end_(to_the_end) {}

 private:
  friend operation<question_wait>;
  asked_question& question_;
  bool to_the_end_;
};

template <>
class operation<question_wait> : ready_item, cancellable_wait {
 public:
  using result_type = std::string;

  explicit operation(const question_wait& w) noexcept : question_(w.question_), to_the_end_(w.to_the_end_) {}
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;
  ~operation() {
    if (question_.waiting_ == this) question_.waiting_ = nullptr;
  }

  bool start(environment& e, receiver& r) noexcept;
  std::string take();
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }
  void refuse(const std::exception_ptr& e) noexcept { error_ = e; }

 private:
  friend asked_question;
  [[nodiscard]] bool is_over() const noexcept;
  void go_on() noexcept;

  asked_question& question_;
  const bool to_the_end_;
  scope* scope_ = nullptr;
  receiver* parent_ = nullptr;
  std::exception_ptr error_;
};

/// Asks by way of a channel, and gives the answer as JSON. `read` is for runs without a store.
[[nodiscard]] task<std::string> ask(
    channel& c, question q, ask_options o, task<std::string> (*read)(channel& c, const question& q));

}  // namespace aethergraph::detail
