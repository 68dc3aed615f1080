#include "aethergraph/services.hpp"

#include <boost/core/demangle.hpp>

namespace aethergraph {

services& services::put(std::type_index type, entry e) {
  if (!e.object)
    throw service_error("a service of type '" + boost::core::demangle(type.name()) + "' is null; register an object");
  const std::lock_guard lock(mutex_);
  all_.insert_or_assign(type, std::move(e));
  return *this;
}

void* services::find(std::type_index type) const {
  const std::lock_guard lock(mutex_);
  const auto found = all_.find(type);
  return found == all_.end() ? nullptr : found->second.object;
}

void services::add_names(std::vector<std::string>& names) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [type, object] : all_) names.push_back(boost::core::demangle(type.name()));
}

}  // namespace aethergraph
