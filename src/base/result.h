// What every fallible function returns. The world's faults are values (`Result`); our own are aborts
// (`SALLYPORT_CHECK`).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace sallyport {

// The categories that a caller may branch on, and all that a peer is ever told.
enum class Errc : std::uint8_t {
  malformed,     // the bytes do not follow their format
  unauthorized,  // understood, and refused: identity, signature, permission
  not_found,     // the thing named does not exist
  expired,       // outside its validity, lease or deadline
  conflict,      // contradicts what is stored: already exists, already used, another key
  overloaded,    // a named limit was reached; trying later may succeed
  unavailable,   // a peer, file or device cannot be reached now
  not_yet,       // correct, but something it depends on has not arrived; try again later (EST 202)
  internal,      // our own fault
};

// Returns the stable lower-case name of `code`, for logs, JSON and exit messages.
std::string_view to_string(Errc code);

// A category and a sentence for our own log: "where: found x, want y", lower case, no full stop, no secrets.
struct [[nodiscard]] Error {
  Errc code = Errc::internal;
  std::string detail;

  // Returns this error with `where` put before its detail.
  Error at(std::string_view where) && {
    detail = std::string(where) + ": " + detail;
    return std::move(*this);
  }
};

template <class T>
struct [[nodiscard]] Result : std::expected<T, Error> {
  using std::expected<T, Error>::expected;
};

inline std::unexpected<Error> fail(Errc code, std::string detail) {
  return std::unexpected<Error>(Error{code, std::move(detail)});
}

template <class... Args>
std::unexpected<Error> failf(Errc code, fmt::format_string<Args...> format, Args&&... args) {
  return fail(code, fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void abort_with(const char* file, int line, const char* condition);

}  // namespace sallyport

#define SALLYPORT_CONCAT_(a, b) a##b
#define SALLYPORT_CONCAT(a, b) SALLYPORT_CONCAT_(a, b)

// TRY(auto x, expression): binds the value of a Result, or returns its error from the enclosing function.
#define TRY(declaration, ...) TRY_NAMED_(SALLYPORT_CONCAT(try_result_, __COUNTER__), declaration, __VA_ARGS__)
#define TRY_NAMED_(name, declaration, ...)                                          \
  auto name = (__VA_ARGS__);                                                        \
  if (!name) return ::std::unexpected<::sallyport::Error>(std::move(name).error()); \
  declaration = *std::move(name)

// TRY_VOID(expression): returns the error of a Result from the enclosing function.
#define TRY_VOID(...)                                                                   \
  do {                                                                                  \
    if (auto try_void_result = (__VA_ARGS__); !try_void_result)                         \
      return ::std::unexpected<::sallyport::Error>(std::move(try_void_result).error()); \
  } while (false)

// The same two in a coroutine that returns Task<Result<T>>; the expression may contain co_await.
#define CO_TRY(declaration, ...) CO_TRY_NAMED_(SALLYPORT_CONCAT(try_result_, __COUNTER__), declaration, __VA_ARGS__)
#define CO_TRY_NAMED_(name, declaration, ...)                                          \
  auto name = (__VA_ARGS__);                                                           \
  if (!name) co_return ::std::unexpected<::sallyport::Error>(std::move(name).error()); \
  declaration = *std::move(name)
#define CO_TRY_VOID(...)                                                                                       \
  do {                                                                                                         \
    auto try_void_result = (__VA_ARGS__);                                                                      \
    if (!try_void_result) co_return ::std::unexpected<::sallyport::Error>(std::move(try_void_result).error()); \
  } while (false)

// Ends the process on a broken invariant of our own; never on input.
#define SALLYPORT_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::sallyport::abort_with(__FILE__, __LINE__, #condition))
