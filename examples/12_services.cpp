// What bodies are handed besides their arguments: a logger, stores of values, the application's own objects.
#include <fmt/format.h>

#include <aethergraph/aethergraph.hpp>
#include <chrono>
#include <ranges>
#include <string>
#include <vector>

namespace ag = aethergraph;

// snippet logger
// A logger of one's own. This one leaves the time out, so that the example prints the same each time.
class plain_logger final : public ag::logger {
 public:
  plain_logger() : logger(ag::log_level::info) {}
  void write(const ag::log_line& line) override {
    fmt::print("[{}] {} {}: {}\n", to_string(line.level), line.run, line.node.empty() ? "-" : line.node, line.text);
  }
};
// end snippet

// snippet service
// An object of the application, which knows nothing of agents. It is registered under its base class.
class prices {
 public:
  virtual ~prices() = default;
  virtual int of(const std::string& article) = 0;
};

const ag::tool price{"price", [](ag::context& ctx, std::string article) {
  const int cents = ctx.service<prices>().of(article);
  ctx.logger().debug("{} costs {}", article, cents);
  if (cents == 0) ctx.logger().warning("{} has no price", article);
  return cents;
}};
// end snippet

class shop_prices final : public prices {
 public:
  int of(const std::string& article) override { return article == "cheese" ? 450 : article == "bread" ? 320 : 0; }
};
class sale_prices final : public prices {
 public:
  int of(const std::string&) override { return 100; }
};

// snippet kv
// kv() is one run's, with all that nests in it; runtime_kv() is shared by all runs of the runtime.
const ag::graph_fn bill{"bill", [](ag::context& ctx, std::vector<std::string> articles) -> ag::task<int> {
  int sum = 0;
  for (const int cents : co_await ag::gather(articles | std::views::transform(price))) sum += cents;
  ctx.kv().set("sum", sum);
  const int bills = ctx.runtime_kv().update<int>("bills", [](int n) { return n + 1; });
  ctx.logger().info("bill {}: {}", bills, sum);
  co_return ctx.kv().get<int>("sum").value_or(0);
}};
// end snippet

int main() {
  // snippet registered
  shop_prices shop;
  plain_logger log;
  ag::runtime rt({.logger = &log});
  rt.services().add<prices>(shop);
  const std::vector<std::string> articles{"bread", "cheese", "unicorn"};
  ag::run(rt, bill(articles));
  // end snippet

  // snippet override
  // One run with other services and another logger: what is nearest wins.
  sale_prices sale;
  ag::services on_sale;
  on_sale.add<prices>(sale);
  ag::memory_logger kept;
  ag::run(rt, bill(articles), {.logger = &kept, .services = &on_sale});
  fmt::print("kept: {}\n", fmt::join(kept.lines(), " / "));
  // end snippet

  // snippet missing
  try {
    ag::run(price("bread"));
  } catch (const ag::service_error& e) {
    fmt::print("{}\n", e.what());
  }
  // end snippet
}
