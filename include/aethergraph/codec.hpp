// codec: how the values of a type are recorded, and come back.
#pragma once

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <concepts>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <variant>

#include "aethergraph/detail/codec_ops.hpp"
#include "aethergraph/result.hpp"

namespace aethergraph {

/// How values of type T become JSON and come back. The general one goes by Boost.JSON's `value_from` and `value_to`:
/// the fundamental types, strings, containers, tuples, structs that Boost.Describe describes, and types with
/// Boost.JSON's `tag_invoke`. Specialise it for others.
///
/// Example: `template <> struct ag::codec<money> { static boost::json::value encode(const money&);
/// static money decode(const boost::json::value&); };`
template <class T>
struct codec {
  /// Errors: what `value_from` throws, or the type's own customisation.
  static boost::json::value encode(const T& value)
    requires boost::json::has_value_from<T>::value
  {
    return boost::json::value_from(value);
  }
  /// Errors: `boost::system::system_error` for JSON that is no T.
  static T decode(const boost::json::value& json)
    requires boost::json::has_value_to<T>::value
  {
    return boost::json::value_to<T>(json);
  }
};

/// Numbers that JSON has no word for are the strings "nan", "inf" and "-inf".
template <std::floating_point T>
struct codec<T> {
  static boost::json::value encode(T value);
  static T decode(const boost::json::value& json);
};

template <>
struct codec<std::monostate> {
  static boost::json::value encode(std::monostate) { return nullptr; }
  static std::monostate decode(const boost::json::value&) { return {}; }
};

/// What can be recorded.
template <class T>
concept codable = requires(const T& value, const boost::json::value& json) {
  { codec<T>::encode(value) } -> std::convertible_to<boost::json::value>;
  { codec<T>::decode(json) } -> std::convertible_to<T>;
};

/// Specialised as true, it lets tools give a T although it cannot be recorded; a durable run refuses them when it
/// comes to one.
template <class T>
inline constexpr bool never_recorded = false;

template <std::floating_point T>
boost::json::value codec<T>::encode(T value) {
  if (value != value) return "nan";
  if (value - value != 0) return value > 0 ? "inf" : "-inf";
  return static_cast<double>(value);
}
template <std::floating_point T>
T codec<T>::decode(const boost::json::value& json) {
  if (const boost::json::string* s = json.if_string()) {
    if (*s == "nan") return std::numeric_limits<T>::quiet_NaN();
    if (*s == "inf") return std::numeric_limits<T>::infinity();
    if (*s == "-inf") return -std::numeric_limits<T>::infinity();
  }
  return static_cast<T>(boost::json::value_to<double>(json));
}

namespace detail {

/// Says of which type there is no codec.
template <class T>
constexpr void check_codable() {
  static_assert(codable<T>,
      "aethergraph: a durable run records results, and there is no codec for this type: describe the struct with "
      "BOOST_DESCRIBE_STRUCT, give it Boost.JSON's tag_invoke, specialise ag::codec, or say that it is "
      "ag::never_recorded");
}

/// As it is recorded: every double comes back as it was, and strings may have any bytes. Errors: `option_error` for
/// more than 1,000 levels.
[[nodiscard]] std::string serialize_json(const boost::json::value& v);
/// Errors: `boost::system::system_error` for text that is no JSON.
[[nodiscard]] boost::json::value parse_json(std::string_view text);

template <class T>
inline constexpr codec_ops codec_ops_for{[](const void* value) {
  return serialize_json(codec<T>::encode(*static_cast<const T*>(value)));
}, [](std::string_view json, void* into) {
  static_cast<result<T>*>(into)->emplace(codec<T>::decode(parse_json(json)));
}};

template <class T>
struct codec_finder {
  static const codec_ops* find() noexcept {
    if constexpr (never_recorded<T>) {
      return nullptr;
    } else {
      check_codable<T>();
      if constexpr (codable<T>) return &codec_ops_for<T>;
      else return nullptr;
    }
  }
};
template <>
struct codec_finder<void> {
  static const codec_ops* find() noexcept {
    static constexpr codec_ops ops{[](const void*) { return std::string("null"); },
        [](std::string_view, void* into) { static_cast<result<void>*>(into)->emplace(); }};
    return &ops;
  }
};
template <class T>
struct codec_finder<compared<T>> {
  static const codec_ops* find() noexcept {
    if constexpr (codable<T>) return &codec_ops_for<T>;
    else return nullptr;
  }
};

void register_codec(const std::type_info& tag, const codec_ops& codec);

/// Registers a codec before main, in each part of the program that asks for it.
template <class T>
struct codec_registration {
  codec_registration() {
    if (const codec_ops* codec = codec_finder<T>::find()) register_codec(typeid(codec_tag<T>), *codec);
  }
};
template <class T>
inline const codec_registration<T> codec_is_registered;

template <class T>
void use_codec(codec_tag<T>) noexcept {
  static_cast<void>(&codec_is_registered<T>);
}

}  // namespace detail
}  // namespace aethergraph
