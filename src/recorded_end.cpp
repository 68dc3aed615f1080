#include "aethergraph/detail/recorded_end.hpp"

#include <fmt/format.h>

#include <memory>

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/divergence_error.hpp"
#include "aethergraph/recorded_error.hpp"

namespace aethergraph::detail {

namespace {

class end_of_root final : public recorded_end {
 public:
  explicit end_of_root(run_state& s) noexcept : state_(s) {}

  void begin(const std::exception_ptr& failure, std::string (*encode)(void* run), void (*on_end)(void* run) noexcept,
      void* run) noexcept override {
    durable_run& d = *state_.durable();
    on_end_ = on_end;
    run_ = run;
    const auto on_left = [](void* self) noexcept {
      auto& e = *static_cast<end_of_root*>(self);
      e.on_end_(e.run_);
    };
    try {
      d.check_is_replayed();
      if (d.was_cancelled_for_good()) {
        if (!failure) d.fail(cancelled_because(stop_reason::asked_by_caller));
        return d.leave(run_status::cancelled, {}, on_left, this);
      }
      // What a stopped run has come to is not what it would have come to.
      if (!d.failure() && !state_.is_stopped()) {
        if (!failure) return d.leave(run_status::done, redacted(encode(run)), on_left, this);
        std::string json = redacted(encode_failure(failure));
        d.throw_instead(decode_failure(json));
        return d.leave(run_status::failed, std::move(json), on_left, this);
      }
    } catch (...) {
      d.fail(std::current_exception());
    }
    d.leave_resumable(on_left, this);
  }

 private:
  std::string redacted(std::string json) const {
    state_.durable()->redact(state_.name(), json);
    return json;
  }

  run_state& state_;
  void (*on_end_)(void*) noexcept = nullptr;
  void* run_ = nullptr;
};

// Invariant: on_end_ is set once the graph has ended; has_turn_ once its turn has come, or there will be none.
class end_of_graph final : public recorded_end, journal_event, ready_item {
 public:
  explicit end_of_graph(run_state& s) : journal_event(&turn_came, &released), state_(s) {
    on_ready = [](ready_item& i) noexcept { static_cast<end_of_graph&>(i).go(); };
    durable_run& d = *s.durable();
    standing_ = d.enter(*this, fact_kind::run, s.log()->replay_path(s.number()), s.name());
    if (standing_ == journal_standing::refused) has_turn_ = true;
  }

  void begin(const std::exception_ptr&, std::string (*)(void*), void (*on_end)(void* run) noexcept,
      void* run) noexcept override {
    on_end_ = on_end;
    run_ = run;
    if (has_turn_) state_.home().make_ready(*this);  // its awaiter is told by the loop only
    else if (standing_ == journal_standing::live) note_end();
  }

 private:
  void note_end() noexcept {
    try {
      fact f;
      f.kind = fact_kind::run;
      f.name = state_.name();
      f.ended = std::chrono::system_clock::now();
      state_.durable()->occurred(*this, std::move(f), false);
    } catch (...) {
      state_.durable()->fail(std::current_exception());
      state_.home().make_ready(*this);
    }
  }
  void go() noexcept { on_end_(run_); }
  static void turn_came(journal_event& e, const fact*) noexcept {
    auto& self = static_cast<end_of_graph&>(e);
    self.has_turn_ = true;
    if (self.on_end_) self.go();
  }
  static void released(journal_event& e) noexcept {
    auto& self = static_cast<end_of_graph&>(e);
    self.standing_ = journal_standing::live;
    if (self.on_end_) self.note_end();
  }

  run_state& state_;
  journal_standing standing_{};
  bool has_turn_ = false;
  void (*on_end_)(void*) noexcept = nullptr;
  void* run_ = nullptr;
};

}  // namespace

std::unique_ptr<recorded_end> durable_run::make_end(run_state& s) {
  if (&s == &root_) return std::make_unique<end_of_root>(s);
  if (!s.declared()) return nullptr;
  return std::make_unique<end_of_graph>(s);
}

bool durable_run::take_outcome(const codec_ops& codec, void* outcome, std::exception_ptr& failure) const {
  if (!has_ended_before()) return false;
  if (info().status == run_status::done) {
    try {
      codec.decode(info().outcome, outcome);
    } catch (const std::exception& e) {
      throw divergence_error(fmt::format("run '{}': the result that was recorded is none of this program ({}): {}", id_,
          e.what(), shortened(info().outcome)));
    }
  } else if (info().status == run_status::failed) failure = decode_failure(info().outcome);
  else failure = cancelled_because(stop_reason::asked_by_caller);
  return true;
}

}  // namespace aethergraph::detail
