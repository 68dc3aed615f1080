// key_value_store: what the bodies of a run, or of all runs of a runtime, keep for one another.
#pragma once

#include <any>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "aethergraph/error.hpp"

namespace aethergraph {

/// Values by key, of any copyable type, in memory: `ctx.kv()` of a root run and all that nests in it, which goes with
/// it; `ctx.runtime_kv()` of a runtime.
///
/// Thread safety: any thread. Values are handed out as copies.
/// Errors: reading a key as another type than it was written as is an `error`, which names both.
/// Example: `ctx.kv().set("attempts", 3); int n = ctx.kv().get<int>("attempts").value_or(0);`
class key_value_store {
 public:
  key_value_store() = default;
  key_value_store(const key_value_store&) = delete;
  key_value_store& operator=(const key_value_store&) = delete;

  /// Sets a key; a string literal is kept as `std::string`.
  template <class T>
  void set(std::string_view key, T value) {
    put(key, std::move(value));
  }
  void set(std::string_view key, const char* value) { put(key, std::string(value)); }

  /// The value of a key, or nothing.
  template <class T>
  [[nodiscard]] std::optional<T> get(std::string_view key) const {
    const std::lock_guard lock(mutex_);
    const auto found = all_.find(key);
    if (found == all_.end()) return std::nullopt;
    const T* value = std::any_cast<T>(&found->second);
    if (!value) refuse(key, typeid(T), found->second.type());
    return *value;
  }

  /// Replaces the value of a key by `change(old)`, where `old` is a `T{}` if there is none, with nobody between; gives
  /// the new one. `change` must not use this store.
  template <class T, class Change>
  T update(std::string_view key, Change change) {
    const std::lock_guard lock(mutex_);
    const auto found = all_.find(key);
    const T* old = nullptr;
    if (found != all_.end() && !(old = std::any_cast<T>(&found->second))) refuse(key, typeid(T), found->second.type());
    T value = change(old ? *old : T{});
    all_.insert_or_assign(std::string(key), value);
    return value;
  }

  /// Whether the key is there.
  [[nodiscard]] bool contains(std::string_view key) const;
  /// Removes a key; whether it was there.
  bool erase(std::string_view key);
  /// All keys, in alphabetical order.
  [[nodiscard]] std::vector<std::string> keys() const;

 private:
  void put(std::string_view key, std::any value);
  [[noreturn]] static void refuse(std::string_view key, const std::type_info& asked, const std::type_info& kept);

  mutable std::mutex mutex_;
  std::map<std::string, std::any, std::less<>> all_;
};

}  // namespace aethergraph
