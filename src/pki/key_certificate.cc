#include "pki/key_certificate.h"

#include "pki/detail/algorithm.h"
#include "pki/issue.h"

namespace sallyport::pki {
namespace {

namespace der = codec::der;

constexpr std::uint64_t kX509Version3 = 2;
constexpr std::string_view kNobody = "a key";

}  // namespace

Result<Certificate> make_key_certificate(crypto::SigningKey& key, Random& random, UnixTime now) {
  TRY(const auto name, DistinguishedName::of(kNobody));
  const Bytes tbs = der::encode_sequence({
      der::encode(der::context_constructed(0), der::encode_small_unsigned(kX509Version3)),
      der::encode(der::Tag::integer, SerialNumber::draw(random).content()),
      detail::encode_signature_algorithm(key.scheme()),
      name.der(),
      der::encode_sequence({der::encode_time(now - kBackdating), der::encode_time(now + kKeyCertificateLife)}),
      name.der(),
      key.public_key().spki(),
  });
  TRY(const Bytes signature, key.sign(tbs));
  return parse_certificate(detail::encode_signed(tbs, key.scheme(), signature));
}

}  // namespace sallyport::pki
