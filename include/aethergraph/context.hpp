// context: what a tool's or an agent's body is handed.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <typeinfo>

#include "aethergraph/channel.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/detail/tool_info.hpp"
#include "aethergraph/key_value_store.hpp"
#include "aethergraph/logger.hpp"
#include "aethergraph/services.hpp"

namespace aethergraph {

/// Who is running, and the means of its run. A body gets it by a first parameter `ag::context&`.
///
/// It lives as long as the body. Thread safety: only on the strand of its run; in a body on a worker thread, there.
class context {
 public:
  context(const context&) = delete;
  context& operator=(const context&) = delete;

  /// The name of the tool or agent whose body this is.
  [[nodiscard]] std::string_view name() const noexcept { return tool_ ? std::string_view(tool_->name) : run().name(); }
  /// The identity of this node within its run, such as "fetch#3"; the run's identity in the body of an agent.
  [[nodiscard]] std::string id() const;
  /// The name of the agent; in a run of a call that of the tool, in a run of a task "task".
  [[nodiscard]] std::string_view run_name() const noexcept { return run().name(); }
  /// The identity of the run in this process, such as "batch_agent#17".
  [[nodiscard]] std::string run_id() const { return run().identity(); }
  /// Where messages go: the channel of the run's options, else its parent's, else the console.
  [[nodiscard]] aethergraph::channel& channel() const noexcept { return run().channel(); }
  /// Logs with the names of this run and node: the logger of the run's options, else its parent's, else the runtime's,
  /// else standard error.
  [[nodiscard]] node_logger logger() const noexcept { return {run().logger(), *this}; }
  /// What the bodies of this root run, and of all that nests in it, keep for one another.
  [[nodiscard]] key_value_store& kv() const { return run().kv(); }
  /// What all runs of the runtime keep for one another. Errors: `service_error` where no runtime hosts the run.
  [[nodiscard]] key_value_store& runtime_kv() const { return run().runtime_kv(); }
  /// The application's object that was registered as a `T`: with this run, one that it nests in, or the runtime.
  /// Errors: `service_error`, which names the type and those that are registered.
  template <class T>
  [[nodiscard]] T& service() const {
    return *static_cast<T*>(run().service(typeid(T)));
  }
  /// By when this body will be asked to stop: the nearest deadline or timeout around it, by the run's clock; none:
  /// never.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept {
    const auto at = surroundings_->cancellation->deadline();
    if (at == std::chrono::steady_clock::time_point::max()) return std::nullopt;
    return run().durable() ? in_run_time(at) : at;
  }
  /// The time by the clock of the run, by which all its waits go: virtual in a simulation. In a durable run it is
  /// recorded, and goes on where it was when the run is resumed.
  [[nodiscard]] std::chrono::steady_clock::time_point now() const {
    return run().durable() ? recorded_now() : surroundings_->cancellation->home().now();
  }
  /// A random number, all of whose bits are: enough to seed a generator with. In a simulation it follows from the seed;
  /// in a durable run it is recorded. Thread safety: any thread that executes the body.
  [[nodiscard]] std::uint64_t random() const;
  /// A random identifier, such as "0b0a1a1e-90a6-4c5f-8f0c-3c1f6a5ad7a4" (version 4 of RFC 9562), likewise.
  [[nodiscard]] std::string uuid() const;
  /// Names this call, or in the body of an agent the run, for whatever it asks of others: the same in each attempt, and
  /// in a durable run whenever it is repeated after a kill. Who is asked twice under the same key does it once.
  [[nodiscard]] std::string idempotency_key() const;
  /// Whether this body was asked to stop. Its next `co_await` will throw `cancelled`; a body that computes for long
  /// asks.
  [[nodiscard]] bool stop_requested() const noexcept {
    if (worker_stop_) return worker_stop_->load(std::memory_order_relaxed);  // relaxed: only the flag matters
    return surroundings_->cancellation->is_stopped();
  }

 private:
  friend node_logger;
  template <class>
  friend class detail::operation;
  template <class>
  friend class detail::entry;

  context(const detail::environment* e, const detail::tool_info* tool) noexcept : surroundings_(e), tool_(tool) {}

  [[nodiscard]] std::chrono::steady_clock::time_point in_run_time(
      std::chrono::steady_clock::time_point t) const noexcept;
  [[nodiscard]] std::chrono::steady_clock::time_point recorded_now() const;
  [[nodiscard]] std::string recorded(const char* what, std::string fresh) const;

  /// The identity of the node; empty in the body of an agent.
  [[nodiscard]] std::string node_id() const { return tool_ ? id() : std::string(); }

  [[nodiscard]] detail::run_state& run() const noexcept { return surroundings_->cancellation->run(); }

  const detail::environment* surroundings_;
  const detail::tool_info* tool_;                   // null in the body of an agent
  const std::atomic<bool>* worker_stop_ = nullptr;  // of a body on a worker thread
};

}  // namespace aethergraph
