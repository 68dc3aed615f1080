// channel: where an agent's messages go.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

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
};

/// The default channel: a line a message on standard output.
/// Thread safety: any thread; lines are never mixed.
[[nodiscard]] channel& console() noexcept;

/// Hands each message to a function.
/// Errors: an empty function is an `option_error`; what the function throws reaches the sender.
/// Thread safety: the function is called on the strand of the run that sends.
class callback_channel final : public channel {
 public:
  explicit callback_channel(std::function<void(std::string)> on_text);
  task<> send_text(std::string text) override;

 private:
  std::function<void(std::string)> on_text_;
};

/// Keeps every message, for tests.
/// Thread safety: any thread.
class memory_channel final : public channel {
 public:
  task<> send_text(std::string text) override;
  /// All messages so far, oldest first.
  [[nodiscard]] std::vector<std::string> texts() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
};

}  // namespace aethergraph
