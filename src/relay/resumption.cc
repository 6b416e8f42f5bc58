#include "relay/resumption.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "crypto/hash.h"

namespace sallyport::relay {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::string_view kContext = "sallyport resumption 1";
constexpr std::size_t kKeyIdBytes = 8;
constexpr std::size_t kHeadBytes = 1 + kKeyIdBytes + crypto::kAeadNonceBytes;

Bytes encode_sealed_ticket(const Resumption& resumption, UnixTime issued) {
  const DeviceCertificate& shown = resumption.certificate;
  Writer writer;
  writer.bytes(resumption.key.expose())
      .u64(static_cast<std::uint64_t>(issued.since_epoch()))
      .u64(static_cast<std::uint64_t>(shown.not_after.since_epoch()))
      .bytes_u8(as_bytes(shown.name.get()))
      .bytes_u8(shown.serial.content())
      .bytes_u8(shown.issuer_serial.content());
  return std::move(writer).take();
}

Result<UnixTime> parse_time(Reader& reader) {
  TRY(const auto value, reader.u64());
  return UnixTime(static_cast<std::int64_t>(value));
}

struct SealedTicket {
  Resumption resumption;
  UnixTime issued;
};

Result<SealedTicket> parse_sealed_ticket(ByteView bytes) {
  Reader reader(bytes);
  TRY(const auto key, reader.bytes(crypto::kPskBytes));
  TRY(auto psk, crypto::Psk::from(key));
  TRY(const auto issued, parse_time(reader));
  TRY(const auto not_after, parse_time(reader));
  TRY(const auto name_text, reader.bytes_u8());
  TRY(auto name, parse_device_name(as_text(name_text)));
  TRY(const auto serial_content, reader.bytes_u8());
  TRY(auto serial, pki::SerialNumber::from_content(serial_content));
  TRY(const auto issuer_content, reader.bytes_u8());
  TRY(auto issuer, pki::SerialNumber::from_content(issuer_content));
  TRY_VOID(reader.finish("resumption"));
  return SealedTicket{.resumption = {.key = std::move(psk),
                                     .certificate = {.name = std::move(name),
                                                     .serial = std::move(serial),
                                                     .issuer_serial = std::move(issuer),
                                                     .not_after = not_after}},
                      .issued = issued};
}

}  // namespace

Result<net::Descriptor> make_resumption_memory() {
  net::Descriptor memory(::memfd_create("sallyport-resumption", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.is_open() || ::ftruncate(memory.get(), kResumptionKeysBytes) != 0 ||
      ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    return failf(Errc::unavailable, "resumption keys: no memory: {}", std::strerror(errno));
  }
  return memory;
}

ResumptionKeys::ResumptionKeys(net::Descriptor memory, bool turns, std::span<const pki::Certificate> anchors,
                               const Clock& clock, Random& random)
    : memory_(std::move(memory)),
      turns_(turns || !memory_.is_open()),
      anchors_([&] {
        crypto::Sha256 hash;
        for (const auto& anchor : anchors) hash.update(anchor.der());
        return std::move(hash).digest();
      }()),
      clock_(clock),
      random_(random) {
  load();
  on_round();
}

// A reader may come between two halves of a write: such a key opens nothing, and the next look finds the whole one.
void ResumptionKeys::load() {
  if (!memory_.is_open()) return;
  std::array<std::uint8_t, kResumptionKeysBytes> raw{};
  if (::pread(memory_.get(), raw.data(), raw.size(), 0) != static_cast<ssize_t>(raw.size())) return;
  keys_.clear();
  Reader reader(raw);
  for (std::size_t i = 0; i < kResumptionKeys; ++i) {
    const auto id = reader.array<kKeyIdBytes>().value();
    auto key = crypto::AeadKey::from(reader.bytes(crypto::kAeadKeyBytes).value()).value();
    const auto made = parse_time(reader).value();
    if (id != std::array<std::uint8_t, kKeyIdBytes>{}) keys_.push_back({.id = id, .key = std::move(key), .made = made});
  }
  wipe(raw);
}

void ResumptionKeys::store() const {
  if (!memory_.is_open()) return;
  Writer writer;
  for (const Key& key : keys_) {
    writer.bytes(key.id).bytes(key.key.expose()).u64(static_cast<std::uint64_t>(key.made.since_epoch()));
  }
  Bytes raw = std::move(writer).take();
  raw.resize(kResumptionKeysBytes);
  if (::pwrite(memory_.get(), raw.data(), raw.size(), 0) != static_cast<ssize_t>(raw.size()))
    log::error("relay.resumption-keys-not-stored", {{"error", std::strerror(errno)}});
  wipe(raw);
}

void ResumptionKeys::turn() {
  auto secret = random_.array<crypto::kAeadKeyBytes>();
  keys_.insert(keys_.begin(),
               {.id = random_.array<kKeyIdBytes>(), .key = crypto::AeadKey(secret), .made = clock_.now()});
  wipe(secret);
  if (keys_.size() > kResumptionKeys) keys_.pop_back();
  store();
}

void ResumptionKeys::on_round() {
  load();
  if (!turns_) return;
  // A clock that went back would keep a key for as long as it was wrong.
  const UnixTime now = clock_.now();
  const bool is_due = keys_.empty() || now < keys_.front().made || now >= keys_.front().made + kResumptionKeyTurn;
  if (is_due) turn();
}

Bytes ResumptionKeys::associated_data(const Key& key) const {
  Writer writer;
  writer.bytes(as_bytes(kContext)).bytes(key.id).bytes(anchors_);
  return std::move(writer).take();
}

std::optional<Bytes> ResumptionKeys::seal(const Resumption& resumption) const {
  if (keys_.empty()) return std::nullopt;
  const Key& key = keys_.front();
  const auto nonce = random_.array<crypto::kAeadNonceBytes>();
  Bytes ticket = encode_sealed_ticket(resumption, clock_.now());
  Writer writer;
  writer.u8(kFormat).bytes(key.id).bytes(nonce).bytes(crypto::aead_seal(key.key, nonce, associated_data(key), ticket));
  wipe(ticket);
  return std::move(writer).take();
}

Result<Resumption> ResumptionKeys::open(ByteView identity) const {
  if (identity.size() < kHeadBytes || identity.front() != kFormat)
    return fail(Errc::unauthorized, "resumption: none of ours");
  Reader reader(identity.subspan(1));
  TRY(const auto id, reader.array<kKeyIdBytes>());
  TRY(const auto nonce, reader.array<crypto::kAeadNonceBytes>());
  const auto key = std::ranges::find(keys_, id, &Key::id);
  if (key == keys_.end()) return fail(Errc::unauthorized, "resumption: its key has gone");
  TRY(const auto opened, crypto::aead_open(key->key, nonce, associated_data(*key), identity.subspan(kHeadBytes)));
  TRY(auto ticket, parse_sealed_ticket(opened.expose()));
  const UnixTime now = clock_.now();
  if (now >= ticket.issued + kResumptionLife) return fail(Errc::expired, "resumption: too old");
  if (now > ticket.resumption.certificate.not_after) return fail(Errc::expired, "resumption: its certificate expired");
  return std::move(ticket.resumption);
}

}  // namespace sallyport::relay
