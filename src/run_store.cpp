#include "aethergraph/run_store.hpp"

#include "aethergraph/detail/only_durable.hpp"

namespace aethergraph {

namespace detail {
namespace {
[[gnu::used]] const char* const parts[] = {
    &part_of_durable_run, &part_of_recorded_call, &part_of_recorded_end, &part_of_recorded_wait};
}
}  // namespace detail

run_store::~run_store() = default;

std::string_view to_string(run_status s) noexcept {
  switch (s) {
    case run_status::running:
      return "running";
    case run_status::parked:
      return "parked";
    case run_status::done:
      return "done";
    case run_status::failed:
      return "failed";
    case run_status::cancelled:
      return "cancelled";
  }
  return "unknown";
}

std::string_view to_string(fact_kind k) noexcept {
  switch (k) {
    case fact_kind::call:
      return "call";
    case fact_kind::run:
      return "run";
    case fact_kind::timer:
      return "timer";
    case fact_kind::grant:
      return "grant";
    case fact_kind::race:
      return "race";
    case fact_kind::value:
      return "value";
    case fact_kind::answer:
      return "answer";
  }
  return "unknown";
}

}  // namespace aethergraph
