#include "aethergraph/key_value_store.hpp"

#include <fmt/format.h>

#include <boost/core/demangle.hpp>

namespace aethergraph {

void key_value_store::put(std::string_view key, std::any value) {
  const std::lock_guard lock(mutex_);
  all_.insert_or_assign(std::string(key), std::move(value));
}

bool key_value_store::contains(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  return all_.find(key) != all_.end();
}

bool key_value_store::erase(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = all_.find(key);
  if (found == all_.end()) return false;
  all_.erase(found);
  return true;
}

std::vector<std::string> key_value_store::keys() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  all.reserve(all_.size());
  for (const auto& [key, value] : all_) all.push_back(key);
  return all;
}

void key_value_store::refuse(std::string_view key, const std::type_info& asked, const std::type_info& kept) {
  throw error(fmt::format("the value of key '{}' is of type '{}', not '{}'; read it as what it was set as", key,
      boost::core::demangle(kept.name()), boost::core::demangle(asked.name())));
}

}  // namespace aethergraph
