#include "aethergraph/recorded_error.hpp"

#include <fmt/format.h>

#include <boost/core/demangle.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <mutex>
#include <new>
#include <stdexcept>
#include <typeinfo>
#include <utility>
#include <vector>

#include "aethergraph/detail/message_of.hpp"
#include "aethergraph/detail/scope.hpp"
#include "aethergraph/detail/utf8.hpp"
#include "aethergraph/queue.hpp"

namespace aethergraph::detail {

namespace {

template <class E>
failure_codec of_text(std::string name) {
  return {std::move(name), typeid(E), [](const std::exception& e) -> boost::json::value {
    return boost::json::string(valid_utf8(e.what()));
  }, [](const boost::json::value& json) { throw E(boost::json::value_to<std::string>(json)); }};
}

struct registry {
  std::mutex mutex;
  std::vector<failure_codec> all{of_text<std::runtime_error>("std::runtime_error"),
      of_text<std::logic_error>("std::logic_error"), of_text<std::invalid_argument>("std::invalid_argument"),
      of_text<std::out_of_range>("std::out_of_range"), of_text<std::domain_error>("std::domain_error"),
      of_text<std::length_error>("std::length_error"), of_text<std::range_error>("std::range_error"),
      of_text<std::overflow_error>("std::overflow_error"), of_text<std::underflow_error>("std::underflow_error"),
      of_text<error>("aethergraph::error"), of_text<option_error>("aethergraph::option_error"),
      of_text<build_error>("aethergraph::build_error"), of_text<cancelled>("aethergraph::cancelled"),
      of_text<timed_out>("aethergraph::timed_out"), of_text<queue_closed>("aethergraph::queue_closed")};
};
registry& known() {
  static registry& all = *new registry;  // for exceptions that are recorded while the process ends
  return all;
}

}  // namespace

void add_failure_codec(failure_codec c) {
  registry& r = known();
  const std::lock_guard lock(r.mutex);
  for (failure_codec& other : r.all) {
    if (other.type == c.type) {
      other = std::move(c);
      return;
    }
    if (other.name == c.name)
      throw error(fmt::format("recorded_failure: the name '{}' stands for {} already; give {} another one", c.name,
          boost::core::demangle(other.type.name()), boost::core::demangle(c.type.name())));
  }
  r.all.push_back(std::move(c));
}

std::string encode_failure(const std::exception_ptr& e) {
  boost::json::object o;
  try {
    std::rethrow_exception(e);
  } catch (const recorded_error& x) {
    o["type"] = x.type();
    o["what"] = valid_utf8(x.what());
  } catch (const std::exception& x) {
    o["type"] = boost::core::demangle(typeid(x).name());
    o["what"] = valid_utf8(x.what());
    registry& r = known();
    const std::lock_guard lock(r.mutex);
    for (const failure_codec& c : r.all)
      if (c.type == typeid(x)) {
        o["type"] = c.name;
        o["value"] = c.encode(x);
      }
  } catch (...) {
    o["type"] = "unknown";
    o["what"] = message_of(e);
  }
  return boost::json::serialize(o);
}

std::exception_ptr decode_failure(std::string_view text) noexcept {
  try {
    const boost::json::value json = parse_json(text);
    const auto type = boost::json::value_to<std::string>(json.at("type"));
    const boost::json::value* const value = json.as_object().if_contains("value");
    void (*rethrow)(const boost::json::value&) = nullptr;
    if (value) {
      registry& r = known();
      const std::lock_guard lock(r.mutex);
      for (const failure_codec& c : r.all)
        if (c.name == type) rethrow = c.rethrow;
    }
    if (rethrow) rethrow(*value);
    throw recorded_error(type, boost::json::value_to<std::string>(json.at("what")));
  } catch (...) {
    return std::current_exception();
  }
}

boost::json::value parse_json(std::string_view text) { return boost::json::parse(boost::json::string_view(text)); }

}  // namespace aethergraph::detail
