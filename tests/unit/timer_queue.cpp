#include "aethergraph/detail/timer_queue.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <random>
#include <ranges>
#include <utility>

#include "aethergraph/aethergraph.hpp"
#include "support/catch.hpp"

namespace ag = aethergraph;
using ag::detail::time_point;
using ag::detail::timer;
using ag::detail::timer_queue;
using namespace std::chrono_literals;

namespace {

// What a queue of timers has to do, done by a map.
class checked_queue {
 public:
  explicit checked_queue(unsigned seed, std::uint32_t first_position = 0) : queue_(first_position), random_(seed) {}

  void add(timer& t, std::int64_t at) {
    queue_.add(t, time_point(std::chrono::nanoseconds(at)));
    all_.emplace(std::pair(at, next_order_++), &t);
    check();
  }
  void remove_any() {
    if (all_.empty()) return;
    const auto any = std::next(all_.begin(), static_cast<std::ptrdiff_t>(random_() % all_.size()));
    queue_.remove(*any->second);
    are_right_ = are_right_ && !any->second->is_pending();
    all_.erase(any);
    check();
  }
  void pop() {
    if (all_.empty()) return;
    are_right_ = are_right_ && &queue_.pop() == all_.begin()->second;
    all_.erase(all_.begin());
    check();
  }
  [[nodiscard]] bool are_right() const { return are_right_; }
  [[nodiscard]] std::size_t size() const { return all_.size(); }

 private:
  void check() {
    are_right_ = are_right_ && queue_.size() == all_.size() && queue_.empty() == all_.empty();
    if (all_.empty()) return;
    const auto& [when, first] = *all_.begin();
    are_right_ = are_right_ && queue_.is_earliest(*first) && queue_.earliest().time_since_epoch().count() == when.first;
  }

  timer_queue queue_;
  std::map<std::pair<std::int64_t, int>, timer*> all_;
  int next_order_ = 0;
  std::mt19937 random_;
  bool are_right_ = true;
};

// How long timers wait, by the pattern that is tried.
std::int64_t duration_of(int pattern, std::mt19937& random) {
  static constexpr std::int64_t few[] = {10, 1000, 100'000, 5, 77, 300};
  switch (pattern) {
    case 0:
      return 100;
    case 1:
      return few[random() % 3];
    case 2:
      return few[random() % 6];
    case 3:
      return random() % 10 > 0 ? 50 : random() % 100'000;
    default:
      return random() % 1000;
  }
}

}  // namespace

TEST_CASE("timers come in the order of their times, whatever is added and removed") {
  const int pattern = GENERATE(range(0, 5));
  for (unsigned seed = 1; seed <= 10; ++seed) {
    CAPTURE(pattern, seed);
    std::mt19937 random(seed);
    checked_queue queue(seed);
    std::deque<timer> timers(500);
    std::int64_t now = 0;
    std::size_t most = 0;
    for (int step = 0; step < 4000; ++step) {
      now += random() % 3;
      const auto what = random() % 100;
      if (what < (step < 2000 ? 70 : 30)) {
        if (timer& t = timers[random() % timers.size()]; !t.is_pending())
          queue.add(t, now + duration_of(pattern, random));
      } else if (what % 2 == 0) {
        queue.remove_any();
      } else {
        queue.pop();
      }
      most = std::max(most, queue.size());
    }
    while (queue.size() > 0) queue.pop();
    REQUIRE(queue.are_right());
    CHECK(most > 100);  // so that there were sorted runs
  }
}

// A queue that is never empty goes on for ever: positions go round, in each of the runs.
TEST_CASE("timers that expire in a row, and are added again, may do so for ever") {
  const std::uint32_t before_the_turn = (std::uint32_t{1} << 28) - 5000;
  checked_queue queue(1, before_the_turn);
  std::deque<timer> timers(300);
  std::int64_t now = 0;
  for (timer& t : timers) queue.add(t, now++ + 4000);  // fills the heap, and then a run
  timer longer[3];
  for (std::int64_t i = 0; i < 3; ++i) queue.add(longer[i], 2'000'000'000 - i);  // a run each, if there is one
  for (int round = 0; round < 20'000; ++round) {
    queue.pop();
    for (timer& t : timers) {
      if (t.is_pending()) continue;
      queue.add(t, now++ + 4000);
      break;
    }
  }
  CHECK(queue.are_right());
  CHECK(queue.size() == 303);
}

TEST_CASE("a timer that is due before many others ends in time") {
  auto later = [](int) -> ag::task<> { co_await ag::sleep_for(1min); };
  auto all_later = [&later]() -> ag::task<> {
    co_await ag::gather(std::views::iota(0, 2000) | std::views::transform(later));
  };
  auto sooner = [](int* ended) -> ag::task<> {
    for (; *ended < 100; ++*ended) co_await ag::sleep_for(1ms);
  };
  int ended = 0;
  auto body = [&]() -> ag::task<> { co_await ag::race(all_later(), sooner(&ended)); };
  const auto begin = std::chrono::steady_clock::now();
  ag::run(body());
  CHECK(ended == 100);
  CHECK(std::chrono::steady_clock::now() - begin < 1min);
}
