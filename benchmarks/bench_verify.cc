// Chains that a core verifies in a second: ours and OpenSSL's X509_verify_cert, over the same certificates.
//
//   bench_verify ours|openssl parse|parsed SECONDS
//
// A chain is leaf, CA and root of our own tree, made here: two P-256 signatures, a server's name, name constraints and
// extended key usage. `parse`: leaf and CA are parsed from DER for every chain, as in a handshake; `parsed`: only
// judged. OpenSSL has a store that is made once, an X509_STORE_CTX that is kept and initialised anew for every chain,
// X509_STRICT, the purpose and the name. Prints {"per_second":…}. Fails when a chain is refused, or a wrong name is
// not.
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>

#include "crypto/system_random.h"
#include "pki/issue.h"
#include "pki/verify.h"

namespace sallyport::bench {
namespace {

constexpr const char* kName = "gateway.devices.example";
constexpr int kChainsAtOnce = 64;

struct Chain {
  Bytes leaf;
  Bytes ca;
  Bytes root;
};

struct Issued {
  pki::Certificate certificate;
  std::shared_ptr<crypto::PrivateKey> key;
};

Result<Issued> issue(pki::ProfileId id, const Issued* issuer, std::string name, std::vector<std::string> dns,
                     std::vector<std::string> permitted, UnixTime now) {
  crypto::SystemRandom random;
  auto key = std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate());
  const pki::Profile& profile = pki::profile(id);
  const pki::Certificate* above = issuer == nullptr ? nullptr : &issuer->certificate;
  const pki::CertificateFields fields{.common_name = std::move(name),
                                      .dns_names = std::move(dns),
                                      .public_key = key->public_key(),
                                      .validity = pki::choose_validity(profile, above, now, profile.longest),
                                      .serial = pki::SerialNumber::draw(random),
                                      .permitted_dns = std::move(permitted)};
  auto linted =
      above == nullptr ? pki::prepare_self_signed(profile, fields, now) : pki::prepare(profile, fields, *above, now);
  if (!linted) return std::unexpected(std::move(linted).error());
  TRY(auto certificate, pki::issue(*std::move(linted), issuer == nullptr ? *key : *issuer->key));
  return Issued{std::move(certificate), std::move(key)};
}

Result<Chain> make_chain(UnixTime now) {
  TRY(const auto root, issue(pki::ProfileId::root, nullptr, "Sallyport root bench", {}, {}, now));
  TRY(const auto ca, issue(pki::ProfileId::server_ca, &root, pki::ca_common_name("server-ca", "bench"), {},
                           {"devices.example", "console.example"}, now));
  TRY(const auto leaf, issue(pki::ProfileId::server, &ca, "gateway", {kName}, {}, now));
  return Chain{to_bytes(leaf.certificate.der()), to_bytes(ca.certificate.der()), to_bytes(root.certificate.der())};
}

// Judges one chain for a name; whether it was accepted.
using Judge = std::function<bool(const std::string& name)>;

Judge ours(const Chain& chain, bool parse, UnixTime now) {
  std::vector<pki::Certificate> anchors = {*pki::parse_certificate(chain.root)};
  std::vector<pki::Certificate> parsed = {*pki::parse_certificate(chain.leaf), *pki::parse_certificate(chain.ca)};
  const std::vector<Bytes> sent = {chain.leaf, chain.ca};
  return [=](const std::string& name) {
    const pki::Purpose purpose = pki::ServerPurpose{*parse_dns_name(name)};
    const auto rule = pki::TimeRule::clock(now);
    if (!parse) return pki::verify_chain(parsed, anchors, purpose, rule).has_value();
    const auto fresh = pki::parse_chain(sent);
    return fresh && pki::verify_chain(*fresh, anchors, purpose, rule).has_value();
  };
}

using OwnedX509 = std::shared_ptr<X509>;

OwnedX509 parse_x509(const Bytes& der) {
  const unsigned char* at = der.data();
  return {d2i_X509(nullptr, &at, static_cast<long>(der.size())), X509_free};
}

bool verify_x509(X509_STORE* store, X509_STORE_CTX* context, X509* leaf, STACK_OF(X509) * untrusted,
                 const std::string& name, UnixTime now) {
  if (X509_STORE_CTX_init(context, store, leaf, untrusted) != 1) return false;
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
  X509_VERIFY_PARAM_set_time(parameters, now.since_epoch());
  X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set1_host(parameters, name.data(), name.size());
  const bool accepted = X509_verify_cert(context) == 1;
  X509_STORE_CTX_cleanup(context);
  return accepted;
}

Judge openssl(const Chain& chain, bool parse, UnixTime now) {
  const std::shared_ptr<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
  const OwnedX509 root = parse_x509(chain.root);
  X509_STORE_add_cert(store.get(), root.get());
  const std::shared_ptr<X509_STORE_CTX> context(X509_STORE_CTX_new(), X509_STORE_CTX_free);
  const OwnedX509 leaf = parse_x509(chain.leaf);
  const std::shared_ptr<STACK_OF(X509)> untrusted(sk_X509_new_null(),
                                                  [](STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); });
  const OwnedX509 ca = parse_x509(chain.ca);
  X509_up_ref(ca.get());
  sk_X509_push(untrusted.get(), ca.get());
  return [=](const std::string& name) {
    if (!parse) return verify_x509(store.get(), context.get(), leaf.get(), untrusted.get(), name, now);
    const OwnedX509 fresh_leaf = parse_x509(chain.leaf);
    const OwnedX509 fresh_ca = parse_x509(chain.ca);
    STACK_OF(X509)* stack = sk_X509_new_null();
    sk_X509_push(stack, fresh_ca.get());
    const bool accepted = verify_x509(store.get(), context.get(), fresh_leaf.get(), stack, name, now);
    sk_X509_free(stack);
    return accepted;
  };
}

int run(std::string_view side, bool parse, double wanted) {
  const SystemClock clock;
  const UnixTime now = clock.now();
  const auto chain = make_chain(now);
  if (!chain) return 1;
  const Judge judge = side == "ours" ? ours(*chain, parse, now) : openssl(*chain, parse, now);
  if (judge("other.devices.example")) return 1;
  const Instant began = clock.monotonic();
  std::uint64_t chains = 0;
  double took = 0;
  while (took < wanted) {
    for (int i = 0; i < kChainsAtOnce; ++i) {
      if (!judge(kName)) return 1;
    }
    chains += kChainsAtOnce;
    took = std::chrono::duration<double>(clock.monotonic() - began).count();
  }
  std::printf("{\"per_second\":%.1f}\n", static_cast<double>(chains) / took);
  return 0;
}

}  // namespace
}  // namespace sallyport::bench

int main(int count, char** words) {
  if (count != 4) return 2;
  return sallyport::bench::run(words[1], std::strcmp(words[2], "parse") == 0, std::atof(words[3]));
}
