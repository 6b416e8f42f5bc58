// Different meanings are different types: Strong<T, Tag> is a T that does not mix with other Ts.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <utility>

namespace sallyport {

template <class T, class Tag>
class Strong {
 public:
  using Value = T;

  Strong() = default;
  explicit Strong(T value) : value_(std::move(value)) {}

  const T& get() const { return value_; }

  friend bool operator==(const Strong&, const Strong&) = default;
  friend auto operator<=>(const Strong& a, const Strong& b) { return a.value_ <=> b.value_; }

 private:
  T value_{};
};

}  // namespace sallyport

template <class T, class Tag>
struct std::hash<sallyport::Strong<T, Tag>> {
  std::size_t operator()(const sallyport::Strong<T, Tag>& strong) const { return std::hash<T>{}(strong.get()); }
};
