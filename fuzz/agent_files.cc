// The files of an agent's folder: ratchets, the password's verifier, what is remembered of ways out, the relay's
// resumption, agent.toml and a service of the command line. The first byte says which.
#include <cstdint>

#include "agent/device_password.h"
#include "agent/resumptions.h"
#include "agent/settings.h"
#include "agent/state.h"

namespace {

using namespace sallyport;

void read_settings(std::string_view text) {
  const auto settings = agent::parse_settings(text, "agent.toml");
  if (!settings) return;
  // The consent command is a person's to write: init never does.
  if (!settings->consent_command.empty()) return;
  const std::string written = agent::encode_settings(*settings);
  const auto again = agent::parse_settings(written, "agent.toml");
  SALLYPORT_CHECK(again.has_value() && agent::encode_settings(*again) == written);
}

void read_target(std::string_view text) {
  const auto target = agent::parse_local_target(text);
  SALLYPORT_CHECK(!target || target->service.name.get() != agent::kDeviceService);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView rest(data + 1, size - 1);
  switch (data[0]) {
    case 'r':
      if (const auto ratchets = agent::parse_ratchets(rest)) {
        const auto again = agent::parse_ratchets(agent::encode_ratchets(*ratchets));
        SALLYPORT_CHECK(again.has_value() && *again == *ratchets);
      }
      break;
    case 'p':
      if (const auto verifier = agent::parse_password_verifier(rest))
        SALLYPORT_CHECK(equal(agent::encode_password_verifier(*verifier), rest));
      break;
    case 's':
      read_settings(as_text(rest));
      break;
    case 'w':
      if (const auto memory = agent::parse_way_memory(rest)) {
        const auto again = agent::parse_way_memory(as_bytes(agent::encode_way_memory(*memory)));
        SALLYPORT_CHECK(again.has_value() && *again == *memory);
      }
      break;
    case 'k':
      if (const auto kept = agent::parse_resumption(rest))
        SALLYPORT_CHECK(equal(agent::encode_resumption(*kept).expose(), rest));
      break;
    case 't':
      read_target(as_text(rest));
      break;
    default:
      break;
  }
  return 0;
}
