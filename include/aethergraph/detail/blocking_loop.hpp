// The loop of `run`: steps on the calling thread, and an event loop only once something waits.
#pragma once

#include "aethergraph/detail/loop.hpp"
#include "aethergraph/detail/owned.hpp"
#include "aethergraph/detail/run_state.hpp"

namespace aethergraph::detail {

class blocking_loop : public loop {
 public:
  blocking_loop() noexcept;
  ~blocking_loop() override;

  /// Takes steps until `is_finished`, and everything that was started on this loop's executor has ended. An exception
  /// that a foreign handler throws on this loop's executor cancels `root` and is thrown when the root has ended.
  void drive(run_state& root, const bool& is_finished);

  boost::asio::any_io_executor executor() final;
  void make_executor() final { events(); }
  bool is_on_strand() const noexcept final;
  void wake_from_crew() noexcept final;

 protected:
  void look() noexcept final {}  // drive() looks
  void set_alarm(time_point at) override;
  void dispose() noexcept final {}  // lives on a stack, which outlasts all that it runs

  /// Nothing is ready: waits for something. Simulation jumps to the next timer instead.
  virtual void wait(run_state& root);
  /// Runs handlers that are ready, without waiting; the number of them.
  std::size_t poll();
  /// Waits for one handler, and runs it.
  void run_one();
  /// The same, but not for longer than this. False: none was run.
  bool run_one_until(time_point end);
  /// The same, as long as there is anything that might run one: an operation that others have begun on this executor.
  /// False: there is not.
  bool run_one_unless_idle();

 private:
  struct event_loop;
  event_loop& events();
  [[nodiscard]] bool may_strand_help() const noexcept final;
  void wait_with_crew(crew& c);
  void end_events(std::exception_ptr& escaped);

  static void delete_events(event_loop* e) noexcept;
  owned<event_loop, delete_events> events_;
};

}  // namespace aethergraph::detail
