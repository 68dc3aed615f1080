// context: what a tool's or an agent's body is handed.
#pragma once

#include <string>
#include <string_view>

#include "aethergraph/channel.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/detail/tool_info.hpp"

namespace aethergraph {

/// Who is running, and the means of its run. A body gets it by a first parameter `ag::context&`.
///
/// It lives as long as the body. Thread safety: only on the strand of its run.
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
  /// Whether this body was asked to stop. Its next `co_await` will throw `cancelled`; a body that computes for long
  /// asks.
  [[nodiscard]] bool stop_requested() const noexcept { return surroundings_->cancellation->is_stopped(); }

 private:
  template <class>
  friend class detail::operation;
  template <class>
  friend class detail::entry;

  context(const detail::environment* e, const detail::tool_info* tool) noexcept : surroundings_(e), tool_(tool) {}

  [[nodiscard]] detail::run_state& run() const noexcept { return surroundings_->cancellation->run(); }

  const detail::environment* surroundings_;
  const detail::tool_info* tool_;  // null in the body of an agent
};

}  // namespace aethergraph
