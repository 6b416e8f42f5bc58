// What a node that runs under an agent asks it, over the socket that it inherits (docs/protocol/sealed-rpc.md §2, ADR
// 0032): the bodies of net/rpc.h's requests. There is nothing here by which bytes of the asker's choice are signed: it
// names the fields of a bundle, and who has the key builds what is signed.
//
//   01                     who the device is         answer: encode_node_identity()
//   02 encode_bundle()     to sign this bundle       answer: the signed bundle (signed_bundle.h)
//   03                     the device's values       answer: JSON
//   04                     its services              answer: JSON
//   05 u8 name             to close (0) or open (1) a service    answer: empty
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/names.h"
#include "pki/certificate.h"
#include "sealed/bundle.h"

namespace sallyport::sealed {

// Longer is no request: the longest is a bundle of the longest name.
inline constexpr std::size_t kMaxNodeRequest = 512;
// Of an answer.
inline constexpr std::size_t kMaxNodeAnswer = 128U << 10U;
inline constexpr std::size_t kMaxNodeFrame = kMaxNodeAnswer + 64;  // with what net/rpc.h adds, and more
inline constexpr std::size_t kMaxNodeCertificates = 8;
// The event by which the agent tells that what request 01 answers is another now.
inline constexpr std::uint8_t kIdentityChanged = 1;

struct AskIdentity {
  friend bool operator==(const AskIdentity&, const AskIdentity&) = default;
};
struct SignBundle {
  Bundle bundle;
  friend bool operator==(const SignBundle&, const SignBundle&) = default;
};
struct ReadValues {
  friend bool operator==(const ReadValues&, const ReadValues&) = default;
};
struct ListServices {
  friend bool operator==(const ListServices&, const ListServices&) = default;
};
struct SwitchService {
  ServiceName name;
  bool open = false;
  friend bool operator==(const SwitchService&, const SwitchService&) = default;
};
using NodeRequest = std::variant<AskIdentity, SignBundle, ReadValues, ListServices, SwitchService>;

Bytes encode_node_request(const NodeRequest& request);
// Takes one encoding of each request and nothing else. Errc::malformed.
Result<NodeRequest> parse_node_request(ByteView bytes);

// What a node needs to know to be judged by others and to judge them: nothing of it is secret.
struct NodeIdentity {
  DnsName zone;
  std::vector<pki::Certificate> chain;  // leaf first, root left out
  std::vector<pki::Certificate> roots;
};
Bytes encode_node_identity(const NodeIdentity& identity);
// Errc::malformed, also for no certificate or too many. Nothing is verified.
Result<NodeIdentity> parse_node_identity(ByteView bytes);

}  // namespace sallyport::sealed
