// recorded_end: a run that ends for those who await it when its journal says so.
#pragma once

#include <exception>
#include <string>

namespace aethergraph::detail {

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

}  // namespace aethergraph::detail
