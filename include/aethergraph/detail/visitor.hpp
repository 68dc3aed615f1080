// visitor: a function object that is shown what the entries of a graph read.
#pragma once

#include <cstdint>
#include <utility>

#include "aethergraph/detail/plan.hpp"

namespace aethergraph::detail {

template <class Fn>
class visitor final : public ref_visitor {
 public:
  explicit visitor(Fn fn) : fn_(std::move(fn)) {}
  void see(std::uint32_t parameter, value_ref r) override { fn_(parameter, r); }

 private:
  Fn fn_;
};

}  // namespace aethergraph::detail
