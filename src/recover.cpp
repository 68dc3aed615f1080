#include "aethergraph/recover.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <chrono>
#include <optional>

#include "aethergraph/divergence_error.hpp"
#include "aethergraph/run_parked.hpp"

namespace aethergraph {

std::string_view to_string(recovery r) noexcept {
  switch (r) {
    case recovery::done:
      return "done";
    case recovery::failed:
      return "failed";
    case recovery::parked:
      return "parked";
    case recovery::skipped:
      return "skipped";
  }
  return "unknown";
}

namespace detail {

boost::json::array parse_arguments(const stored_run& run, std::size_t count) {
  boost::json::value all = parse_json(run.arguments);
  if (!all.is_array() || all.get_array().size() != count)
    throw divergence_error(fmt::format("run '{}' was recorded with the arguments {}, and '{}' takes {} of them", run.id,
        run.arguments, run.program, count));
  return std::move(all.get_array());
}

namespace {

bool can_go_on(run_store& store, const stored_run& r) {
  if (!r.owner.empty()) return false;
  if (r.status != run_status::parked) return r.status == run_status::running;
  if (r.cancel_requested) return true;  // which ends it
  if (r.due && *r.due <= std::chrono::system_clock::now()) return true;
  const std::vector<fact> facts = store.facts(r.id);
  const std::vector<question> questions = store.questions(r.id);
  return std::ranges::any_of(questions, [&](const question& q) {
    return q.answer && std::ranges::none_of(facts, [&](const fact& f) { return f.path == q.path; });
  });
}

const resumable* program_of(const stored_run& r, const std::vector<const resumable*>& programs) {
  const resumable* found = nullptr;
  for (const resumable* p : programs) {
    if (p->program != r.program) continue;
    if (p->structure == r.structure) return p;
    if (!found) found = p;  // it will say what differs
  }
  return found;
}

}  // namespace

std::vector<recovered_run> recover(run_store& store, const std::vector<const resumable*>& programs) {
  std::vector<recovered_run> all;
  for (const stored_run& listed : store.runs()) {
    if (listed.status != run_status::running && listed.status != run_status::parked) continue;
    const std::optional<stored_run> now = store.find(listed.id);  // others may have gone on with it since
    if (!now || !can_go_on(store, *now)) continue;
    const stored_run& r = *now;
    recovered_run& here = all.emplace_back(recovered_run{r.id, r.program, recovery::skipped, nullptr});
    const resumable* const p = program_of(r, programs);
    if (!p) continue;
    try {
      p->resume(store, r);
      here.outcome = recovery::done;
    } catch (const run_busy&) {
      here.failure = std::current_exception();
    } catch (const run_parked&) {
      here.outcome = recovery::parked;
      here.failure = std::current_exception();
    } catch (...) {
      here.outcome = recovery::failed;
      here.failure = std::current_exception();
    }
  }
  return all;
}

}  // namespace detail
}  // namespace aethergraph
