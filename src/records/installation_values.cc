#include "records/installation_values.h"

#include "codec/tlv.h"

namespace sallyport::records {
namespace {

constexpr std::string_view kFactsKey = "installation";
constexpr std::string_view kRootCrlKey = "root-crl";
constexpr std::string_view kOlderRootCrlsKey = "older-root-crls";
constexpr std::string_view kOlderCas = "older-cas";
constexpr std::uint16_t kEntry = 1;

std::string ca_key(const CaName& ca) {
  return "ca/" + ca.get();
}

// What a list of values holds, of which there is none before the first is put down.
Result<std::vector<Bytes>> list_entries(Records& records, std::string_view key, const char* what) {
  std::vector<Bytes> out;
  TRY(const auto stored, records.find_value(key));
  if (!stored) return out;
  codec::TlvReader reader(*stored, what);
  TRY(const auto entries, reader.repeated(kEntry, kMaxOlderCas));
  for (const ByteView entry : entries) out.push_back(to_bytes(entry));
  TRY_VOID(reader.finish());
  return out;
}

}  // namespace

Result<void> put_installation_facts(Records& records, const InstallationFacts& facts) {
  const Bytes fields = codec::TlvWriter()
                           .text(1, facts.name)
                           .text(2, facts.zone.get())
                           .text(3, facts.console_name.get())
                           .u32(4, facts.public_port)
                           .take();
  return records.put_value(kFactsKey, fields);
}

Result<InstallationFacts> load_installation_facts(Records& records) {
  TRY(auto stored, records.find_value(kFactsKey));
  if (!stored) return fail(Errc::not_found, "database: no installation in it, want one made by `sallyport init`");
  codec::TlvReader reader(*stored, "installation facts");
  InstallationFacts facts;
  TRY(facts.name, reader.text(1));
  TRY(auto zone, reader.text(2));
  TRY(facts.zone, parse_dns_name(zone));
  TRY(auto console_name, reader.text(3));
  TRY(facts.console_name, parse_dns_name(console_name));
  TRY(auto port, reader.u32(4));
  if (port == 0 || port > 0xFFFF) return failf(Errc::malformed, "installation facts: port {}, want 1 to 65535", port);
  facts.public_port = static_cast<std::uint16_t>(port);
  TRY_VOID(reader.finish());
  return facts;
}

Result<void> put_ca_certificate(Records& records, const CaName& ca, ByteView der) {
  return records.put_value(ca_key(ca), der);
}

Result<std::optional<Bytes>> find_ca_certificate(Records& records, const CaName& ca) {
  return records.find_value(ca_key(ca));
}

Result<void> put_root_crl(Records& records, ByteView der) {
  return records.put_value(kRootCrlKey, der);
}

Result<std::optional<Bytes>> find_root_crl(Records& records) {
  return records.find_value(kRootCrlKey);
}

Result<void> put_older_root_crls(Records& records, const std::vector<Bytes>& ders) {
  codec::TlvWriter writer;
  for (const Bytes& der : ders) writer.bytes(kEntry, der);
  return records.put_value(kOlderRootCrlsKey, writer.take());
}

Result<std::vector<Bytes>> list_older_root_crls(Records& records) {
  return list_entries(records, kOlderRootCrlsKey, "older root CRLs");
}

Result<std::vector<Bytes>> list_root_crls(Records& records) {
  TRY(auto newest, find_root_crl(records));
  if (!newest)
    return fail(Errc::not_found, "installation: no root CRL in the database, want one from `sallyport root crl`");
  TRY(auto out, list_older_root_crls(records));
  out.insert(out.begin(), *std::move(newest));
  return out;
}

Result<void> put_older_cas(Records& records, const std::vector<OlderCa>& cas) {
  if (cas.size() > kMaxOlderCas)
    return failf(Errc::overloaded, "older CAs: {}, want at most {}: retire some", cas.size(), kMaxOlderCas);
  codec::TlvWriter writer;
  for (const OlderCa& ca : cas)
    writer.bytes(kEntry, Writer().bytes_u8(as_bytes(ca.name.get())).bytes(ca.certificate).take());
  return records.put_value(kOlderCas, writer.take());
}

Result<std::vector<OlderCa>> list_older_cas(Records& records) {
  TRY(const auto entries, list_entries(records, kOlderCas, "older CAs"));
  std::vector<OlderCa> out;
  for (const Bytes& bytes : entries) {
    Reader entry(bytes);
    TRY(const auto name, entry.bytes_u8());
    out.push_back({CaName(std::string(as_text(name))), to_bytes(entry.rest())});
  }
  return out;
}

const std::vector<CaName>& online_ca_names() {
  static const std::vector<CaName> names = {CaName("online-ca"), CaName("server-ca"), CaName("web-ca"),
                                            CaName("people-ca"), CaName("roles-ca"),  CaName("control-ca")};
  return names;
}

}  // namespace sallyport::records
