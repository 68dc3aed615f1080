#include "aethergraph/recorded_error.hpp"

#include <fmt/format.h>

#include <boost/core/demangle.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <new>
#include <stdexcept>
#include <system_error>
#include <typeinfo>
#include <utility>
#include <vector>

#include "aethergraph/circuit_breaker.hpp"
#include "aethergraph/detail/message_of.hpp"
#include "aethergraph/detail/scope.hpp"
#include "aethergraph/detail/utf8.hpp"
#include "aethergraph/queue.hpp"
#include "aethergraph/services.hpp"

namespace aethergraph::detail {

namespace {

template <class E>
failure_codec of_text(std::string name) {
  return {std::move(name), typeid(E), [](const std::exception& e) -> boost::json::value {
    return boost::json::string(valid_utf8(e.what()));
  }, [](const boost::json::value& json) { throw E(boost::json::value_to<std::string>(json)); }};
}

failure_codec of_retry_after() {
  return {"aethergraph::retry_after", typeid(retry_after), [](const std::exception& e) -> boost::json::value {
    const auto& r = static_cast<const retry_after&>(e);
    return {r.delay().count(), valid_utf8(r.what())};
  }, [](const boost::json::value& json) {
    throw retry_after(std::chrono::nanoseconds(boost::json::value_to<std::int64_t>(json.at(0))),
        boost::json::value_to<std::string>(json.at(1)));
  }};
}

/// Of the two categories that all programs have; others have codes that nobody here can read.
failure_codec of_system_error() {
  return {"std::system_error", typeid(std::system_error), [](const std::exception& e) -> boost::json::value {
    const std::error_code& code = static_cast<const std::system_error&>(e).code();
    std::string text = valid_utf8(e.what());
    const std::string tail = ": " + code.message();
    const bool is_known = code.category() == std::system_category() || code.category() == std::generic_category();
    if (is_known && text.ends_with(tail)) text.resize(text.size() - tail.size());  // which it will be given again
    return {code.category().name(), code.value(), text};
  }, [](const boost::json::value& json) {
    const auto category = boost::json::value_to<std::string>(json.at(0));
    const auto value = boost::json::value_to<int>(json.at(1));
    const auto text = boost::json::value_to<std::string>(json.at(2));
    if (category == std::system_category().name()) throw std::system_error(value, std::system_category(), text);
    if (category == std::generic_category().name()) throw std::system_error(value, std::generic_category(), text);
    throw recorded_error("std::system_error", text);
  }};
}

failure_codec of_bad_alloc() {
  return {"std::bad_alloc", typeid(std::bad_alloc), [](const std::exception&) -> boost::json::value { return true; },
      [](const boost::json::value&) { throw std::bad_alloc(); }};
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
      of_text<timed_out>("aethergraph::timed_out"), of_text<queue_closed>("aethergraph::queue_closed"),
      of_text<circuit_open>("aethergraph::circuit_open"), of_text<service_error>("aethergraph::service_error"),
      of_retry_after(), of_system_error(), of_bad_alloc()};
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
  return serialize_json(o);
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

}  // namespace aethergraph::detail
