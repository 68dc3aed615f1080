// divergence_error: a program that does not do what was recorded of it.
#pragma once

#include "aethergraph/error.hpp"

namespace aethergraph {

/// A durable run was resumed by another program than the one that was recorded, or with other arguments, or the program
/// did something else this time. The message names what differs. Nothing is lost: the journal stays as it was, and the
/// right program can resume it.
class divergence_error : public error {
 public:
  using error::error;
};

}  // namespace aethergraph
