#include "aethergraph/race.hpp"

#include <fmt/format.h>

#include <exception>
#include <string>

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/divergence_error.hpp"

namespace aethergraph::detail {

bool race_scope::is_winner(std::size_t index) noexcept {
  durable_run& d = *scope_.run().durable();
  try {
    std::string path = scope_.run().log()->replay_path(join_.number());
    if (const fact* f = d.find(path, fact_kind::race)) return f->value == std::to_string(index);
    d.note(fact_kind::race, std::move(path), "race", std::to_string(index));
  } catch (...) {
    d.fail(std::current_exception());
  }
  return true;
}

void race_scope::refuse_recorded_winner() noexcept {
  durable_run& d = *scope_.run().durable();
  try {
    const std::string path = scope_.run().log()->replay_path(join_.number());
    const fact* const f = d.find(path, fact_kind::race);
    throw divergence_error(
        fmt::format("run '{}' does something else than what was recorded of it: the race at '{}' was "
                    "won by number {}, which is not there",
            d.id(), path, f ? f->value : "?"));
  } catch (...) {
    failure_ = std::current_exception();
    d.fail(failure_);
  }
}

}  // namespace aethergraph::detail
