#include "authority/pauses.h"

#include "base/log.h"
#include "codec/text.h"

namespace sallyport::authority {
namespace {

// What a client is to blame for; everything else may go better the next time without any doing of its own.
bool is_own_fault(const Error& error) {
  return error.code == Errc::unauthorized || error.code == Errc::conflict || error.code == Errc::malformed;
}

}  // namespace

std::string pause_name(const SiteName& site, const SerialId& serial_id) {
  return "factory " + serial_id.get() + "." + site.get();
}

std::string pause_name(const records::CertificateSerial& operational) {
  return "operational " + codec::encode_hex(operational.get());
}

std::optional<records::CertificateChain> wait_first(const Core& core, const std::string& client) {
  const seconds remaining = core.pauses().remaining(client, core.clock().monotonic());
  if (remaining == seconds(0)) return std::nullopt;
  return records::CertificateChain{.certificates = {}, .retry_after_s = static_cast<std::uint32_t>(remaining.count())};
}

void note_outcome(Core& core, const std::string& client, const Result<records::CertificateChain>& answer) {
  if (answer) {
    core.pauses().forget(client);
  } else if (is_own_fault(answer.error())) {
    const seconds pause = core.pauses().failed(client, core.clock().monotonic());
    if (pause > seconds(0)) log::warn("enrolment.paused", {{"client", client}, {"seconds", pause.count()}});
  }
}

}  // namespace sallyport::authority
