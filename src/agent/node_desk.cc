#include "agent/node_desk.h"

#include <algorithm>
#include <utility>

#include "sealed/signed_bundle.h"

namespace sallyport::agent {
namespace {

Result<Bytes> json_answer(const codec::Json& json) {
  std::string text = json.write();
  if (text.size() > sealed::kMaxNodeAnswer) return fail(Errc::overloaded, "node: the answer is too long");
  return to_bytes(text);
}

}  // namespace

NodeDesk::NodeDesk(sealed::NodeName node, const Clock& clock, NodeDeskSources sources)
    : node_(std::move(node)),
      clock_(clock),
      sources_(std::move(sources)),
      requests_(kNodeRequests, kNodeRequestsPerSecond),
      bundles_(kNodeBundles, kNodeBundlesPerSecond),
      switches_(kNodeSwitches, kNodeSwitchesPerSecond) {}

Result<Bytes> NodeDesk::answer(ByteView request) {
  if (!requests_.take(clock_.monotonic())) {
    ++beyond_;
    return fail(Errc::overloaded, "node: more requests than it may make");
  }
  TRY(const auto parsed, sealed::parse_node_request(request));
  if (const auto* bundle = std::get_if<sealed::SignBundle>(&parsed)) return sign(bundle->bundle);
  if (std::holds_alternative<sealed::AskIdentity>(parsed)) return tell_identity();
  if (std::holds_alternative<sealed::ReadValues>(parsed)) return json_answer(sources_.values());
  if (std::holds_alternative<sealed::ListServices>(parsed)) return json_answer(sources_.services());
  const auto& change = std::get<sealed::SwitchService>(parsed);
  if (!switches_.take(clock_.monotonic())) return fail(Errc::overloaded, "node: services are switched too often");
  TRY_VOID(sources_.switch_service(change.name, change.open));
  return Bytes();
}

// What is signed is built here, from fields that were checked, under the mark of bundles.
Result<Bytes> NodeDesk::sign(const sealed::Bundle& bundle) {
  const UnixTime now = clock_.now();
  TRY_VOID(sealed::check_bundle(bundle, node_, sequence_, now));
  const UnixTime latest = now + kBundleAhead;
  if (bundle.sequence > static_cast<std::uint64_t>(std::max<std::int64_t>(latest.since_epoch(), 0)))
    return failf(Errc::conflict, "rpc bundle: sequence {}, want the time, {}", bundle.sequence, now.since_epoch());
  if (!bundles_.take(clock_.monotonic())) return fail(Errc::overloaded, "node: more bundles than it may have signed");
  const auto identity = sources_.identity();
  if (!identity) return fail(Errc::not_yet, "device: has no certificate yet");
  TRY(auto sealed, sealed::sign_bundle(bundle, *identity->key, identity->chain));
  sequence_ = bundle.sequence;
  return sealed;
}

Result<Bytes> NodeDesk::tell_identity() const {
  const auto identity = sources_.identity();
  if (!identity) return fail(Errc::not_yet, "device: has no certificate yet");
  return sealed::encode_node_identity({.zone = identity->zone, .chain = identity->chain, .roots = identity->roots});
}

}  // namespace sallyport::agent
