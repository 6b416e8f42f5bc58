// What a Responder is made of.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sealed/detail/key_ring.h"
#include "sealed/detail/noise.h"
#include "sealed/detail/results.h"
#include "sealed/detail/seen_handshakes.h"
#include "sealed/detail/session.h"
#include "sealed/detail/session_table.h"
#include "sealed/responder.h"

namespace sallyport::sealed {

struct Responder::State {
  State(NodeName node, TopicPrefix prefix, Random& random, UnixTime started, const ResponderLimits& limits);
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  using Actions = std::vector<ResponderAction>;
  // How a body came: by DATA, which is fresh by construction, or by a handshake.
  struct Carriage {
    bool by_handshake = false;
    bool is_fresh = true;
  };
  // What a request leads to: an answer at once, or a call under way.
  struct Decision {
    std::optional<ReplyBody> answer;
    std::optional<ResponderAction> action;
  };
  // A handshake that was authenticated.
  struct Caller {
    Principal principal;
    UnixTime until = kNoExpiry;  // it is not known after
    Inbox inbox{};
    crypto::AgreementPublic ephemeral{};
    MessageTail tail{};
    UnixTime time;
    bool has_clock = true;
    SecretBytes payload;
    ByteView body;  // of payload
  };

  Actions on_init(ByteView message, UnixTime now);
  Actions on_init_cert(ByteView message, UnixTime now);
  Actions on_data(ByteView message, UnixTime now);

  std::optional<Caller> try_key(const HintedKey& hinted, const InitView& init, NoiseResponder& noise, ByteView message);
  std::optional<Caller> verify_certified(NoiseResponder& noise, const InitCertView& init, ByteView message);
  bool take_certificate_turn(UnixTime now);
  Actions accept(Caller caller, NoiseResponder noise, UnixTime now);

  Decision decide(const Principal& principal, const ReplyTo& to, RequestBody body, Carriage carriage, UnixTime now);
  Decision decide_call(const Principal& principal, const ReplyTo& to, RequestBody body, Carriage carriage,
                       UnixTime now);
  Decision repeat(const Results::Found& found, const ReplyTo& to);
  bool is_in_time(const RequestBody& body, UnixTime now) const;

  // The message that carries `body` as the next chunk to `to`; nothing where its session is gone.
  Actions reply(ReplyTo& to, const ReplyBody& body);

  NodeName node_;
  TopicPrefix prefix_;
  Random& random_;
  ResponderLimits limits_;
  std::string topic_;
  SessionContext context_;
  KeyRing keys_;
  Prekeys prekeys_;
  SeenHandshakes seen_;
  SessionTable sessions_;
  Results results_;
  IsIdempotent is_idempotent_;
  JudgeCertificate judge_;
  ResponderCounts counts_;
  UnixTime turn_second_;
  std::uint32_t turns_ = 0;
};

}  // namespace sallyport::sealed
