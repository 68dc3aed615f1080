// A run that a runtime hosts, and what handles and the runtime know of it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

#include "aethergraph/detail/async_run.hpp"
#include "aethergraph/detail/host.hpp"
#include "aethergraph/detail/one_shot.hpp"
#include "aethergraph/detail/owned.hpp"
#include "aethergraph/detail/permits.hpp"
#include "aethergraph/detail/traced.hpp"
#include "aethergraph/run_result.hpp"

namespace aethergraph::detail {

class runtime_state;

/// What outlives a hosted run: whatever its handles and its runtime ask for. Any thread.
class hosted_base {
 public:
  hosted_base(const tool_info& what, std::uint64_t id);
  hosted_base(const hosted_base&) = delete;
  hosted_base& operator=(const hosted_base&) = delete;
  virtual ~hosted_base() = default;

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] const std::string& name() const noexcept { return what_.name; }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] time_point started() const noexcept { return started_; }

  void cancel();
  [[nodiscard]] bool was_cancelled() const;
  /// While it runs, as it stands; afterwards as it ended.
  [[nodiscard]] virtual task_graph graph() const = 0;
  /// Adds a description of what it does and waits for.
  void describe(std::string& text, duration patience) const;
  /// Adds the names of what was asked to stop and has not ended.
  void add_stopping(std::vector<std::string>& names, duration patience) const;

  /// Before the start.
  void set_gate(std::shared_ptr<run_gate> gate) noexcept { gate_ = std::move(gate); }

  one_shot ended;

 protected:
  [[nodiscard]] task_graph live_graph() const;

  mutable std::mutex mutex_;

 private:
  const tool_info& what_;
  const std::uint64_t number_;
  const std::string id_;
  const time_point started_;
  std::shared_ptr<run_gate> gate_;
  bool was_cancelled_ = false;  // under mutex_
};

/// With its result.
template <class R>
class hosted : public hosted_base {
 public:
  using hosted_base::hosted_base;

  [[nodiscard]] task_graph graph() const override { return ended.is_set() ? outcome_.graph() : live_graph(); }

  /// Once, before `ended`.
  void set(run_result<R>&& outcome) noexcept { outcome_ = std::move(outcome); }

  /// The result of a run that has ended: a copy, or what cannot be copied itself, once.
  R take() {
    if constexpr (std::is_void_v<R> || is_copyable<R>) {
      return std::as_const(outcome_).value();
    } else {
      const std::lock_guard lock(mutex_);
      if (outcome_.ok() && std::exchange(was_taken_, true))
        throw error("the result of " + id() + " cannot be copied, and was taken before");
      return std::move(outcome_).value();
    }
  }
  [[nodiscard]] const std::exception_ptr& failure() const noexcept { return outcome_.error(); }
  /// Everything, for whoever shares it with nobody.
  run_result<R> take_outcome() { return std::move(outcome_); }

 private:
  run_result<R> outcome_;   // written once before `ended` is set, and only read afterwards
  bool was_taken_ = false;  // under mutex_
};

/// A place in a runtime's list of live runs, and the runtime's loans. Any thread.
class hosting {
 public:
  hosting(std::shared_ptr<runtime_state> r, std::shared_ptr<hosted_base> run, loop& l);
  hosting(const hosting&) = delete;
  hosting& operator=(const hosting&) = delete;
  ~hosting();

  [[nodiscard]] aethergraph::detail::host& host() noexcept { return host_; }
  /// From here on others find the run, look at it and cancel it. Errors: `error` when the runtime takes no more runs.
  void begin();
  /// The run has ended, and its result is there.
  void end() noexcept;

 private:
  std::shared_ptr<runtime_state> runtime_;
  std::shared_ptr<hosted_base> run_;  // until it has ended
  owned<permit_account, delete_permit_account> permits_;
  aethergraph::detail::host host_;
};

/// The run itself, owned by its executor's context and the handlers on their way.
template <class A>
class hosted_run final : public strand_run<A> {
  using typename strand_run<A>::result_type;

 public:
  hosted_run(const boost::asio::any_io_executor& ex, A&& awaited, const run_options& o,
      std::shared_ptr<hosted<result_type>> state, std::shared_ptr<runtime_state> r)
      : strand_run<A>(ex, std::move(awaited), o), state_(std::move(state)), hosting_(std::move(r), state_, *this) {
    this->operation().state().set_id(state_->number());
    this->set_host(hosting_.host());
    this->allow_looks();
    state_->set_gate(this->gate());
    hosting_.begin();
  }

 private:
  ~hosted_run() override {
    if (has_ended_) return;
    this->drop();  // while what the runtime lends is there
    state_->set(run_result<result_type>(
        std::make_exception_ptr(cancelled("cancelled: the executor of run " + state_->id() + " was destroyed"))));
    hosting_.end();
  }

  void deliver() noexcept override {
    has_ended_ = true;
    run_result<result_type> outcome(this->operation());
    this->drop();
    state_->set(std::move(outcome));
    hosting_.end();
  }

  std::shared_ptr<hosted<result_type>> state_;
  hosting hosting_;
  bool has_ended_ = false;
};

}  // namespace aethergraph::detail
