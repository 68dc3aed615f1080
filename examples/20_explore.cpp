// Finding a mistake that shows in some orders of events only, replaying it, and proving its repair.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <cstdint>

namespace ag = aethergraph;
using namespace std::chrono_literals;

// snippet agent
struct quote {
  int minute = 0;
  int price = 0;
};

// The service takes its time: a minute for some questions, two for others.
const ag::tool price_at{"price_at", [](int minute) -> ag::task<quote> {
  co_await ag::sleep_for(minute % 2 == 0 ? 1min : 2min);
  co_return quote{minute, 100 + minute};
}};

// What the agent does with an answer.
using keep = void (*)(quote& latest, const quote& answer);

// Asks for the price each minute, without waiting for the answers before, and gives the latest.
const ag::graph_fn watch{"watch", [](ag::context& ctx, keep keep_it) -> ag::task<int> {
  quote latest;
  auto ask = [&](int minute) -> ag::task<> {
    const quote answer = co_await price_at(minute);
    keep_it(latest, answer);
    co_await ctx.channel().send_text(fmt::format("minute {}: {}", answer.minute, answer.price));
  };
  co_await ag::with_group([&](ag::task_group& group) -> ag::task<> {
    for (int minute = 1; minute <= 4; ++minute) {
      group.spawn(ask(minute));
      co_await ag::sleep_for(1min);
    }
  });
  co_return latest.price;
}};

// The mistake: what answered last need not be what was asked last.
void keep_last_answer(quote& latest, const quote& answer) { latest = answer; }
// Its repair.
void keep_newest(quote& latest, const quote& answer) {
  if (answer.minute > latest.minute) latest = answer;
}
// end snippet

// snippet deadlock
struct account {
  ag::semaphore lock{1};
};

// Two of them that go in opposite directions wait for each other.
const ag::tool transfer{"transfer", [](account* from, account* to) -> ag::task<> {
  const auto first = co_await from->lock.acquire();
  co_await ag::sleep_for(1s);
  const auto second = co_await to->lock.acquire();
}};

const ag::graph_fn swap_money{"swap_money", []() -> ag::task<> {
  account a;
  account b;
  co_await ag::gather(transfer(&a, &b), transfer(&b, &a));
}};
// end snippet

int main() {
  ag::memory_channel ignored;
  std::uint64_t failing = 0;

  // snippet explore
  // 1,000 orders of events, 4 minutes each, until one of them gives another price than the last one asked for.
  const auto is_newest = [](int price) { return price == 104; };
  try {
    const auto mistaken = [] { return watch(keep_last_answer); };
    ag::testing::explore(1000, mistaken, is_newest, {.run = {.channel = &ignored}});
  } catch (const ag::testing::exploration_error& e) {
    failing = e.seed();
    fmt::print("{}\n\n", e.what());
  }
  // end snippet

  // snippet replay
  // The seed that failed takes the same steps again: under a debugger, or with more of a log.
  ag::memory_channel told;
  ag::testing::simulation replay{failing};
  fmt::print("{}, from:\n", replay.run(watch(keep_last_answer), {.channel = &told}));
  for (const auto& text : told.texts()) fmt::print("  {}\n", text);
  // end snippet

  // snippet repaired
  const auto repaired = [] { return watch(keep_newest); };
  const auto all = ag::testing::explore(1000, repaired, is_newest, {.run = {.channel = &ignored}});
  fmt::print("repaired: {} seeds, none fails; several interleavings: {}\n\n", all.seeds, all.interleavings > 1);
  // end snippet

  // snippet whole
  // Two runs, one after the other, on the same clock.
  ag::testing::explore(100, [&](ag::testing::simulation& day) {
    const int morning = day.run(watch(keep_newest), {.channel = &ignored});
    const int evening = day.run(watch(keep_newest), {.channel = &ignored});
    return morning == evening && day.elapsed() == 8min;
  });
  // end snippet

  // snippet report
  try {
    ag::testing::simulation(1).run(swap_money());
  } catch (const ag::testing::deadlock_error& e) {
    fmt::print("{}\n", e.what());
  }
  // end snippet
}
