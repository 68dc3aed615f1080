#include "aethergraph/detail/recorded_wait.hpp"

#include <string>
#include <utility>

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

namespace {

class grant final : public recorded_grant, journal_event {
 public:
  grant(durable_run& d, std::string path, std::string_view name, void (*on_turn)(void*, bool) noexcept, void* op)
      : journal_event(&turn_came, &released), run_(d), path_(std::move(path)), name_(name), on_turn_(on_turn), op_(op) {
    // What has no fact is not held: it is let through by what the program does, or never was.
    if (run_.find(path_, fact_kind::grant))
      is_replayed_ = run_.enter(*this, fact_kind::grant, path_, name_) == journal_standing::replayed;
  }

  [[nodiscard]] bool is_replayed() const noexcept override { return is_replayed_; }
  void came_from_outside() noexcept override {
    // When that was recorded it did not have to wait, so that what follows was recorded without it.
    if (run_.is_behind_recorded(path_)) return on_turn_(op_, false);
    fact f;
    f.kind = fact_kind::grant;
    f.name = name_;
    f.ended = std::chrono::system_clock::now();
    run_.occurred_at(*this, path_, std::move(f));
  }
  [[nodiscard]] bool give_up() noexcept override {
    if (has_happened() && !run_.is_closed()) return false;
    journal_event::give_up();
    is_replayed_ = false;
    return true;
  }

 private:
  static void turn_came(journal_event& e, const fact* replayed) noexcept {
    auto& self = static_cast<grant&>(e);
    self.is_replayed_ = false;
    self.on_turn_(self.op_, replayed != nullptr);
  }
  static void released(journal_event&) noexcept {}

  durable_run& run_;
  const std::string path_;
  const std::string_view name_;
  void (*on_turn_)(void*, bool) noexcept;
  void* op_;
  bool is_replayed_ = false;
};

std::chrono::system_clock::time_point later(std::chrono::system_clock::time_point from, duration d) noexcept {
  const time_point at = saturating_add(time_point(from.time_since_epoch()), d);
  return std::chrono::system_clock::time_point(at.time_since_epoch());
}

// A sleep that begins anew with each process would never end in processes that live shorter; a short one may.
constexpr duration least_noted = std::chrono::seconds(1);

// Invariant: the timer is pending exactly while the event is live and the time has not come.
class durable_timer final : public recorded_timer, journal_event, timer {
 public:
  durable_timer(durable_run& d, loop& home, std::string path, std::string_view name, const timer_wish& wish,
      void (*on_time)(void*) noexcept, void* op)
      : journal_event(&turn_came, &released),
        run_(d),
        home_(home),
        name_(name),
        from_now_(wish.from_now),
        waits_for_start_(wish.starts_later),
        on_time_(on_time),
        op_(op) {
    on_expiry = [](timer& t) noexcept { static_cast<durable_timer&>(t).expired(); };
    timer::may_outlast = wish.may_outlast;
    const journal_standing standing = run_.enter(*this, fact_kind::timer, std::move(path), name);
    if (standing == journal_standing::refused) std::rethrow_exception(run_.failure());
    is_live_ = standing == journal_standing::live;
    begin();
  }
  ~durable_timer() override { stop(); }

  void start() noexcept override {
    waits_for_start_ = false;
    begin();
  }
  [[nodiscard]] std::optional<std::chrono::system_clock::time_point> due() const noexcept override { return due_; }
  // Also when the time has come: as long as it had no turn, it is no fact, and may be none when the run is resumed.
  [[nodiscard]] bool give_up() noexcept override {
    if (is_replayed() && !run_.is_closed()) return false;
    journal_event::give_up();
    stop();
    return true;
  }

 private:
  [[nodiscard]] std::chrono::system_clock::time_point run_time() const noexcept {
    return std::chrono::system_clock::time_point((home_.now().time_since_epoch() + run_.clock_offset()));
  }
  void begin() noexcept {
    if (!is_live_) return;
    try {
      if (!due_) note_due();
      if (!waits_for_start_) set();
    } catch (...) {
      run_.fail(std::current_exception());
    }
  }
  void note_due() {
    std::chrono::system_clock::time_point at = later(run_time(), from_now_);
    if (from_now_ >= least_noted || may_outlast) {
      const std::string noted = path() + "@due";
      if (const fact* f = run_.find(noted, fact_kind::value))
        at = std::chrono::system_clock::time_point(duration(std::stoll(f->value)));
      else run_.note(fact_kind::value, noted, "due", std::to_string(at.time_since_epoch().count()));
    }
    due_ = at;
  }
  void set() {
    home_.add_timer(*this, saturating_add(home_.now(), *due_ - run_time()));
    if (may_outlast) run_.sleeps_until(*due_);
  }
  void stop() noexcept {
    if (!is_pending()) return;
    home_.remove_timer(*this);
    if (may_outlast) run_.has_slept_until(*due_);
  }
  void expired() noexcept {
    if (may_outlast) run_.has_slept_until(*due_);
    fact f;
    f.kind = fact_kind::timer;
    f.name = name_;
    f.ended = std::chrono::system_clock::now();
    run_.occurred(*this, std::move(f), false);
  }
  static void turn_came(journal_event& e, const fact*) noexcept {
    auto& self = static_cast<durable_timer&>(e);
    self.on_time_(self.op_);
  }
  static void released(journal_event& e) noexcept {
    auto& self = static_cast<durable_timer&>(e);
    self.is_live_ = true;
    self.begin();
  }

  durable_run& run_;
  loop& home_;
  const std::string_view name_;
  const duration from_now_;
  bool waits_for_start_;
  bool is_live_ = false;
  std::optional<std::chrono::system_clock::time_point> due_;
  void (*on_time_)(void*) noexcept;
  void* op_;
};

}  // namespace

std::unique_ptr<recorded_grant> durable_run::make_grant(
    const environment& e, std::string_view name, void (*on_turn)(void* op, bool is_replayed) noexcept, void* op) {
  return std::make_unique<grant>(*this, next_path(e), name, on_turn, op);
}

std::unique_ptr<recorded_timer> durable_run::make_timer(
    const environment& e, std::string_view name, const timer_wish& wish, void (*on_time)(void* op) noexcept, void* op) {
  return std::make_unique<durable_timer>(*this, e.cancellation->home(), next_path(e), name, wish, on_time, op);
}

std::unique_ptr<recorded_timer> durable_run::make_deadline(
    run_state& nested, duration from_now, void (*on_time)(void* op) noexcept, void* op) {
  const timer_wish wish{.from_now = from_now, .may_outlast = true};
  std::string path = nested.log()->replay_path(nested.number()) + "/@deadline";
  return std::make_unique<durable_timer>(*this, nested.home(), std::move(path), "a deadline", wish, on_time, op);
}

}  // namespace aethergraph::detail
