// A gateway and a client of EVA ICS v3 under a broker that does what it likes: the input is a list of steps of one
// octet of what, one of how many seconds pass, two of length, and so many octets. Whatever comes, a message executes at
// most once, no key goes further, answers go to topics of answers alone, and no call ends but by an answer to it.

#include <cstdlib>
#include <set>

#include "codec/text.h"
#include "sealed/eva_client.h"
#include "sealed/eva_gateway.h"

using namespace sallyport;
using namespace sallyport::sealed::eva;

namespace {

constexpr std::string_view kAnswers = "controller/uc/plant1/api/response/";
constexpr UnixTime kStart{1'600'000'000};

void want(bool holds) {
  if (!holds) std::abort();
}

Key fuzz_key() {
  return Key::from(parse_key_id("default").value(), "my-eva-api-key").value();
}

class Broker {
 public:
  Broker() : gateway_(settings(), UnixTime(0), random_), client_({}, fuzz_key(), random_) {
    want(
        gateway_.add_key({.key = fuzz_key(), .legacy_until = kStart + hours(1), .rate = {.burst = 64, .per_second = 5}})
            .has_value());
  }

  void step(std::uint8_t what, std::uint8_t passed, ByteView data) {
    now_ = {.civil = now_.civil + seconds(passed), .steady = now_.steady + seconds(passed)};
    take(gateway_.on_tick(now_));
    client_.on_tick(now_.steady);
    const auto iv = random_.array<crypto::kCbcBlockBytes>();
    switch (what % 6) {
      case 0:
        return request(to_bytes(data), what >= 128);
      case 1:
      case 2:
        return request(Writer()
                           .u8(0)
                           .u8(what % 6 == 1 ? 2 : 3)
                           .text("default")
                           .u8(0)
                           .bytes(crypto::cbc_seal(fuzz_key().binary(), {}, iv, data))
                           .take(),
                       what >= 128);
      case 3:
        return request(to_bytes("|default|" + seal_token(fuzz_key().fernet(), now_.civil, iv, data)), what >= 128);
      case 4:
        if (!sent_.empty()) request(sent_[passed % sent_.size()], false);
        return;
      default:
        return call(data);
    }
  }

 private:
  static GatewaySettings settings() {
    return {.self = {.type = ControllerType::uc, .name = "plant1"}, .under_way = 8, .remembered = 256};
  }

  void request(const Bytes& payload, bool retained) {
    auto actions = gateway_.on_message(gateway_.subscription(), payload, retained, now_);
    want(actions.execute.empty() || (!retained && executed_.insert(payload).second));
    if (sent_.size() < 16) sent_.push_back(payload);
    take(std::move(actions));
  }

  void take(GatewayActions actions) {
    for (const Publish& publish : actions.publish) {
      want(publish.topic.starts_with(kAnswers));
      want(parse_call_id(std::string_view(publish.topic).substr(kAnswers.size())).has_value());
    }
    for (Execute& execute : actions.execute) {
      want(!execute.params.contains("k") && execute.principal.get() == "default");
      Outcome outcome = codec::Json(std::move(execute.params));
      const auto answered = gateway_.on_outcome(execute.number, std::move(outcome), now_);
      want(answered.execute.empty() && answered.publish.size() <= 1);
    }
  }

  // What does not have the id of the call is no answer to it, whoever sealed it.
  void call(ByteView data) {
    const auto started = client_.call({.type = ControllerType::uc, .name = "plant1"}, "test", {}, now_);
    if (!started) return;
    const Bytes block = crypto::cbc_seal(fuzz_key().binary(), {}, random_.array<16>(), data);
    want(!client_.on_message(started->reply_topic, data, false, now_));
    want(!client_.on_message(started->reply_topic, started->request.payload, false, now_));
    RequestId id{};
    std::ranges::copy(codec::decode_hex(started->call.get()).value(), id.begin());
    const Bytes sealed = Writer().u8(0).u8(0xC8).bytes(block).take();
    if (client_.on_message(started->reply_topic, sealed, false, now_)) want(as_text(data).contains(to_uuid_text(id)));
  }

  SeededRandom random_{7};
  Gateway gateway_;
  Client client_;
  Moment now_{.civil = kStart, .steady = Instant(hours(1))};
  std::set<Bytes> executed_;
  std::vector<Bytes> sent_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader reader({data, size});
  Broker broker;
  for (int steps = 0; steps < 64 && reader.remaining() >= 4; ++steps) {
    const std::uint8_t what = reader.u8().value();
    const std::uint8_t passed = reader.u8().value();
    const std::size_t length = std::min<std::size_t>(reader.u16().value(), reader.remaining());
    broker.step(what, passed, reader.bytes(length).value());
  }
  return 0;
}
