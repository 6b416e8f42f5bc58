// Where this machine's operators hand in what the root has signed, and are told what was taken: over a Unix socket, so
// that it needs neither the authority nor the relay (ADR 0019).
//
//   request := u8 kind | body        kind: 1 order (sealed), 2 root CRL (DER), 3 what was taken (no body)
//   answer  := JSON: {"taken": bool, …} for 1 and 2 (false: it was known), {"orders": […], "root_crls": […]} for 3
#pragma once

#include <functional>
#include <vector>

#include "codec/json.h"
#include "net/rpc.h"
#include "status/order_book.h"

namespace sallyport::status {

enum class DeskRequest : std::uint8_t { order = 1, root_crl = 2, list = 3 };

// One thread.
class OrderDesk {
 public:
  struct Settings {
    const Clock& clock;
    OrderBook& orders;                                      // outlives the desk
    std::function<std::vector<Bytes>()> root_crls_at_hand;  // the authority's
    std::function<void()> on_taken;                         // something new was taken
  };
  explicit OrderDesk(Settings settings) : settings_(std::move(settings)) {}

  // Serves one connection until it ends.
  net::Task<void> serve(net::StreamPtr stream);
  // Answers one request; what is new is durable and in force when it returns. Fails as OrderBook does.
  Result<codec::Json> handle(ByteView request);

 private:
  Result<codec::Json> take_order(ByteView sealed);
  Result<codec::Json> take_root_crl(ByteView der);
  codec::Json list() const;
  net::Task<Result<Bytes>> answer(Bytes request);

  Settings settings_;
};

}  // namespace sallyport::status
