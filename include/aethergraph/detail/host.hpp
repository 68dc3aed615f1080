// host: what a runtime lends to each run that it hosts.
#pragma once

#include <vector>

#include "aethergraph/fwd.hpp"

namespace aethergraph {
class key_value_store;

namespace detail {

class permit_account;
struct worker_pool;

/// It outlives the run.
struct host {
  aethergraph::channel* channel = nullptr;  // null: the console
  aethergraph::logger* logger = nullptr;    // null: standard error
  aethergraph::services* services = nullptr;
  key_value_store* kv = nullptr;
  permit_account* permits = nullptr;  // null: the runtime has no cap
  worker_pool* workers = nullptr;     // null: those of the process
  std::vector<observer*> observers;
};

}  // namespace detail
}  // namespace aethergraph
