// How values cross to and from a store, whatever their types: what the core knows of codecs.
#pragma once

#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>

#include "aethergraph/detail/apply.hpp"

namespace aethergraph::detail {

/// The codec of one type, without the type.
struct codec_ops {
  /// As JSON. Errors: what the codec throws.
  std::string (*encode)(const void* value);
  /// Puts the value of this JSON into a `result` of the type. Errors: what the codec throws.
  void (*decode)(std::string_view json, void* into);
};

/// What a run of some type tells a store of itself.
struct durable_claim {
  std::string arguments;  // JSON
  std::string structure;  // JSON; empty: it is no static graph
};

/// A value that is only compared: there need not be a codec of it.
template <class T>
struct compared;

/// Stands for a type whose codec is asked for.
template <class T>
struct codec_tag {};

/// The codecs that codec.hpp has registered, before main, for what the program asks for. Any thread.
[[nodiscard]] const codec_ops* registered_codec(const std::type_info& tag) noexcept;

/// The codec of a type; null: the program has none.
///
/// Whoever includes only the core does not pay for JSON: `use_codec` is found, through its argument, where codec.hpp is
/// included too, and has the codec registered. So the instances of this function differ between the parts of a program,
/// which is safe as it stands: the linker keeps one of them, but each part that asks for a codec registers it,
/// whichever is kept.
template <class T>
[[nodiscard]] const codec_ops* find_codec_ops() noexcept {
  if constexpr (requires { use_codec(codec_tag<T>{}); }) use_codec(codec_tag<T>{});
  return registered_codec(typeid(codec_tag<T>));
}

/// Arguments as a JSON array, to be compared. What has no codec is null.
template <class... T>
[[nodiscard]] std::string encode_compared(const std::tuple<T...>& arguments) {
  std::string json = "[";
  const auto add = [&json](const codec_ops* ops, const void* value) {
    if (json.size() > 1) json += ',';
    json += ops ? ops->encode(value) : "null";
  };
  detail::apply_to(arguments, [&](const T&... a) { (add(find_codec_ops<compared<T>>(), &a), ...); });
  json += ']';
  return json;
}

/// The codec of what a tool or a run gives; null: there is none.
template <class R>
[[nodiscard]] const codec_ops* codec_of_result() noexcept {
  if constexpr (std::is_reference_v<R>) return nullptr;
  else return find_codec_ops<R>();
}

}  // namespace aethergraph::detail
