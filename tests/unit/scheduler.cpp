// The scheduler against a model that says the same thing slowly: slots, families, and who is next.

#include <aethergraph/detail/scheduler.hpp>
#include <algorithm>
#include <deque>
#include <list>
#include <memory>
#include <random>

#include "aethergraph/detail/blocking_loop.hpp"
#include "support/catch.hpp"

namespace detail = aethergraph::detail;

namespace {

struct fake_call : detail::call_state {
  fake_call* parent_call = nullptr;
  bool has_started = false;  // according to the scheduler
  std::vector<fake_call*> open_children;
};

/// Collects what the scheduler makes ready instead of running it.
class recording_loop final : public detail::blocking_loop {
 public:
  std::vector<fake_call*> take_granted() {
    std::vector<fake_call*> granted;
    while (!ready_.empty()) granted.push_back(&static_cast<fake_call&>(ready_.pop()));
    return granted;
  }
};

/// The rules, with no regard for cost.
class model {
 public:
  explicit model(std::size_t cap) : cap_(cap) {}

  // Whether the call starts at once.
  bool acquire(fake_call& c) {
    if (may_start(c)) {
      start(c);
      return true;
    }
    waiting_.push_back(&c);
    return false;
  }
  // Which call starts in the place of the one that ends, or null.
  fake_call* release(fake_call& c) {
    started_.remove(&c);
    fake_call* next = nullptr;
    if (c.parent_call && started_children(*c.parent_call) == 0) {
      // the slot is the caller's: its own first waiting child may have it
      const auto own =
          std::find_if(waiting_.begin(), waiting_.end(), [&](fake_call* w) { return w->parent_call == c.parent_call; });
      if (own != waiting_.end()) next = *own;
    } else if (!waiting_.empty()) {
      next = waiting_.front();
    }
    if (next) {
      leave(*next);
      start(*next);
    }
    return next;
  }
  void leave(fake_call& c) { waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &c)); }

  [[nodiscard]] std::size_t held() const {
    // One slot for each started call that has no started child: a body with k > 0 children has lent its own.
    std::size_t n = 0;
    for (fake_call* c : started_) n += started_children(*c) == 0;
    return n;
  }
  [[nodiscard]] bool is_waiting(const fake_call& c) const {
    return std::find(waiting_.begin(), waiting_.end(), &c) != waiting_.end();
  }

 private:
  [[nodiscard]] std::size_t started_children(const fake_call& c) const {
    return static_cast<std::size_t>(
        std::count_if(started_.begin(), started_.end(), [&](fake_call* s) { return s->parent_call == &c; }));
  }
  [[nodiscard]] bool may_start(const fake_call& c) const {
    if (c.parent_call && started_children(*c.parent_call) == 0) return true;
    return held() < cap_ && waiting_.empty();
  }
  void start(fake_call& c) { started_.push_back(&c); }

  std::size_t cap_;
  std::list<fake_call*> started_;
  std::deque<fake_call*> waiting_;
};

void never(detail::ready_item&) noexcept {}
void start_body(fake_call& c) { ::new (&c.body) detail::calling_body; }

}  // namespace

TEST_CASE("the scheduler agrees with its model over random families, caps and cancellations") {
  for (unsigned seed = 0; seed < 1000; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const std::size_t cap = seed % 8 + 1;
    recording_loop loop;
    detail::scope scope;
    scope.open_root(loop);
    detail::scheduler slots;
    slots.set_capacity(cap);
    model expected(cap);
    std::vector<std::unique_ptr<fake_call>> all;
    std::vector<fake_call*> running;
    std::vector<fake_call*> waiting;
    bool agrees = true;

    auto pick = [&](auto& from) { return from[random() % from.size()]; };
    for (int step = 0; step < 150 && agrees; ++step) {
      const auto what = random() % 10;
      if (what < 5) {  // a new call: of the run's body, or of a running call's
        auto& c = *all.emplace_back(std::make_unique<fake_call>());
        c.cancellation = &scope;
        if (!running.empty() && random() % 3 > 0) c.parent_call = pick(running);
        c.caller = c.parent_call;
        const bool starts = slots.acquire(c);
        if (starts) start_body(c);
        else slots.wait(c, 0, &never);
        agrees = agrees && starts == expected.acquire(c);
        if (c.parent_call) c.parent_call->open_children.push_back(&c);
        (starts ? running : waiting).push_back(&c);
      } else if (what < 8) {  // a call ends that waits for no child
        std::vector<fake_call*> leaves;
        for (fake_call* c : running)
          if (c->open_children.empty()) leaves.push_back(c);
        if (leaves.empty()) continue;
        fake_call& c = *pick(leaves);
        slots.release(c, loop);
        fake_call* next = expected.release(c);
        const auto granted = loop.take_granted();
        agrees = agrees && granted == (next ? std::vector<fake_call*>{next} : std::vector<fake_call*>{});
        running.erase(std::find(running.begin(), running.end(), &c));
        if (c.parent_call) std::erase(c.parent_call->open_children, &c);
        if (next) {
          start_body(*next);
          std::erase(waiting, next);
          running.push_back(next);
        }
      } else if (!waiting.empty()) {  // one that waits gives up
        fake_call& c = *pick(waiting);
        slots.leave(c);
        expected.leave(c);
        std::erase(waiting, &c);
        if (c.parent_call) std::erase(c.parent_call->open_children, &c);
      }
      agrees = agrees && slots.held() == expected.held() && slots.held() <= cap && slots.peak() <= cap;
    }
    REQUIRE(agrees);
  }
}
