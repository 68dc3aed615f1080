// Backpressure: makers and users of values at a pace of their own, with a bounded queue between them.
#include <fmt/format.h>
#include <aethergraph/aethergraph.hpp>

#include <chrono>
#include <string>
#include <thread>

namespace ag = aethergraph;
using namespace std::chrono_literals;

// snippet pipeline
ag::task<> read_pages(ag::queue<std::string>& pages) {
  for (int i = 1; i <= 6; ++i) co_await pages.push(fmt::format("page {}", i));  // waits while two are waiting already
  pages.close();                                                                // that was all
}

ag::task<int> summarize_pages(ag::queue<std::string>& pages) {
  int n = 0;
  while (auto page = co_await pages.pop()) {  // std::nullopt when it is closed and empty
    co_await ag::sleep_for(5ms);              // a slow model
    ++n;
  }
  co_return n;
}

const ag::graph_fn summarize{"summarize", []() -> ag::task<int> {
  ag::queue<std::string> pages{2};
  const auto all = co_await ag::gather(read_pages(pages), summarize_pages(pages), summarize_pages(pages));
  const auto& [read, first, second] = all;
  co_return first + second;
}};
// end snippet

int main() {
  fmt::print("{} pages summarized\n", ag::run(summarize()));

  // snippet threads
  // Runs on different threads may share a queue: each of them goes on where it belongs.
  ag::queue<int> numbers{8};
  std::thread maker([&] {
    const auto body = [&]() -> ag::task<> {
      for (int i = 1; i <= 1000; ++i) co_await numbers.push(i);
      numbers.close();
    };
    ag::run(body());
  });
  const auto add_up = [&]() -> ag::task<int> {
    int sum = 0;
    while (const auto x = co_await numbers.pop()) sum += *x;
    co_return sum;
  };
  fmt::print("the sum is {}\n", ag::run(add_up()));
  maker.join();
  // end snippet
}
