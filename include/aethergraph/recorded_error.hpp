// recorded_error, recorded_failure: failures that are recorded, and thrown again by another process.
#pragma once

#include <boost/json/value.hpp>
#include <concepts>
#include <exception>
#include <string>
#include <string_view>
#include <typeindex>

#include "aethergraph/codec.hpp"
#include "aethergraph/error.hpp"

namespace aethergraph {

/// Stands for a failure whose type has no codec: in a durable run a failed call throws this, when it fails and whenever
/// it is replayed. `what()` is that of the original.
class recorded_error : public error {
 public:
  recorded_error(std::string type, const std::string& what) : error(what), type_(std::move(type)) {}
  /// The name of the original's type, as the compiler has it.
  [[nodiscard]] const std::string& type() const noexcept { return type_; }

 private:
  std::string type_;
};

namespace detail {

/// How one type of exception is recorded.
struct failure_codec {
  std::string name;
  std::type_index type;
  boost::json::value (*encode)(const std::exception& e);
  void (*rethrow)(const boost::json::value& json);  // throws it
};

/// Errors: `error` for a name that another type has.
void add_failure_codec(failure_codec c);

/// A failure as JSON: {"type": …, "what": …}, with "value" where the type has a codec, or "of" where it is the
/// library's.
[[nodiscard]] std::string encode_failure(const std::exception_ptr& e);
/// The same failure as its type, or as a `recorded_error`.
[[nodiscard]] std::exception_ptr decode_failure(std::string_view json) noexcept;

}  // namespace detail

/// Has exceptions of type E recorded, so that they come back as an E. One object at namespace scope for each type, with
/// a name that stays the same. E has an `ag::codec`, or is made of the text of its `what()`. Exceptions of derived
/// types are not meant: they need their own.
///
/// The standard's exceptions that are made of a text, and the library's own, are known already.
/// Thread safety: made before the first durable run starts.
/// Example: `inline const ag::recorded_failure<quota_exceeded> quota{"quota_exceeded"};`
template <class E>
class recorded_failure {
  static_assert(std::derived_from<E, std::exception>, "aethergraph: a recorded failure is a std::exception");
  static_assert(codable<E> || std::constructible_from<E, const std::string&>,
      "aethergraph: a recorded failure needs an ag::codec, or a constructor from a std::string");

 public:
  explicit recorded_failure(std::string_view name) {
    detail::add_failure_codec({std::string(name), typeid(E), [](const std::exception& e) -> boost::json::value {
      if constexpr (codable<E>) return codec<E>::encode(static_cast<const E&>(e));
      else return boost::json::string(e.what());
    }, [](const boost::json::value& json) {
      if constexpr (codable<E>) throw codec<E>::decode(json);
      else throw E(boost::json::value_to<std::string>(json));
    }});
  }
};

}  // namespace aethergraph
