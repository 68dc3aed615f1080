// A durable run that counts its effects in a file, to be killed at any moment: see durable_killer.cpp.
//
// durable_victim STORE RUN reactive|static CAP EFFECTS: prints the result.

#include <fcntl.h>
#include <unistd.h>

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/sqlite.hpp>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <ranges>
#include <string>
#include <vector>

namespace ag = aethergraph;
using namespace std::chrono_literals;

namespace {

int effects = -1;

/// One line a running of a body, whole whatever happens afterwards.
void take_effect(ag::context& ctx) {
  const std::string line = ctx.idempotency_key() + "\n";
  if (::write(effects, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
}

const ag::tool plain{"plain", [](ag::context& ctx, int x) {
  take_effect(ctx);
  return 3 * x + 1;
}};
const ag::tool waiting{"waiting", [](ag::context& ctx, int x) -> ag::task<int> {
  take_effect(ctx);
  co_await ag::sleep_for(std::chrono::microseconds(100 + 300 * (x % 5)));
  co_return x + 7;
}};
const ag::tool failing{"failing", [](ag::context& ctx, int x) -> ag::task<int> {
  take_effect(ctx);
  co_await ag::sleep_for(200us);
  if (x % 3 == 0) throw std::runtime_error("no " + std::to_string(x));
  co_return x;
}};
const ag::tool moody{"moody", [](ag::context& ctx, int x) -> ag::task<int> {
  take_effect(ctx);
  co_await ag::sleep_for(100us);
  static int calls = 0;
  if (++calls % 2 == 1) throw std::runtime_error("try again");
  co_return x* x % 101;
}, {.retry = {.max_attempts = 20, .first_delay = 100us}}};
const ag::tool calling{"calling", [](ag::context& ctx, int x) -> ag::task<int> {
  take_effect(ctx);
  const int a = co_await waiting(x);
  const auto [b, c] = co_await ag::gather(plain(a), waiting(a + 1));
  co_return (a + b + c) % 1009;
}};

const ag::graph_fn inner{"inner", [](int x) -> ag::task<int> {
  const int a = co_await plain(x);
  co_return co_await calling(a % 50);
}};

const ag::graph_fn agent{"agent", [](ag::context& ctx, int width) -> ag::task<std::string> {
  std::uint64_t hash = 1;
  const auto add = [&](std::uint64_t x) { hash = hash * 1'000'003 + x; };
  for (int round = 0; round < 3; ++round) {
    const std::vector<int> xs = [&] {
      std::vector<int> all(static_cast<std::size_t>(width));
      std::iota(all.begin(), all.end(), round);
      return all;
    }();
    for (const int x : co_await ag::gather(xs | std::views::transform(calling))) add(static_cast<std::uint64_t>(x));
    for (const auto& r : co_await ag::gather_results(xs | std::views::transform(failing)))
      add(r.has_value() ? static_cast<std::uint64_t>(r.value()) : 999);
    for (const int x : co_await ag::gather(xs | std::views::transform(moody))) add(static_cast<std::uint64_t>(x));
    add(static_cast<std::uint64_t>(co_await inner(round)));
    co_await ag::sleep_for(300us);
  }
  static_cast<void>(ctx);
  co_return std::to_string(hash);
}};

const ag::tool summed{"summed", [](std::vector<int> xs) {
  return std::accumulate(xs.begin(), xs.end(), 0, [](int a, int b) { return (31 * a + b) % 100'003; });
}};
const ag::graphify layered{"layered", [](int width) {
  std::vector<ag::node<int>> layer;
  for (int i = 0; i < width; ++i) layer.push_back(plain(i));
  for (int depth = 0; depth < 3; ++depth) {
    std::vector<ag::node<int>> next;
    for (int i = 0; i < width; ++i) {
      const ag::node<int> at = layer[static_cast<std::size_t>(i)];
      next.push_back(i % 3 == 0 ? ag::node<int>(calling(at)) : i % 3 == 1 ? ag::node<int>(moody(at)) : waiting(at));
    }
    next.push_back(inner(summed(layer)));
    layer = next;
  }
  return summed(layer);
}};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: durable_victim STORE RUN reactive|static CAP EFFECTS\n", stderr);
    return 2;
  }
  effects = ::open(argv[5], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (effects < 0) return 3;
  ag::sqlite_store store{argv[1], {.synchronous = ag::synchronous::normal}};
  const ag::run_options options{.max_concurrency = std::atoi(argv[4]), .store = &store, .run_id = argv[2]};
  const std::string result =
      argv[3] == std::string("static") ? std::to_string(ag::run(layered(6), options)) : ag::run(agent(6), options);
  std::puts(result.c_str());
}
