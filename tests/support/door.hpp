// What tests of hosted runs need: a door that a run stands at, and patience.
#pragma once

#include <aethergraph/aethergraph.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

namespace test {

namespace ag = aethergraph;

/// Whether something comes true before the patience of a test ends.
template <class Predicate>
bool eventually(Predicate is_true) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!is_true()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// Runs wait at it until it is opened, from any thread.
class door {
 public:
  door() : closed_(ag::run(sem_.acquire())) {}
  void open() { closed_.reset(); }

  /// Waits; a request to stop ends it.
  ag::task<> pass() {
    ++arrived_;
    const auto permit = co_await sem_.acquire();
  }
  /// Waits, and ignores requests to stop.
  ag::task<> insist() { co_await ag::shielded(pass()); }

  /// How many have come, and perhaps gone.
  [[nodiscard]] int arrived() const { return arrived_; }

 private:
  ag::semaphore sem_{1};
  std::optional<ag::semaphore::permit> closed_;
  std::atomic<int> arrived_ = 0;
};

/// How many are inside at once, and the most that ever were. Any thread.
class gauge {
 public:
  class inside {
   public:
    explicit inside(gauge& g) : gauge_(g) {
      const int now = ++gauge_.now_;
      for (int seen = gauge_.most_; seen < now && !gauge_.most_.compare_exchange_weak(seen, now);) {
      }
    }
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;
    ~inside() { --gauge_.now_; }

   private:
    gauge& gauge_;
  };
  [[nodiscard]] int now() const { return now_; }
  [[nodiscard]] int most() const { return most_; }

 private:
  std::atomic<int> now_ = 0;
  std::atomic<int> most_ = 0;
};

}  // namespace test
