#include "enrolled.h"

#include <fstream>

#include "authority/log_entries.h"
#include "codec/pem.h"
#include "crypto/hash.h"
#include "crypto/system_random.h"
#include "keystore/file.h"
#include "pki/issue.h"
#include "records/installation_values.h"
#include "signer/key_folder.h"
#include "store/record_database.h"

namespace sallyport::bench {
namespace {

constexpr std::size_t kAtOnce = 500;  // in one transaction
constexpr std::size_t kMostBytes = 4096;
const records::CaName kOnlineCa("online-ca");
const SiteName kSite("site-07");

struct Issuer {
  pki::Certificate certificate;
  std::unique_ptr<crypto::SigningKey> key;
  DnsName zone;
};

Result<Issuer> load_issuer(const std::filesystem::path& state) {
  TRY(const auto secret, keystore::MachineSecret::open(state / "secret"));
  std::vector<std::string> names;
  for (const auto& ca : records::online_ca_names()) names.push_back(ca.get());
  TRY(auto keys, signer::load_keys({.keys = state / "signer", .trust = state / "trust"}, secret, names));
  for (auto& ca : keys.cas) {
    if (ca.name != kOnlineCa.get()) continue;
    const auto& constraints = ca.certificate.extensions().name_constraints;
    if (!constraints || constraints->permitted.dns.empty()) break;
    TRY(auto zone, parse_dns_name(constraints->permitted.dns.front()));
    return Issuer{ca.certificate, std::move(ca.key), std::move(zone)};
  }
  return fail(Errc::not_found, "enrolled: no online-ca with a zone");
}

struct Made {
  records::DeviceRecord device;
  records::CertificateRecord intent;
  Bytes certificate;
  Bytes key;
};

Result<Made> make(Issuer& issuer, std::size_t number, UnixTime now, Random& random) {
  const DeviceName name = draw_device_name(random);
  const auto key = crypto::PrivateKey::generate();
  const auto& profile = pki::profile(pki::ProfileId::operational_device);
  pki::CertificateFields fields{.common_name = name.get(),
                                .dns_names = {under(name.get(), issuer.zone).get()},
                                .public_key = key.public_key(),
                                .validity = pki::choose_validity(profile, &issuer.certificate, now, 90 * kDay),
                                .serial = pki::SerialNumber::draw(random),
                                .ocsp_urls = {"http://status." + issuer.zone.get() + "/ocsp"},
                                .crl_urls = {"http://status." + issuer.zone.get() + "/crl/online-ca.crl"}};
  Made made;
  made.intent = {.ca = kOnlineCa,
                 .serial = records::CertificateSerial(to_bytes(fields.serial.content())),
                 .kind = records::CertificateKind::operational,
                 .subject = name.get(),
                 .spki_sha256 = crypto::sha256(key.public_key().spki()),
                 .not_before = fields.validity.not_before,
                 .not_after = fields.validity.not_after,
                 .recorded_at = now};
  TRY(auto linted, pki::prepare(profile, fields, issuer.certificate, now));
  TRY(made.certificate, pki::sign_certificate(std::move(linted), *issuer.key));
  TRY(const auto serial_id, parse_serial_id(fmt::format("bench-{}", number)));
  made.device = {.serial_id = serial_id,
                 .site = kSite,
                 .state = records::DeviceState::claimed,
                 .factory_serial = made.intent.serial,
                 .name = name,
                 .tenant = "main",
                 .remote_access = true,
                 .created = now,
                 .connected_at = now,
                 .claimed_at = now};
  const SecretBytes pem = key.to_pem();
  made.key = to_bytes(pem.expose());
  return made;
}

Result<void> store(records::RecordDatabase& database, std::vector<Made> batch, UnixTime now) {
  return database.write_and_wait([&](records::Records& records) -> Result<void> {
    for (const Made& made : batch) {
      TRY_VOID(records.devices().add(made.device));
      TRY_VOID(records.certificates().record_intent(made.intent));
      TRY_VOID(authority::record_issued(records, made.intent.ca, made.intent.serial, made.certificate, now));
    }
    return {};
  });
}

void append(Bytes& out, ByteView piece) {
  const Bytes framed = Writer().u32(static_cast<std::uint32_t>(piece.size())).bytes(piece).take();
  out.insert(out.end(), framed.begin(), framed.end());
}

Result<Bytes> read_piece(std::ifstream& in) {
  Bytes length(4);
  if (!in.read(reinterpret_cast<char*>(length.data()), 4)) return fail(Errc::not_found, "enrolled: no more devices");
  TRY(const std::uint32_t size, Reader(length).u32());
  if (size > kMostBytes) return fail(Errc::malformed, "enrolled: no file of devices");
  Bytes piece(size);
  if (!in.read(reinterpret_cast<char*>(piece.data()), size)) return fail(Errc::malformed, "enrolled: cut file");
  return piece;
}

}  // namespace

Result<void> enrol_devices(const std::filesystem::path& state, std::size_t count, const std::filesystem::path& file,
                           const Clock& clock) {
  TRY(auto issuer, load_issuer(state));
  TRY(const auto database, store::open_record_database(state / "authority" / "authority.db"));
  crypto::SystemRandom random;
  const UnixTime now = clock.now();
  std::ofstream out(file, std::ios::binary);
  Bytes bytes;
  append(bytes, issuer.certificate.der());
  std::vector<Made> batch;
  for (std::size_t i = 0; i < count; ++i) {
    TRY(auto made, make(issuer, i, now, random));
    append(bytes, as_bytes(made.device.name->get()));
    append(bytes, made.key);
    append(bytes, made.certificate);
    batch.push_back(std::move(made));
    if (batch.size() == kAtOnce || i + 1 == count) TRY_VOID(store(*database, std::exchange(batch, {}), now));
  }
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.flush();
  if (!out) return failf(Errc::unavailable, "{}: cannot be written", file.string());
  return {};
}

Result<std::vector<Enrolled>> load_devices(const std::filesystem::path& file, std::size_t first, std::size_t count) {
  std::ifstream in(file, std::ios::binary);
  TRY(const Bytes ca, read_piece(in));
  std::vector<Enrolled> out;
  for (std::size_t i = 0; i < first + count; ++i) {
    TRY(const Bytes name, read_piece(in));
    TRY(const Bytes key, read_piece(in));
    TRY(const Bytes leaf, read_piece(in));
    if (i < first) continue;
    TRY(auto opened, crypto::PrivateKey::from_pem(as_text(key)));
    out.push_back({std::string(as_text(name)),
                   {.chain = {leaf, ca}, .key = std::make_shared<const crypto::PrivateKey>(std::move(opened))}});
  }
  return out;
}

}  // namespace sallyport::bench
