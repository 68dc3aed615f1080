// inputs, outputs: names for what goes into a tool, an agent or a graph, and for what comes out.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace aethergraph {

/// Names of the parameters, in order (a leading `ag::context&` has none). They are kept in graphs, errors and pictures.
///
/// Errors: another number of names than of parameters, an empty name, or one twice is an `option_error` of the first
/// call.
/// Example: `ag::tool{"fetch", fetch, ag::inputs{"url", "tries"}, ag::outputs{"body"}}`
class inputs {
 public:
  template <std::convertible_to<std::string>... Name>
  explicit inputs(Name... name) : names{std::string(name)...} {}
  std::vector<std::string> names;
};

/// Names of what comes out: one, or one for each part of a tuple or struct. As `inputs`, but the parts of a struct are
/// not counted.
class outputs {
 public:
  template <std::convertible_to<std::string>... Name>
  explicit outputs(Name... name) : names{std::string(name)...} {}
  std::vector<std::string> names;
};

namespace detail {

template <class N>
concept boundary_names = std::same_as<N, inputs> || std::same_as<N, outputs>;

/// The names of one tool or agent, with the number of parameters and parts that they are names of.
struct boundary {
  boundary() = default;
  template <boundary_names... Names>
  explicit boundary(std::size_t parameters_, std::size_t parts_, Names&&... n)
      : parameters(parameters_), parts(parts_) {
    (add(n), ...);
  }
  void add(inputs& n) noexcept { in = std::move(n.names); }
  void add(outputs& n) noexcept { out = std::move(n.names); }

  std::vector<std::string> in;
  std::vector<std::string> out;
  std::size_t parameters = 0;
  std::size_t parts = 0;      // of a tuple, or one of a scalar; 0: anything else, which may be a struct of any size
  bool is_coroutine = false;  // what they are the names of
};

/// How many parts a result has that is a tuple or a scalar; 0 if it is neither.
template <class R>
inline constexpr std::size_t parts_of = std::is_scalar_v<R> ? 1 : 0;
template <class R>
  requires requires { std::tuple_size<R>::value; }
inline constexpr std::size_t parts_of<R> = std::tuple_size<R>::value;

}  // namespace detail
}  // namespace aethergraph
