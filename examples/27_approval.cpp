// 27_approval STORE run RUN AMOUNT | 27_approval STORE answer TOKEN yes|no: an agent that pays only what somebody has
// approved, and the process of that somebody. The agent's process does not stay for the answer: status 3 says that the
// run is parked. With the same words it goes on.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/sqlite.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace ag = aethergraph;

// snippet approval
const ag::tool quote{"quote", [](int amount) { return fmt::format("{} euros for coffee", amount); }};

// The key is the same whenever this call is repeated, so a bank that knows it pays once.
const ag::tool pay{"pay", [](ag::context& ctx, int amount) {
  fmt::print("paying {} euros under the key {}\n", amount, ctx.idempotency_key());
  return fmt::format("paid {}", amount);
}};

const ag::graph_fn buy{"buy", [](ag::context& ctx, int amount) -> ag::task<std::string> {
  const std::string offer = co_await quote(amount);
  if (!co_await ctx.channel().ask_approval(fmt::format("Pay {}?", offer))) co_return "nothing was paid";
  co_return co_await pay(amount);
}};

int buyer(ag::run_store& store, const std::string& id, int amount) {
  try {
    fmt::print("{}\n", ag::run(buy(amount), {.store = &store, .run_id = id}));
    return 0;
  } catch (const ag::run_parked& parked) {
    fmt::print("parked until somebody answers {}\n", parked.questions().at(0).token);
    return 3;  // nothing is left in this process
  }
}

int approver(ag::run_store& store, const std::string& token, bool is_approved) {
  ag::deliver(store, token, is_approved);
  return 0;
}
// end snippet

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() != 4 || (arguments[1] != "run" && arguments[1] != "answer"))
      throw std::invalid_argument("usage: STORE run RUN AMOUNT, or STORE answer TOKEN yes|no");
    ag::sqlite_store store(arguments[0]);
    if (arguments[1] == "run") return buyer(store, arguments[2], std::stoi(arguments[3]));
    return approver(store, arguments[2], arguments[3] == "yes");
  } catch (const std::exception& e) {
    fmt::print(stderr, "27_approval: {}\n", e.what());
    return 2;
  }
}
