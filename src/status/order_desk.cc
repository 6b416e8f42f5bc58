#include "status/order_desk.h"

#include "base/log.h"
#include "codec/text.h"

namespace sallyport::status {
namespace {

constexpr std::size_t kMaxCalls = 4;

codec::Json describe(const pki::RootOrder& order) {
  codec::Json::Object out{{"number", order.number},
                          {"installation", order.installation},
                          {"issued_at", to_iso8601(order.issued_at)},
                          {"ca", order.ca},
                          {"ca_key_sha256", codec::encode_hex(order.ca_key)},
                          {"reason", static_cast<unsigned>(order.reason)}};
  out["serial"] = order.serial ? codec::Json(order.serial->hex()) : codec::Json();
  return out;
}

codec::Json describe(const pki::Crl& crl) {
  return codec::Json::Object{{"issuer_key_id", codec::encode_hex(crl.authority_key_id().value_or(Bytes()))},
                             {"number", crl.number()},
                             {"revoked", std::uint64_t{crl.entries().size()}},
                             {"next_update", to_iso8601(crl.next_update())}};
}

}  // namespace

Result<codec::Json> OrderDesk::take_order(ByteView sealed) {
  TRY(const Taken taken, settings_.orders.take_order(sealed));
  TRY(const auto opened, pki::open_root_order(sealed, settings_.orders.roots()));
  const pki::RootOrder& order = opened.order();
  if (taken == Taken::taken) {
    log::warn(
        "status.order",
        {{"number", order.number}, {"ca", order.ca}, {"serial", order.serial ? order.serial->hex() : "the whole CA"}});
    settings_.on_taken();
  }
  return codec::Json(codec::Json::Object{{"taken", taken == Taken::taken}, {"order", describe(order)}});
}

Result<codec::Json> OrderDesk::take_root_crl(ByteView der) {
  TRY(const Taken taken, settings_.orders.take_root_crl(der, settings_.root_crls_at_hand(), settings_.clock.now()));
  TRY(const auto crl, pki::parse_crl(der));
  if (taken == Taken::taken) {
    log::warn("status.root-crl", {{"number", crl.number()}, {"revoked", crl.entries().size()}});
    settings_.on_taken();
  }
  return codec::Json(codec::Json::Object{{"taken", taken == Taken::taken}, {"root_crl", describe(crl)}});
}

codec::Json OrderDesk::list() const {
  codec::Json::Array orders;
  codec::Json::Array crls;
  for (const auto& [number, order] : settings_.orders.orders()) orders.push_back(describe(order));
  for (const pki::VerifiedCrl& crl : settings_.orders.root_crls()) crls.push_back(describe(crl.crl()));
  return codec::Json::Object{{"orders", std::move(orders)}, {"root_crls", std::move(crls)}};
}

Result<codec::Json> OrderDesk::handle(ByteView request) {
  Reader reader(request);
  TRY(const std::uint8_t kind, reader.u8());
  switch (static_cast<DeskRequest>(kind)) {
    case DeskRequest::order:
      return take_order(reader.rest());
    case DeskRequest::root_crl:
      return take_root_crl(reader.rest());
    case DeskRequest::list:
      TRY_VOID(reader.finish("order desk"));
      return list();
  }
  return failf(Errc::malformed, "order desk: found request {}, want 1 to 3", kind);
}

net::Task<void> OrderDesk::serve(net::StreamPtr stream) {
  net::RpcOptions options;
  options.max_calls = kMaxCalls;
  options.on_request = [this](Bytes request, net::Caller) -> net::Task<Result<Bytes>> {
    return answer(std::move(request));
  };
  const auto peer = net::RpcPeer::start(std::move(stream), std::move(options));
  co_await peer->ended();
}

net::Task<Result<Bytes>> OrderDesk::answer(Bytes request) {
  auto answered = handle(request);
  if (answered) co_return to_bytes(answered->write());
  log::warn("status.order-refused", {{"error", answered.error()}});
  co_return std::unexpected(std::move(answered).error());
}

}  // namespace sallyport::status
