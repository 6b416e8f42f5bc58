// What a Caller is made of.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sealed/caller.h"
#include "sealed/detail/noise.h"
#include "sealed/detail/pending_calls.h"
#include "sealed/detail/session.h"
#include "sealed/messages.h"

namespace sallyport::sealed {

struct Caller::State {
  State(NodeName node, TopicPrefix prefix, Credential credential, Random& random, const CallerLimits& limits);

  using Actions = std::vector<CallerAction>;

  using Call = PendingCall;
  // A request of a session to which answers are awaited.
  struct Sent {
    CallId id;
    MessageTail tail{};
    std::uint32_t chunk = 0;  // the next
  };
  struct Session {
    std::uint64_t number = 0;
    std::string topic;
    CallerSession session;
    Instant opened;
    std::optional<Instant> until;  // of one that was replaced
    bool is_subscribed = true;
    Instant last_heard;
    bool is_silent = false;  // after calls were sent in it again and again
    std::map<std::uint64_t, Sent> sent;
  };
  struct Handshake {
    std::uint64_t number = 0;
    std::string topic;
    std::optional<AgreementKey> ephemeral;  // until it is sent
    std::optional<NoiseInitiator> noise;    // from then on
    Bytes message;                          // kept where it is a stored call's
    MessageTail tail{};
    Instant sent_at;
    std::optional<CallId> rider;
    bool is_stored = false;
    bool was_sent() const { return noise.has_value(); }
    // A node may meet a stored call's days later; there is one of it.
    bool is_in_turn() const { return !is_stored; }
  };
  // The chunk of a REPLY that a tag stands for. No session has the number 0.
  struct Awaited {
    std::uint64_t session = 0;
    std::uint64_t request = 0;
    std::uint32_t chunk = 0;
    friend bool operator==(const Awaited&, const Awaited&) = default;
  };

  // caller.cc
  Actions start(Call call, milliseconds timeout, Now now);
  // Sends what waits, as far as it can be; opens a session where there is none.
  void pump(Actions& out, Now now);
  // By value: what names the call may be a part of it.
  void end_call(CallId id, Result<ReplyBody> reply, Actions& out);
  void forget_sent(const CallId& id);
  void drop_stored(const CallId& id, Actions& out);
  // Whether a deadline can be told.
  bool knows_time() const;
  std::optional<UnixTime> deadline_of(const Call& call, Now now) const;
  bool is_usable(const Session& session, Now now) const;
  bool is_due_for_renewal(const Session& session, Now now) const;
  Session* current(Now now);
  void send(Session& session, Call& call, Actions& out, Now now);
  void emit(Session& session, Call& call, Actions& out, Now now);
  // The call that is still awaited 64 requests ago, and not since.
  Call* left_behind(Session& session);
  void tick_calls(Actions& out, Now now);
  void resend(Call& call, Actions& out, Now now);
  milliseconds wait_before(int tries) const;

  // caller_handshake.cc
  void ensure_handshake(Actions& out, Now now);
  Handshake* begin_handshake(Actions& out);
  void start_stored(const CallId& id, Actions& out);
  // Stored calls whose handshake or answer was lost.
  void restart_stored(Actions& out);
  void send_handshake(Handshake& handshake, Actions& out, Now now);
  Result<Bytes> make_message(Handshake& handshake, ByteView body, Now now);
  Result<Bytes> make_init(Handshake& handshake, const KeyCredential& credential, ByteView body, Now now);
  Result<Bytes> make_init_cert(Handshake& handshake, const CertificateCredential& credential, ByteView body, Now now);
  Call* find_rider(const Handshake& handshake, Now now);
  UnixTime handshake_time(Now now) const;
  void drop_handshake(std::size_t index, Actions& out);
  void tick_handshakes(Actions& out, Now now);
  void tick_sessions(Actions& out, Now now);
  void on_accept(const std::string& topic, ByteView message, Actions& out, Now now);
  Session& open_session(const Handshake& handshake, const NoiseSecrets& secrets, Actions& out, Now now);

  // caller_replies.cc
  void on_reply(const std::string& topic, ByteView message, Actions& out, Now now);
  // The chunks `from` to `until` of its answer, at most ReplyTags::kMost of them. `change` takes a tag and whose it is.
  template <class Change>
  void for_chunks(Session& session, std::uint64_t request, std::uint32_t from, std::uint32_t until, Change change);
  void await(Session& session, std::uint64_t request, std::uint32_t from, std::uint32_t until);
  void unawait_chunks(Session& session, std::uint64_t request, std::uint32_t from, std::uint32_t until);
  void unawait(Session& session, std::uint64_t request);
  void handle(Session& session, std::uint64_t request, const ReplyBody& body, Actions& out, Now now);
  void handle_final(Call& call, const ReplyBody& body, Actions& out, Now now);
  void learn_time(UnixTime node_time, Now now);
  Session* session_of(std::uint64_t number);

  NodeName node_;
  TopicPrefix prefix_;
  Credential credential_;
  Random& random_;
  CallerLimits limits_;
  std::string topic_;
  SessionContext context_;
  PendingCalls calls_;
  std::vector<std::unique_ptr<Session>> sessions_;  // the last one is the current one, unless it was replaced
  std::vector<std::unique_ptr<Handshake>> handshakes_;
  TagTable<Awaited> awaited_;
  std::vector<std::string> stale_topics_;  // subscribed to for nothing
  CallerCounts counts_;
  struct NodeClock {
    UnixTime time;
    Instant at;
  };
  std::optional<NodeClock> node_clock_;
  bool clock_known_ = true;
  bool trust_node_clock_ = false;  // ours is off by more than a handshake allows
  bool connected_ = true;
  int handshake_tries_ = 0;
  Instant next_handshake_;
  std::uint64_t numbers_ = 0;
};

}  // namespace sallyport::sealed
