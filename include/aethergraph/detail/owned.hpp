// owned<T, Delete>: a pointer that owns what only src knows.
#pragma once

#include <utility>

namespace aethergraph::detail {

/// As unique_ptr, of a T that may be incomplete wherever this goes: `Delete` is defined in src. And to compile it costs
/// next to nothing.
template <class T, void (*Delete)(T*) noexcept>
class owned {
 public:
  owned() noexcept = default;
  explicit owned(T* p) noexcept : p_(p) {}
  owned(owned&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  owned& operator=(owned&& o) noexcept {
    reset(std::exchange(o.p_, nullptr));
    return *this;
  }
  ~owned() { reset(); }

  void reset(T* p = nullptr) noexcept {
    T* const before = std::exchange(p_, p);
    if (before) Delete(before);
  }
  [[nodiscard]] T* get() const noexcept { return p_; }
  T& operator*() const noexcept { return *p_; }
  T* operator->() const noexcept { return p_; }
  explicit operator bool() const noexcept { return p_ != nullptr; }

 private:
  T* p_ = nullptr;
};

}  // namespace aethergraph::detail
