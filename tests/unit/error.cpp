#include "aethergraph/error.hpp"

#include <stdexcept>
#include <type_traits>

#include "support/catch.hpp"

namespace ag = aethergraph;

static_assert(std::is_base_of_v<std::runtime_error, ag::error>);
static_assert(std::is_base_of_v<ag::error, ag::option_error>);
static_assert(std::is_base_of_v<ag::error, ag::cancelled>);
static_assert(std::is_base_of_v<ag::error, ag::timed_out>);
// A timeout is told from a request to stop.
static_assert(!std::is_base_of_v<ag::cancelled, ag::timed_out>);
static_assert(std::is_nothrow_copy_constructible_v<ag::error>);

TEST_CASE("an error keeps its message") { CHECK_THROWS_WITH(throw ag::option_error("wrong"), "wrong"); }
