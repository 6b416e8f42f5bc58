#include "certificate_text.h"

#include <algorithm>
#include <array>
#include <bit>

#include <fmt/format.h>

#include "codec/pem.h"
#include "codec/text.h"
#include "keystore/file.h"
#include "pki/oids.h"
#include "pki/profile.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::size_t kMaxCrlText = 64U << 20U;
constexpr std::size_t kMaxInFile = 512;

bool is_pem(ByteView bytes) {
  return as_text(bytes).find("-----BEGIN") != std::string_view::npos;
}

// The contents of the blocks labelled `label`; of a file that is no PEM, the file.
Result<std::vector<Bytes>> read_blocks(const std::filesystem::path& path, std::string_view label, std::size_t limit) {
  TRY(Bytes bytes, keystore::read_file(path, limit));
  std::vector<Bytes> out;
  constexpr std::uint8_t kSequence = 0x30;
  if (!is_pem(bytes)) {
    if (bytes.empty() || bytes[0] != kSequence) return failf(Errc::malformed, "{}: neither PEM nor DER", path.string());
    out.push_back(std::move(bytes));
    return out;
  }
  auto blocks = codec::parse_pem(as_text(bytes));
  if (!blocks) return std::unexpected(std::move(blocks).error().at(path.string()));
  for (codec::PemBlock& block : *blocks) {
    if (block.label == label) out.push_back(std::move(block.content));
  }
  if (out.empty()) return failf(Errc::malformed, "{}: found no {} block, want at least one", path.string(), label);
  if (out.size() > kMaxInFile) return failf(Errc::overloaded, "{}: over {} blocks", path.string(), kMaxInFile);
  return out;
}

std::string address_text(ByteView address) {
  if (address.size() == 4) return fmt::format("{}.{}.{}.{}", address[0], address[1], address[2], address[3]);
  std::string out;
  for (std::size_t i = 0; i + 1 < address.size(); i += 2) {
    out += fmt::format("{}{:x}", i == 0 ? "" : ":", (unsigned{address[i]} << 8U) | address[i + 1]);
  }
  return out;
}

unsigned prefix_length(ByteView mask) {
  unsigned out = 0;
  for (const std::uint8_t byte : mask) out += static_cast<unsigned>(std::popcount(byte));
  return out;
}

void add_names(std::vector<std::string>& out, const pki::AlternativeNames& names) {
  for (const std::string& name : names.dns) out.push_back("DNS " + name);
  for (const Bytes& address : names.ip) out.push_back("IP " + address_text(address));
  for (const std::string& uri : names.uri) out.push_back("URI " + uri);
  for (const std::string& mailbox : names.email) out.push_back("mailbox " + mailbox);
  for (const pki::DistinguishedName& name : names.directory) out.push_back("directory name " + name.text());
  if (names.unread_forms != 0) out.emplace_back("a name of another form");
}

std::string subtrees_text(const pki::Subtrees& subtrees) {
  std::vector<std::string> out;
  for (const std::string& tree : subtrees.dns) out.push_back(tree.empty() ? "every DNS name" : "DNS " + tree);
  for (const pki::IpSubnet& net : subtrees.ip)
    out.push_back(fmt::format("IP {}/{}", address_text(net.address), prefix_length(net.mask)));
  for (const std::string& tree : subtrees.email) out.push_back(tree.empty() ? "every mailbox" : "mailbox " + tree);
  for (const std::string& tree : subtrees.uri) out.push_back("URI host " + tree);
  for (const pki::DirectorySubtree& tree : subtrees.directory) out.push_back("directory name " + tree.name.text());
  if (subtrees.unread_forms != 0) out.emplace_back("names of another form");
  return fmt::format("{}", fmt::join(out, ", "));
}

std::string key_usage_text(std::uint32_t bits) {
  constexpr std::array<std::string_view, 9> kNames = {"digitalSignature", "nonRepudiation", "keyEncipherment",
                                                      "dataEncipherment", "keyAgreement",   "keyCertSign",
                                                      "cRLSign",          "encipherOnly",   "decipherOnly"};
  std::vector<std::string_view> out;
  for (unsigned i = 0; i < kNames.size(); ++i) {
    if (((bits >> i) & 1U) != 0) out.push_back(kNames[i]);
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

std::string use_text(const pki::Oid& use) {
  using enum pki::ExtendedUse;
  constexpr std::array kKnownUses = {server_auth, client_auth, ocsp_signing, grant, snapshot, permit, licence};
  constexpr std::array<std::string_view, kKnownUses.size()> kNames = {
      "TLS servers", "TLS clients", "OCSP signing", "access grants", "snapshots", "site permits", "licences"};
  for (std::size_t i = 0; i < kKnownUses.size(); ++i) {
    if (use == pki::oid_of(kKnownUses[i])) return std::string(kNames[i]);
  }
  return use == pki::oid::eku_any ? "any use" : use.dotted();
}

std::string policy_text(const pki::Oid& policy) {
  for (unsigned i = 1; i <= static_cast<unsigned>(pki::CaKind::control); ++i) {
    const auto kind = static_cast<pki::CaKind>(i);
    if (policy == pki::policy_of(kind)) return fmt::format("{} ({})", policy.dotted(), pki::to_string(kind));
  }
  return policy.dotted();
}

template <class List, class Text>
void add_list(std::vector<std::string>& out, std::string_view title, const List& list, Text text) {
  if (list.empty()) return;
  std::vector<std::string> words;
  for (const auto& each : list) words.push_back(text(each));
  out.push_back(fmt::format("{}: {}", title, fmt::join(words, ", ")));
}

void add_constraints(std::vector<std::string>& out, const pki::Extensions& found) {
  if (!found.name_constraints) return;
  const std::string permitted = subtrees_text(found.name_constraints->permitted);
  const std::string excluded = subtrees_text(found.name_constraints->excluded);
  if (!permitted.empty()) out.push_back("names permitted below it: " + permitted);
  if (!excluded.empty()) out.push_back("names excluded below it: " + excluded);
}

void add_policies(std::vector<std::string>& out, const pki::Extensions& found) {
  add_list(out, "policies", found.policies, policy_text);
  add_list(out, "policies mapped", found.policy_mappings, [](const pki::PolicyMapping& mapping) {
    return mapping.issuer_domain.dotted() + " to " + mapping.subject_domain.dotted();
  });
  if (found.policy_constraints && found.policy_constraints->require_explicit)
    out.push_back(fmt::format("a policy is required after {} CAs", *found.policy_constraints->require_explicit));
  if (found.policy_constraints && found.policy_constraints->inhibit_mapping)
    out.push_back(fmt::format("no mapping of policies after {} CAs", *found.policy_constraints->inhibit_mapping));
  if (found.inhibit_any_policy) out.push_back(fmt::format("anyPolicy counts for {} CAs", *found.inhibit_any_policy));
}

Json::Array texts(const std::vector<std::string>& list) {
  return {list.begin(), list.end()};
}

}  // namespace

Result<CertificateFile> read_certificate_file(const std::filesystem::path& path) {
  TRY(const auto blocks, read_blocks(path, "CERTIFICATE", codec::kMaxPemText));
  CertificateFile out;
  for (const Bytes& block : blocks) {
    auto certificate = pki::parse_certificate(block);
    if (certificate) {
      out.certificates.push_back(*std::move(certificate));
      continue;
    }
    out.first_is_unusable = out.first_is_unusable || out.certificates.empty();
    out.unusable.push_back(std::move(certificate).error().at(path.string()));
  }
  return out;
}

Result<std::vector<pki::Crl>> read_crl_file(const std::filesystem::path& path) {
  TRY(const auto blocks, read_blocks(path, "X509 CRL", kMaxCrlText));
  std::vector<pki::Crl> out;
  for (const Bytes& block : blocks) {
    auto crl = pki::parse_foreign_crl(block);
    if (!crl) return std::unexpected(std::move(crl).error().at(path.string()));
    out.push_back(*std::move(crl));
  }
  return out;
}

std::string title_of(const pki::Certificate& certificate) {
  if (!certificate.subject().empty()) return certificate.subject().text();
  const auto names = names_of(certificate);
  return names.empty() ? "(no name)" : names.front();
}

std::vector<std::string> names_of(const pki::Certificate& certificate) {
  std::vector<std::string> out;
  if (certificate.extensions().alternative_names) add_names(out, *certificate.extensions().alternative_names);
  return out;
}

std::string key_of(const pki::Certificate& certificate) {
  switch (certificate.public_key().type()) {
    case crypto::KeyType::p256:
      return "P-256";
    case crypto::KeyType::p384:
      return "P-384";
    case crypto::KeyType::ed25519:
      return "Ed25519";
    case crypto::KeyType::rsa: {
      // The bits of an RSA key are a SEQUENCE of modulus and exponent, the modulus some 2 kbit or more.
      constexpr std::size_t kAround = 14;
      return fmt::format("RSA {}", (certificate.public_key_bits().size() - kAround) / 64 * 64 * 8);
    }
  }
  return {};
}

std::vector<std::string> extensions_of(const pki::Certificate& certificate) {
  const pki::Extensions& found = certificate.extensions();
  const auto same = [](const std::string& text) { return text; };
  std::vector<std::string> out;
  if (found.is_ca()) {
    const auto& limit = found.basic_constraints->path_length;
    out.push_back(limit ? fmt::format("a CA, {} CAs below it at most", *limit) : "a CA");
  }
  if (found.key_usage) out.push_back("key usage: " + key_usage_text(*found.key_usage));
  if (found.extended_key_usage) add_list(out, "for", *found.extended_key_usage, use_text);
  add_constraints(out, found);
  add_policies(out, found);
  add_list(out, "CRL at", found.crl_urls, same);
  add_list(out, "OCSP at", found.ocsp_urls, same);
  add_list(out, "issuer's certificate at", found.ca_issuer_urls, same);
  if (found.ocsp_no_check) out.emplace_back("its own status need not be asked");
  if (found.next_root_key) out.push_back("next root's key: " + codec::encode_hex(*found.next_root_key));
  if (found.subject_key_id) out.push_back("subject key identifier: " + codec::encode_hex(*found.subject_key_id));
  if (found.authority_key_id) out.push_back("authority key identifier: " + codec::encode_hex(*found.authority_key_id));
  add_list(out, "critical and not understood", found.unknown_critical,
           [](const pki::Oid& oid) { return oid.dotted(); });
  return out;
}

std::string_view name_of(pki::RevocationReason reason) {
  switch (reason) {
    using enum pki::RevocationReason;
    case unspecified:
      return "unspecified";
    case key_compromise:
      return "keyCompromise";
    case ca_compromise:
      return "cACompromise";
    case affiliation_changed:
      return "affiliationChanged";
    case superseded:
      return "superseded";
    case cessation_of_operation:
      return "cessationOfOperation";
    case certificate_hold:
      return "certificateHold";
    case remove_from_crl:
      return "removeFromCRL";
    case privilege_withdrawn:
      return "privilegeWithdrawn";
    case aa_compromise:
      return "aACompromise";
  }
  return "unspecified";
}

Json to_json(const pki::Certificate& certificate) {
  return Json::Object{{"subject", certificate.subject().text()},
                      {"issuer", certificate.issuer().text()},
                      {"serial", certificate.serial().hex()},
                      {"names", texts(names_of(certificate))},
                      {"not_before", to_iso8601(certificate.validity().not_before)},
                      {"not_after", to_iso8601(certificate.validity().not_after)},
                      {"key", key_of(certificate)},
                      {"ca", certificate.extensions().is_ca()},
                      {"sha256", codec::encode_hex(certificate.fingerprint())},
                      {"spki_sha256", codec::encode_hex(certificate.spki_sha256())},
                      {"extensions", texts(extensions_of(certificate))}};
}

}  // namespace sallyport::cli
