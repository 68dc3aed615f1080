// JSON as it is recorded: what is written can be read, and numbers come back exactly.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

#include "aethergraph/codec.hpp"

namespace aethergraph::detail {

namespace json = boost::json;

namespace {

constexpr std::ptrdiff_t most_levels = 1000;

// JSON has no words for these; they are numbers beyond what a double can hold.
constexpr std::string_view not_a_number = "0E9999";
constexpr std::string_view infinity = "1E9999";

/// As Boost.JSON's own, whose parser is not exact for doubles (up to version 1.82), but for these.
struct exact_handler {
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  json::value_stack stack;

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return true; }
  bool on_object_end(std::size_t n, json::error_code&) {
    stack.push_object(n);
    return true;
  }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t n, json::error_code&) {
    stack.push_array(n);
    return true;
  }
  bool on_key_part(json::string_view s, std::size_t, json::error_code&) {
    stack.push_chars(s);
    return true;
  }
  bool on_key(json::string_view s, std::size_t, json::error_code&) {
    stack.push_key(s);
    return true;
  }
  bool on_string_part(json::string_view s, std::size_t, json::error_code&) {
    stack.push_chars(s);
    return true;
  }
  bool on_string(json::string_view s, std::size_t, json::error_code&) {
    stack.push_string(s);
    return true;
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }  // all text comes at once
  bool on_int64(std::int64_t n, json::string_view, json::error_code&) {
    stack.push_int64(n);
    return true;
  }
  bool on_uint64(std::uint64_t n, json::string_view, json::error_code&) {
    stack.push_uint64(n);
    return true;
  }
  bool on_double(double nearly, json::string_view text, json::error_code&) {
    if (std::string_view(text) == not_a_number) nearly = std::numeric_limits<double>::quiet_NaN();
    else std::from_chars(text.data(), text.data() + text.size(), nearly);  // out of range: it stays 0 or infinite
    stack.push_double(nearly);
    return true;
  }
  bool on_bool(bool b, json::error_code&) {
    stack.push_bool(b);
    return true;
  }
  bool on_null(json::error_code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

/// Replaces what Boost.JSON writes for doubles that are not finite. Errors: `option_error` for too many levels.
std::string checked(const std::string& text) {
  std::string out;
  std::ptrdiff_t levels = 0;
  bool is_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_string) {
      out += c;
      if (c == '\\') out += text[++i];
      else is_string = c != '"';
      continue;
    }
    is_string = c == '"';
    if ((c == '[' || c == '{') && ++levels > most_levels)
      throw option_error(
          fmt::format("a value has more than {} levels, one in another, and cannot be recorded", most_levels));
    if (c == ']' || c == '}') --levels;
    if (c == 'N') {
      out += not_a_number;
      i += std::string_view("NaN").size() - 1;
    } else if (c == 'I') {
      out += infinity;
      i += std::string_view("Infinity").size() - 1;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string serialize_json(const json::value& v) {
  std::string text = json::serialize(v);
  // Nearly all texts are as they should be, and are not copied.
  const bool may_be_odd = text.find("NaN") != std::string::npos || text.find("Infinity") != std::string::npos;
  const bool may_be_deep = std::ranges::count_if(text, [](char c) { return c == '[' || c == '{'; }) > most_levels;
  return may_be_odd || may_be_deep ? checked(text) : text;
}

json::value parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = most_levels + 1;
  options.allow_invalid_utf8 = true;  // a std::string may have any bytes
  json::basic_parser<exact_handler> parser(options);
  parser.handler().stack.reset();
  json::error_code failure;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), failure);
  if (!failure && read < text.size()) failure = json::error::extra_data;
  if (failure) throw boost::system::system_error(failure);
  return parser.handler().stack.release();
}

}  // namespace aethergraph::detail
