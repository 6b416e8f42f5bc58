// What requests about nodes and calls may carry.
#pragma once

#include <array>

#include "console/request_fields.h"

namespace sallyport::console {

inline constexpr std::int64_t kMostKeyRules = 64;  // of one list

inline constexpr std::array kRpcCall = {
    Field{.name = "method", .required = true, .least = 1, .most = 128},
    Field{.name = "params", .most = 48 * 1024},
    Field{.name = "idempotent", .kind = FieldKind::boolean},
    Field{.name = "timeout_ms", .kind = FieldKind::integer, .least = 500, .most = 540'000},
    Field{.name = "id", .least = 36, .most = 36},
    Field{.name = "key", .least = 1, .most = 32}};
inline constexpr std::array kRpcKeptKey = {Field{.name = "purpose", .required = true, .least = 4, .most = 5},
                                           Field{.name = "key", .required = true, .least = 1, .most = 256}};
inline constexpr std::array kRpcNewKey = {
    Field{.name = "id", .required = true, .least = 1, .most = 32},
    Field{.name = "allow", .kind = FieldKind::texts, .required = true, .least = 1, .most = kMostKeyRules},
    Field{.name = "deny", .kind = FieldKind::texts, .most = kMostKeyRules},
    Field{.name = "items", .kind = FieldKind::texts, .most = kMostKeyRules},
    Field{.name = "deny_items", .kind = FieldKind::texts, .most = kMostKeyRules},
    Field{.name = "calls_per_minute", .kind = FieldKind::integer, .least = 1, .most = 1'000'000},
    Field{.name = "expires", .most = 20},
    Field{.name = "comment", .most = 200}};
inline constexpr std::array kRpcRotation = {
    Field{.name = "overlap_s", .kind = FieldKind::integer, .required = true, .most = 90 * 86'400}};
inline constexpr std::array kRpcRemoval = {Field{.name = "confirm", .required = true, .most = 32}};

}  // namespace sallyport::console
