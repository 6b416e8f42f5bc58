#include "device.h"

#include "codec/pem.h"
#include "codec/text.h"

namespace sallyport::fleet {
namespace {

constexpr std::string_view kStream = "fleet";

std::vector<telemetry::Sample> make_samples(std::size_t count, UnixTime now) {
  const telemetry::SampleTime time{seconds(now.since_epoch())};
  std::vector<telemetry::Sample> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back({.time = time, .topic = {}, .payload = to_bytes(std::string_view(std::to_string(i)))});
  return out;
}

std::string reason_of(const agent::ServerCheck& check) {
  for (const auto& [name, record] : check.records())
    if (!record.is_good()) return record.reason;
  return check.records().empty() ? "" : "good";
}

}  // namespace

codec::Json to_json(const SerialId& serial_id, const Facts& facts) {
  return codec::Json::Object{{"serial_id", serial_id.get()},
                             {"awake", facts.awake},
                             {"phase", to_string(facts.phase)},
                             {"control", to_string(facts.control)},
                             {"name", facts.name},
                             {"error", facts.error},
                             {"serial", facts.serial},
                             {"issuer", facts.issuer},
                             {"root", facts.root},
                             {"check", facts.check},
                             {"state", facts.state},
                             {"queued", facts.queued}};
}

Result<std::string> Device::make(const agent::Settings& settings, const pki::Certificate& root) {
  TRY(const auto state, agent::AgentState::initialise(folder_, settings, root, world_.random));
  TRY(const Bytes csr, state.factory_request());
  return codec::encode_pem("CERTIFICATE REQUEST", csr);
}

Result<void> Device::install(std::string_view factory_certificate) {
  TRY(auto state, agent::AgentState::open(folder_));
  TRY(const auto chain, pki::parse_certificates_pem(factory_certificate));
  return state.install_factory_certificate(chain);
}

Result<void> Device::wake(std::size_t samples) {
  if (awake_) return {};
  TRY(auto state, agent::AgentState::open(folder_));
  awake_ = std::make_unique<Awake>(world_, std::move(state));
  if (samples != 0) {
    TRY(auto stream, telemetry::parse_stream_name(kStream));
    TRY_VOID(awake_->queue.append_and_wait(std::move(stream), make_samples(samples, world_.clock.now())));
  }
  awake_->agent.start();
  return {};
}

net::Task<void> Device::sleep() {
  if (!awake_) co_return;
  asleep_ = facts();
  asleep_.awake = false;
  asleep_.control = agent::ControlState::down;
  co_await awake_->agent.stop();
  awake_.reset();
}

Facts Device::facts() const {
  if (!awake_) return asleep_;
  Facts out;
  out.awake = true;
  look(out);
  return out;
}

bool Device::is_online() const {
  const agent::ControlConnection* control = awake_ ? awake_->agent.control() : nullptr;
  return control != nullptr && control->state() == agent::ControlState::established;
}

void Device::look(Facts& facts) const {
  const agent::Enrolment& enrolment = awake_->agent.enrolment();
  facts.phase = enrolment.phase();
  facts.error = enrolment.last_error();
  facts.check = reason_of(awake_->agent.server_check());
  facts.root = codec::encode_hex(crypto::sha256(awake_->state.anchors().front().public_key().spki()));
  if (enrolment.name()) facts.name = enrolment.name()->get();
  if (enrolment.facts()) facts.state = enrolment.facts()->state;
  if (const auto& held = enrolment.operational()) {
    facts.serial = held->leaf().serial().hex();
    facts.issuer = codec::encode_hex(held->leaf().extensions().authority_key_id.value_or(Bytes()));
  }
  if (const agent::ControlConnection* control = awake_->agent.control()) {
    facts.control = control->state();
    if (facts.error.empty()) facts.error = control->last_error();
  }
  if (const auto queue = awake_->queue.state()) facts.queued = queue->items;
}

}  // namespace sallyport::fleet
