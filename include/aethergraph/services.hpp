// services: the application's own objects, at hand in every body.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <typeindex>
#include <utility>
#include <vector>

#include "aethergraph/error.hpp"

namespace aethergraph {

namespace detail {
class run_state;
}

/// A body asked for a service that nobody has registered. The message names its type and those that are there.
class service_error : public error {
 public:
  using error::error;
};

/// Objects of the application, looked up by type: `ctx.service<database>()`.
///
/// Registered on a `runtime` for all its runs (`rt.services()`), or handed to a run as `run_options::services`; what is
/// nearer wins: the run, the runs that it nests in, the runtime.
/// Thread safety: any thread may register and look up; what the objects themselves allow is theirs to say.
class services {
 public:
  services() = default;
  services(const services&) = delete;
  services& operator=(const services&) = delete;

  /// Registers an object under its type `T`, which may be named: a base class, to look it up by that. The object stays
  /// the caller's and must outlive the runs. It takes the place of an earlier one.
  template <class T>
  services& add(T& object) {
    return put(typeid(T), {&object, nullptr});
  }
  /// The same, shared.
  template <class T>
  services& add(std::shared_ptr<T> object) {
    T* const p = object.get();
    return put(typeid(T), {p, std::move(object)});
  }

  /// The object that was registered as a `T`, or null.
  template <class T>
  [[nodiscard]] T* find() const {
    return static_cast<T*>(find(typeid(T)));
  }

 private:
  friend detail::run_state;
  struct entry {
    void* object;
    std::shared_ptr<void> owner;
  };

  services& put(std::type_index type, entry e);
  [[nodiscard]] void* find(std::type_index type) const;
  void add_names(std::vector<std::string>& names) const;

  mutable std::mutex mutex_;
  std::map<std::type_index, entry> all_;
};

}  // namespace aethergraph
