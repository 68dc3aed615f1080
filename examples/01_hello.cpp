// A tool, an agent, a run: the whole model.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <string>

namespace ag = aethergraph;

// snippet tools
// A tool is a named callable. Its parameters and its result are deduced. The body may be a coroutine ...
const ag::tool greet{
    "greet", [](std::string name) -> ag::task<std::string> { co_return fmt::format("Hello, {}", name); }};

// ... or a plain function.
const ag::tool exclaim{"exclaim", [](std::string text) { return text + "!"; }};
// end snippet

// snippet agent
// An agent is a coroutine that calls tools. Its context leads, among other things, to the channel for its messages.
const ag::graph_fn hello{"hello", [](ag::context& ctx, std::string name) -> ag::task<std::string> {
  co_await ctx.channel().send_text(fmt::format("{} greets {}", ctx.name(), name));
  std::string greeting = co_await greet(name);
  co_return co_await exclaim(std::move(greeting));
}};
// end snippet

int main() {
  // Calling an agent gives an invocation, which does nothing yet; a run executes it, here on this thread.
  const std::string greeting = ag::run(hello("world"));
  fmt::print("{}\n", greeting);
}
