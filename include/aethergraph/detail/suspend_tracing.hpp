// While a thread executes a run, the graph that it traces is set aside.
#pragma once

namespace aethergraph::detail {

/// Sets the calling thread's tracing aside, and gives what `resume_tracing` is to be given.
[[nodiscard]] void* suspend_tracing() noexcept;
void resume_tracing(void* suspended) noexcept;

}  // namespace aethergraph::detail
