// The loop of a run on somebody's executor: steps on a strand of it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/strand.hpp>
#include <memory>

#include "aethergraph/detail/alarm.hpp"
#include "aethergraph/detail/loop.hpp"
#include "aethergraph/detail/scope.hpp"

namespace aethergraph::detail {

class run_registry;
class strand_loop;

/// A way to cancel a run that may be gone. Any thread.
class cancel_gate {
 public:
  explicit cancel_gate(strand_loop& l) noexcept;
  ~cancel_gate();
  void cancel() const;
  void close() noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Owned by its references: handlers under way hold one each, and the registry of the executor's context holds one
/// until the run has ended, so that a context that is destroyed first takes the run with it.
class strand_loop : public loop {
 public:
  boost::asio::any_io_executor executor() final { return strand_; }
  bool is_on_strand() const noexcept final { return strand_.running_in_this_thread(); }

  /// Posts the first step.
  void begin();

 protected:
  explicit strand_loop(const boost::asio::any_io_executor& ex);
  ~strand_loop() override;

  /// The first step, on the strand: makes the run's start ready.
  virtual void start() noexcept = 0;
  /// Called once, on the strand and outside a drain, after `finished` was said: gives the result away.
  virtual void deliver() noexcept = 0;
  [[nodiscard]] virtual scope& root() noexcept = 0;
  void finished() noexcept { is_finished_ = true; }
  /// The executor beneath the strand.
  [[nodiscard]] boost::asio::any_io_executor inner_executor() const { return strand_.get_inner_executor(); }

  /// Made at the first request; its owners may outlive the run.
  [[nodiscard]] std::shared_ptr<cancel_gate> gate();

 private:
  friend run_registry;
  friend cancel_gate;

  void look() noexcept final;
  void set_alarm(time_point at) final;
  void dispose() noexcept final;
  void cancel_from_anywhere();

  boost::asio::strand<boost::asio::any_io_executor> strand_;
  boost::asio::executor_work_guard<boost::asio::any_io_executor> work_;
  alarm alarm_;
  std::shared_ptr<cancel_gate> gate_;
  run_registry& registry_;
  strand_loop* previous_ = nullptr;
  strand_loop* next_ = nullptr;
  bool is_finished_ = false;
  bool was_delivered_ = false;
};

}  // namespace aethergraph::detail
