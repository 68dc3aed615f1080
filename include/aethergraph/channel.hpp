// channel: where an agent's messages go.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "aethergraph/question.hpp"
#include "aethergraph/task.hpp"

namespace aethergraph {

/// Where `ctx.channel()` sends messages. Derive from it to lead them anywhere: `send_text` is a coroutine, so that it
/// may await sockets and timers of the run that sends.
///
/// Thread safety: one channel may serve runs on different threads at once; implementations see to it.
class channel {
 public:
  channel() = default;
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  virtual ~channel() = default;

  /// Sends one message. Errors: what the implementation throws reaches the `co_await`. Slot: none of its own.
  virtual task<> send_text(std::string text) = 0;

  /// Asks for a text. In a durable run the question stands in the store until somebody answers it, whoever and whenever
  /// that is, see docs/guide/durable.md; a run that has nothing else to do meanwhile is parked. In other runs whoever
  /// is behind the channel answers.
  ///
  /// Errors: `timed_out` when its deadline has passed; what `send_text` throws, by which it is shown; `error` where
  /// there is no store and the channel cannot ask. Cancellation: withdraws the question and throws `cancelled`. Slot: a
  /// tool's body keeps its slot while it waits.
  task<std::string> ask_text(std::string prompt, ask_options options = {});
  /// Asks for a yes or no, likewise.
  task<bool> ask_approval(std::string prompt, ask_options options = {});
  /// Asks for one of these, likewise. Errors: also `option_error` where there is no choice.
  task<std::string> ask_choice(std::string prompt, std::vector<std::string> choices, ask_options options = {});

 protected:
  /// What somebody behind this channel types as an answer to a question that was shown, in a run without a store.
  /// Called again if it was none. Errors: unless it is overridden, `error`.
  virtual task<std::string> read_answer(const question& q);
};

/// The default channel: a line a message on standard output; answers are lines of standard input.
/// Thread safety: any thread; lines are never mixed.
[[nodiscard]] channel& console() noexcept;

/// Hands each message to a function, and each question that waits for its answer to another one, if it is given.
/// Errors: an empty first function is an `option_error`; what a function throws reaches the sender.
/// Thread safety: the functions are called on the strand of the run that sends.
class callback_channel final : public channel {
 public:
  explicit callback_channel(
      std::function<void(std::string)> on_text, std::function<std::string(const question&)> on_question = {});
  task<> send_text(std::string text) override;

 protected:
  task<std::string> read_answer(const question& q) override;

 private:
  std::function<void(std::string)> on_text_;
  std::function<std::string(const question&)> on_question_;
};

/// Keeps every message, and has answers ready, for tests.
/// Thread safety: any thread.
class memory_channel final : public channel {
 public:
  task<> send_text(std::string text) override;
  /// All messages so far, oldest first.
  [[nodiscard]] std::vector<std::string> texts() const;
  /// The next question that has no answer yet gets this one. Without any, a question is an `error`.
  void answer(std::string typed);

 protected:
  task<std::string> read_answer(const question& q) override;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
  std::deque<std::string> answers_;
};

}  // namespace aethergraph
