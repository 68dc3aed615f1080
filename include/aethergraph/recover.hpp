// recover, resumes: goes on with the runs that were left in a store.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "aethergraph/codec.hpp"
#include "aethergraph/graph_fn.hpp"
#include "aethergraph/graphify.hpp"
#include "aethergraph/run.hpp"
#include "aethergraph/run_store.hpp"

namespace aethergraph {

/// A program whose runs can be resumed by what is recorded of them. Made by `resumes`.
struct resumable {
  std::string program;
  std::string structure;  ///< as in `stored_run`
  std::function<void(run_store& store, const stored_run& run)> resume;
};

/// What has become of a run.
enum class recovery : unsigned char {
  done,    ///< it has a result, perhaps of another process that has come first
  failed,  ///< it threw, for good or not; its status in the store says which
  parked,  ///< it waits for something else now
  skipped  ///< it was not resumed: none of the programs is it, or another process has come first
};
/// The enumerator's name.
[[nodiscard]] std::string_view to_string(recovery r) noexcept;

/// One run that was found.
struct recovered_run {
  std::string run_id;
  std::string program;
  recovery outcome = recovery::skipped;
  std::exception_ptr failure;  ///< what it threw; null of one that is done, or of an unknown program
};

namespace detail {

/// Errors: `divergence_error` if they are others than this many.
[[nodiscard]] boost::json::array parse_arguments(const stored_run& run, std::size_t count);

template <class... Args, std::size_t... I>
std::tuple<Args...> decode_arguments(const stored_run& run, list<Args...>, std::index_sequence<I...>) {
  [[maybe_unused]] const boost::json::array all = parse_arguments(run, sizeof...(Args));
  return std::tuple<Args...>(codec<Args>::decode(all[I])...);
}

template <class Program, class... Args>
resumable resumable_of(const Program& p, std::string structure, const run_options& options, list<Args...>) {
  static_assert((codable<Args> && ...),
      "aethergraph: a program is resumed with the arguments that are recorded, so all of them need a codec");
  return {std::string(p.name()), std::move(structure), [p, options](run_store& store, const stored_run& run) {
    std::tuple<Args...> arguments = decode_arguments(run, list<Args...>{}, std::index_sequence_for<Args...>{});
    run_options mine = options;
    mine.store = &store;
    mine.run_id = run.id;
    aethergraph::run(std::apply(p, std::move(arguments)), mine);
  }};
}

template <class F, class R, class... Args>
resumable resumable_agent(const graph_fn<F>& f, const run_options& options, R (*)(Args...)) {
  return resumable_of(f, {}, options, list<std::remove_cvref_t<Args>...>{});
}

std::vector<recovered_run> recover(run_store& store, const std::vector<const resumable*>& programs);

}  // namespace detail

/// An agent whose runs `recover` resumes, each with the arguments that are recorded. `options` are those of its runs,
/// but for `store` and `run_id`; what they point to must outlive the result.
template <class F>
[[nodiscard]] resumable resumes(const graph_fn<F>& f, const run_options& options = {}) {
  return detail::resumable_agent(f, options, static_cast<typename detail::callable_traits<F>::signature*>(nullptr));
}
/// The same of a graph that was built.
template <class R, class... Inputs>
[[nodiscard]] resumable resumes(const graph<R(Inputs...)>& g, const run_options& options = {}) {
  return detail::resumable_of(g, g.structure(), options, detail::list<Inputs...>{});
}
/// The same of one that has node parameters only. Errors: `build_error`.
template <class F>
[[nodiscard]] resumable resumes(const graphify<F>& f, const run_options& options = {}) {
  constexpr bool has_nodes_only = requires { f.build(); };
  static_assert(has_nodes_only,
      "aethergraph: the plain parameters of a graphify are not recorded; pass the graph that its build(…) gives");
  if constexpr (has_nodes_only) return resumes(f.build(), options);
  else return {};
}

/// Goes on with all runs of a store that can: those that were interrupted, since nobody who lives executes them, and
/// those parked ones whose time has come, who have an answer that they have not seen, or who were cancelled. One after
/// the other, on the calling thread, the oldest first. A program is recognised by its name, and of several graphs with
/// the same one by the structure.
///
/// Returns: what has become of each of them. Errors: `store_error` when the store cannot be read; what runs throw is in
/// the result. Thread safety: several processes may do this at the same time; each run is resumed by one of them.
/// Example: `for (const ag::recovered_run& r : ag::recover(store, ag::resumes(report), ag::resumes(buy))) …`
template <std::same_as<resumable>... Programs>
std::vector<recovered_run> recover(run_store& store, const Programs&... programs) {
  return detail::recover(store, {&programs...});
}

}  // namespace aethergraph
