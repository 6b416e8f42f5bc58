// Every limit of the tunnel, in one place. Sizes in bytes unless the name says otherwise; docs/protocol/tunnel.md §8
// explains them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace sallyport::tunnel {

// First flight of a connection.
inline constexpr std::size_t kMaxHelloClassic = 8U * 1024U;  // ClientHello as received, record headers included
inline constexpr std::size_t kMaxHelloHybrid = 16U * 1024U;  // the same when it carries a post-quantum key share
inline constexpr std::size_t kMaxHelloExtensions = 64;
inline constexpr std::size_t kMaxAlpnProtocols = 32;
inline constexpr seconds kFirstFlightDeadline{10};  // from accept to a complete ClientHello or preface
inline constexpr std::size_t kMaxPlainRequestLine = 2U * 1024U;

// Control connection.
inline constexpr std::size_t kMaxFramePayload = 64U * 1024U;
inline constexpr std::size_t kMaxServices = 64;
inline constexpr std::size_t kMaxTicketsPerFrame = 64;
inline constexpr std::size_t kMaxSealedGrant = 16U * 1024U;
inline constexpr std::size_t kMaxVersionText = 64;
inline constexpr std::size_t kMaxResumptionIdentity = 512;
inline constexpr std::size_t kMaxClientAddressText = 64;
inline constexpr milliseconds kMaxComeBackIn{10 * 60 * 1000};
inline constexpr seconds kHelloDeadline{60};      // after TLS: the agent first asks for the server's status
inline constexpr seconds kAcceptDeadline{20};     // agent: from HELLO to the first TICKETS
inline constexpr seconds kJudgementDeadline{10};  // between HELLO and the relay's decision
inline constexpr std::size_t kFrameBurst = 512;   // frames a peer may send at once, beyond what was asked of it
inline constexpr double kFramesPerSecond = 16.0;  // and in the long run

// Keep-alive: silence of at most the interval, then a ping that is due within the deadline; together at most 20 s.
inline constexpr seconds kMinPingInterval{5};
inline constexpr seconds kMaxPingInterval{15};
inline constexpr seconds kPongDeadline{5};
inline constexpr seconds kDeadPeerDeadline = kMaxPingInterval + kPongDeadline;

// Tickets outstanding per session: few for a device that nobody visits, more after its first user.
inline constexpr std::size_t kTicketsIdle = 2;
inline constexpr std::size_t kTicketsActive = 16;
inline constexpr std::size_t kMaxTicketsHeld = 256;  // by an agent, in any state
inline constexpr std::size_t kMaxOpensPending = 64;  // OPENs that the agent has neither joined nor refused

// Rendezvous.
inline constexpr seconds kUserWaitDeadline{10};  // a user waits so long for his data connection
inline constexpr std::size_t kMaxUsersWaitingPerDevice = 64;
inline constexpr std::size_t kMaxUsersWaiting = 16'384;
inline constexpr std::size_t kMaxReadyPerDevice = 16;  // data connections dialled in advance
inline constexpr std::size_t kMaxReady = 65'536;

// Clones.
inline constexpr seconds kAlternationWindow{60};
inline constexpr std::size_t kMaxAlternations = 3;
inline constexpr seconds kIncumbentPingDeadline{5};
inline constexpr seconds kCloneAlarmHold{600};  // the alarm ends after so long without a rival

// Access grants.
inline constexpr seconds kMaxGrantLife{300};
inline constexpr seconds kMaxSessionLife{8 * 3600};
inline constexpr seconds kGrantClockTolerance{60};
inline constexpr std::size_t kMaxLiveGrants = 256;  // per device
inline constexpr std::size_t kMaxUserIdText = 64;
inline constexpr std::size_t kMaxUserDisplayText = 128;
inline constexpr std::size_t kMaxOriginText = 272;  // "https://" + 253 + ":65535", with room

// Browser entry.
inline constexpr std::size_t kMaxEntryBody =
    24U * 1024U;  // the secret, and a sealed grant in base64url for direct access
inline constexpr std::size_t kMaxRequestHeaders = 128;
inline constexpr std::size_t kMaxCookies = 128;

// Ways out and in.
inline constexpr std::size_t kMaxProxyHeader = 2U * 1024U;
inline constexpr std::size_t kMaxProxyTlvs = 16;
inline constexpr std::size_t kMaxConnectReply = 16U * 1024U;
inline constexpr std::size_t kMaxConnectReplyHeaders = 64;
inline constexpr std::size_t kMaxUpgradeHead = 8U * 1024U;  // of a request for a WebSocket
inline constexpr std::size_t kMaxAuthChallenges = 16;       // of a reply
inline constexpr std::size_t kMaxAuthParameters = 16;       // of a challenge
// A host's name, a user, a password: each has one octet for its length (RFC 1928 §5, RFC 1929 §2).
inline constexpr std::size_t kMaxSocksText = 255;

}  // namespace sallyport::tunnel
