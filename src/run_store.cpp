#include "aethergraph/run_store.hpp"

#include "aethergraph/detail/durable_run.hpp"

namespace aethergraph {

run_store::~run_store() = default;

std::unique_ptr<detail::durable_run> run_store::make_durable_run(
    detail::run_state& root, detail::loop& home, const detail::durable_claim& claim) {
  return std::make_unique<detail::durable_run>(root, home, *this, claim);
}

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
