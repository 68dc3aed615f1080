// What happens when a tool throws, and the three ways to deal with it.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <ranges>
#include <stdexcept>
#include <string>

namespace ag = aethergraph;
using namespace std::chrono_literals;

const ag::tool parse{"parse", [](std::string text) -> ag::task<int> {
  co_await ag::sleep_for(1ms);
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos)
    throw std::invalid_argument(fmt::format("'{}' is not a number", text));
  co_return std::stoi(text);
}};
const ag::tool release{"release", [](ag::context& ctx) -> ag::task<> {
  co_await ag::sleep_for(1ms);
  co_await ctx.channel().send_text("released");
}};

// snippet all_or_nothing
// A failure of a gathered call cancels the others, awaits them, and arrives at the co_await as the tool threw it.
const ag::graph_fn all_or_nothing{"all_or_nothing", [](std::vector<std::string> texts) -> ag::task<int> {
  int sum = 0;
  for (const int n : co_await ag::gather(texts | std::views::transform(parse))) sum += n;
  co_return sum;
}};
// end snippet

// snippet what_can_be_had
// gather_results never throws what a call threw: each outcome is a value or an exception.
const ag::graph_fn what_can_be_had{"what_can_be_had", [](std::vector<std::string> texts) -> ag::task<int> {
  int sum = 0;
  for (const ag::result<int>& r : co_await ag::gather_results(texts | std::views::transform(parse)))
    sum += r ? r.value() : 0;
  co_return sum;
}};
// end snippet

// snippet careful
// C++ allows no co_await in a handler, so as_result gives the outcome as a value first. The clean-up is shielded: it is
// awaited to its end even when this agent itself was asked to stop.
const ag::graph_fn careful{"careful", [](std::string text) -> ag::task<int> {
  auto number = co_await ag::as_result(parse(text));
  co_await ag::shielded(release());
  co_return number.value();  // throws what `parse` threw
}};
// end snippet

int main() {
  const std::vector<std::string> texts{"1", "2", "three", "4"};
  try {
    ag::run(all_or_nothing(texts));
  } catch (const std::invalid_argument& e) {
    fmt::print("all_or_nothing: {}\n", e.what());
  }
  fmt::print("what_can_be_had: {}\n", ag::run(what_can_be_had(texts)));
  try {
    ag::run(careful("five"));
  } catch (const std::invalid_argument& e) {
    fmt::print("careful: {}\n", e.what());
  }

  // Outside a run, try_run does the same for the whole of it, and keeps which calls failed.
  const auto outcome = ag::try_run(what_can_be_had(texts));
  fmt::print("ok: {}, calls that failed: {}\n", outcome.ok(), outcome.failures().size());
}
