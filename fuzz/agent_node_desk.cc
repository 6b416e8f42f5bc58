// Input: requests of a node to its agent, each a length u16 and its bytes. Whatever is asked, nothing is signed but
// bundles of this node under their mark.
#include <cstdint>
#include <cstdlib>

#include "agent/node_desk.h"

using namespace sallyport;

namespace {

constexpr std::string_view kMark("sallyport/rpc-bundle/v1\0", 24);
const sealed::NodeName kNode("pump-7");
constexpr UnixTime kFuzzNow{1'800'000'100};

// Signs nothing, and ends the program when it should not be asked.
class WatchfulKey final : public crypto::SigningKey {
 public:
  const crypto::PublicKey& public_key() const override { return key_.public_key(); }
  crypto::SignatureScheme scheme() const override { return key_.scheme(); }
  Result<Bytes> sign(ByteView message) override {
    if (!as_text(message).starts_with(kMark)) std::abort();
    const auto bundle = sealed::parse_bundle(message.subspan(kMark.size()));
    if (!bundle || !sealed::check_bundle(*bundle, kNode, 0, kFuzzNow)) std::abort();
    return Bytes(64, 1);
  }

 private:
  crypto::PrivateKey key_ = crypto::PrivateKey::generate();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto key = std::make_shared<WatchfulKey>();
  const ManualClock clock(kFuzzNow);
  agent::NodeDesk desk(
      kNode, clock,
      {.identity = [] { return agent::DeviceIdentity{.key = key, .zone = DnsName("devices.example")}; },
       .values = [] { return codec::Json(nullptr); },
       .services = [] { return codec::Json(nullptr); },
       .switch_service = [](const ServiceName&, bool) { return Result<void>{}; }});
  Reader reader(ByteView(data, size));
  while (true) {
    const auto request = reader.bytes_u16();
    if (!request) return 0;
    static_cast<void>(desk.answer(*request));
  }
}
