#include "pki/foreign_names.h"

#include <gtest/gtest.h>

#include "pki/certificate.h"

namespace sallyport::pki {
namespace {

using codec::der::encode;
using codec::der::encode_sequence;
using codec::der::Tag;

// A certificate of an algorithm that nobody knows, with a serial number that is not minimal, as far as its subject and
// whatever is behind it.
Bytes make_foreign(ByteView issuer, ByteView subject) {
  const Bytes serial = encode(Tag::integer, Bytes{0, 0, 7});
  const Bytes algorithm = encode_sequence({encode(Tag::object_identifier, Bytes{0x2A, 0x03})});
  const Bytes validity = encode_sequence({encode(Tag::null, Bytes())});
  const Bytes tbs = encode_sequence({serial, algorithm, issuer, validity, subject, encode(Tag::null, Bytes())});
  return encode_sequence({tbs, encode(Tag::null, Bytes())});
}

DistinguishedName name_of(std::string_view common_name) {
  return *DistinguishedName::of(common_name, "Plant");
}

TEST(ForeignNames, AreReadOfWhatWeWouldNeverTake) {
  const auto issuer = name_of("Inspection CA"), subject = name_of("relay.devices.example");
  const Bytes der = make_foreign(issuer.der(), subject.der());
  EXPECT_FALSE(parse_certificate(der));
  const auto names = parse_foreign_names(der);
  ASSERT_TRUE(names) << names.error().detail;
  EXPECT_EQ(names->issuer, issuer);
  EXPECT_EQ(names->subject, subject);
  EXPECT_NE(names->issuer.text().find("CN=Inspection CA"), std::string::npos) << names->issuer.text();
}

TEST(ForeignNames, RefuseWhatHasNone) {
  const auto name = name_of("x");
  const Bytes whole = make_foreign(name.der(), name.der());
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_foreign_names(ByteView(whole).first(size))) << size;
  const Bytes no_name = encode_sequence({encode(Tag::null, Bytes())});
  EXPECT_FALSE(parse_foreign_names(make_foreign(no_name, name.der())));
  EXPECT_FALSE(parse_foreign_names(make_foreign(name.der(), no_name)));
  Bytes more = whole;
  more.push_back(0);
  EXPECT_FALSE(parse_foreign_names(more));
  EXPECT_FALSE(parse_foreign_names(encode_sequence({})));
  EXPECT_FALSE(parse_foreign_names(make_foreign(name_of(std::string(64, 'x')).der(), Bytes(kMaxNameBytes + 1))));
}

}  // namespace
}  // namespace sallyport::pki
