// recorded_end: a run that ends for those who await it when its journal says so.
#pragma once

#include <exception>
#include <memory>
#include <string>

#include "aethergraph/detail/codec_ops.hpp"
#include "aethergraph/detail/only_durable.hpp"

namespace aethergraph::detail {

class run_state;

/// The end of a durable root run, which the store has to know first; or that of a static graph that is nested in a
/// durable run, which has its place in the order of what happens.
class recorded_end {
 public:
  recorded_end(const recorded_end&) = delete;
  recorded_end& operator=(const recorded_end&) = delete;
  virtual ~recorded_end() = default;

  /// The body has ended, with this failure or a value, which `encode` gives. `on_end` is called on the strand, later.
  virtual void begin(const std::exception_ptr& failure, std::string (*encode)(void* run),
      void (*on_end)(void* run) noexcept, void* run) noexcept = 0;

 protected:
  recorded_end() = default;
};

/// Of a root run whose journal is open. Errors: `std::bad_alloc`.
AETHERGRAPH_ONLY_DURABLE [[nodiscard]] std::unique_ptr<recorded_end> make_end_of_root(run_state& s);
/// Of a run that begins; null: it is no static graph in a durable run. Errors: `std::bad_alloc`.
AETHERGRAPH_ONLY_DURABLE [[nodiscard]] std::unique_ptr<recorded_end> make_end_of_nested(run_state& s);

/// False: the run has not ended before. Else the outcome, a `result` of the codec's type, or the failure is set.
/// Errors: what the codec throws.
AETHERGRAPH_ONLY_DURABLE [[nodiscard]] bool take_recorded_outcome(
    run_state& s, const codec_ops& codec, void* outcome, std::exception_ptr& failure);
/// Errors: `option_error`, always.
AETHERGRAPH_ONLY_DURABLE [[noreturn]] void refuse_without_codec(const run_state& s);

}  // namespace aethergraph::detail
