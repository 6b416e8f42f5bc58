#include "agent/resumptions.h"

#include "base/log.h"
#include "tunnel/limits.h"

namespace sallyport::agent {
namespace {

constexpr std::uint8_t kResumptionFormat = 1;

Result<std::vector<Bytes>> parse_chain_of(Reader& reader) {
  TRY(const auto count, reader.u8());
  if (count == 0 || count > crypto::kMaxPeerCertificates)
    return failf(Errc::malformed, "resumption: {} certificates, want 1 to {}", count, crypto::kMaxPeerCertificates);
  std::vector<Bytes> chain;
  for (unsigned i = 0; i < count; ++i) {
    TRY(const auto der, reader.bytes_u24());
    chain.push_back(to_bytes(der));
  }
  return chain;
}

}  // namespace

SecretBytes encode_resumption(const KeptResumption& kept) {
  const crypto::TlsResumption& resumption = *kept.resumption;
  Writer writer;
  writer.u8(kResumptionFormat).bytes(kept.leaf).bytes(resumption.key.expose()).bytes_u16(resumption.identity);
  writer.u8(static_cast<std::uint8_t>(resumption.server_chain.size()));
  for (const Bytes& der : resumption.server_chain) writer.bytes_u24(der);
  return SecretBytes(std::move(writer).take());
}

Result<KeptResumption> parse_resumption(ByteView bytes) {
  Reader reader(bytes);
  TRY(const auto format, reader.u8());
  if (format != kResumptionFormat)
    return failf(Errc::malformed, "resumption: format {}, want {}", format, kResumptionFormat);
  TRY(const auto leaf, reader.array<std::tuple_size_v<crypto::Sha256Digest>>());
  TRY(const auto key, reader.bytes(crypto::kPskBytes));
  TRY(const auto identity, reader.bytes_u16());
  if (identity.empty() || identity.size() > tunnel::kMaxResumptionIdentity)
    return failf(Errc::malformed, "resumption: identity of {} bytes, want 1 to {}", identity.size(),
                 tunnel::kMaxResumptionIdentity);
  TRY(auto chain, parse_chain_of(reader));
  TRY_VOID(reader.finish("resumption"));
  TRY(auto psk, crypto::Psk::from(key));
  return KeptResumption{.leaf = leaf,
                        .resumption = std::make_shared<crypto::TlsResumption>(crypto::TlsResumption{
                            .identity = to_bytes(identity), .key = std::move(psk), .server_chain = std::move(chain)})};
}

Resumptions::Resumptions(AgentState& state) : state_(state) {
  const auto file = state.resumption();
  if (!file) return;
  if (auto kept = parse_resumption(file->expose())) kept_ = *std::move(kept);
}

std::shared_ptr<const crypto::TlsResumption> Resumptions::find(ByteView leaf) const {
  if (!kept_.resumption || kept_.leaf != crypto::sha256(leaf)) return nullptr;
  return kept_.resumption;
}

void Resumptions::keep(ByteView leaf, crypto::TlsResumption resumption) {
  kept_ = {.leaf = crypto::sha256(leaf), .resumption = std::make_shared<crypto::TlsResumption>(std::move(resumption))};
  failures_ = 0;
  if (auto written = state_.remember_resumption(encode_resumption(kept_)); !written)
    log::warn("agent.resumption-not-stored", {{"error", written.error()}});
}

// That nobody can be reached says nothing about the key.
void Resumptions::failed(const Error& error) {
  if (error.code != Errc::unavailable && ++failures_ >= kMaxResumptionFailures) forget();
}

void Resumptions::forget() {
  kept_ = {};
  failures_ = 0;
  if (auto gone = state_.forget_resumption(); !gone)
    log::warn("agent.resumption-not-removed", {{"error", gone.error()}});
}

}  // namespace sallyport::agent
