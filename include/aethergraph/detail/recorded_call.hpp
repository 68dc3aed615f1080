// recorded_call: a call in a durable run, as its journal sees it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "aethergraph/detail/call_control.hpp"
#include "aethergraph/detail/durable_run.hpp"

namespace aethergraph::detail {

/// The place of one call in the journal: what a former execution recorded of it, or what will be. Virtual for the
/// reason that `durable_run` is.
class recorded_call : journal_event {
 public:
  recorded_call(call_control& c, durable_run& d) noexcept;
  virtual ~recorded_call();

  /// True: the call goes on as any other. False: it waits, or has ended.
  [[nodiscard]] virtual bool begin() noexcept;
  virtual void phase_begins(node_phase what) noexcept;
  /// Its scope was asked to stop while it waits for the journal. False: it has to wait on.
  [[nodiscard]] virtual bool give_up() noexcept;
  /// The last attempt has ended. True: `end_for_good` will be called when that is safe. False: right now.
  [[nodiscard]] virtual bool end() noexcept;

 private:
  static void turn_came(journal_event& e, const fact* replayed) noexcept;
  static void released(journal_event& e) noexcept;
  /// False: it is released later. What the program learns from then on, nobody waits for.
  [[nodiscard]] bool may_begin() noexcept;
  void replay(const fact& f);
  void restore(const fact& f);
  [[nodiscard]] fact make_fact();

  call_control& control_;
  durable_run& run_;
  std::string arguments_;
  std::chrono::system_clock::time_point made_ = std::chrono::system_clock::now();
  std::chrono::system_clock::time_point started_{};
  std::vector<recorded_phase> phases_;
  bool has_asked_to_begin_ = false;
  bool is_recorded_ = false;  // or is not to be
};

}  // namespace aethergraph::detail
