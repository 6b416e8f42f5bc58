// What one worker of the relay holds at most, and how long it waits. Limits of the protocol are in tunnel/limits.h.
#pragma once

#include <cstddef>

#include "base/time.h"

namespace sallyport::relay {

// Strangers.
inline constexpr std::size_t kFirstPeek = 2U * 1024U;         // bytes looked at before a hello says that it is longer
inline constexpr std::size_t kMaxPlainHead = 8U * 1024U;      // head of a plain HTTP request that is to be redirected
inline constexpr std::size_t kMaxWebSockets = 8'192;          // carried at the same time
inline constexpr std::size_t kMaxWebSocketsForRoles = 1'024;  // of them, those that were handed to a role
inline constexpr milliseconds kHandshakeDeadline{10'000};     // TLS of a control connection
inline constexpr milliseconds kStatusLookUpDeadline{5'000};   // a certificate that the snapshot lacks

// Control connections.
inline constexpr std::size_t kMaxControlConnections = 32'768;
inline constexpr std::size_t kMaxRememberedCertificates = kMaxControlConnections;  // of devices, verified
inline constexpr std::size_t kControlReadBuffer = 512;
inline constexpr std::size_t kMaxUnsentControl = 256U * 1024U;  // a device that does not read is cut off
inline constexpr milliseconds kControlWriteDeadline{20'000};
inline constexpr milliseconds kLastWordsDeadline{1'000};  // for a GOAWAY to leave before its connection is closed
inline constexpr milliseconds kCloneComeBackIn{60'000};
inline constexpr std::size_t kComeBackHandshakesPerSecond = 500;  // how fast a fleet is asked to return after a restart

// Users and their sessions.
inline constexpr std::size_t kMaxGrants = 65'536;
inline constexpr std::size_t kMaxVisits = 32'768;  // user connections joined with a device
inline constexpr std::size_t kMaxVisitsPerSession = 256;
inline constexpr milliseconds kReportInterval{2'000};     // how often changed counts are told
inline constexpr milliseconds kLivenessInterval{30'000};  // and unchanged ones of a session in use

// Another process takes over the slot of a worker.
inline constexpr milliseconds kSuccession{60'000};           // how long the one before is asked about what is its own
inline constexpr milliseconds kLeaveLimit{3'600'000};        // for live connections of users to end by themselves
inline constexpr milliseconds kComeBackSoon{20};             // devices that leave it find the next one at once
inline constexpr milliseconds kReturnedUserDeadline{5'000};  // a user whose device is between the two
inline constexpr milliseconds kSuccessionRound{20};
inline constexpr milliseconds kSuccessionAnswer{3'000};  // of the process that has the slot, if there is one
inline constexpr milliseconds kSuccessionRetry{1'000};   // where it cannot leave yet
inline constexpr milliseconds kReadyPatience{3'000};     // a worker that starts accepts when it is ready, or after this

// Passing connections on.
inline constexpr std::size_t kMaxPassing = 256;  // connections that wait for one role or worker to take them
inline constexpr milliseconds kPassDeadline{5'000};
inline constexpr milliseconds kPassRetry{100};
inline constexpr milliseconds kPassWarning{1'000};  // between two lines of the log about one role or worker

// Reports that wait for the authority; presence and sessions are bounded by what they describe.
inline constexpr std::size_t kMaxAlarms = 256;
inline constexpr milliseconds kReportRetry{500};
inline constexpr milliseconds kPresenceGather{20};  // who comes and goes meanwhile is told of at once
inline constexpr std::size_t kPresencesAtOnce = 64;
inline constexpr milliseconds kRoundTripInterval{30'000};  // a device's round trip is told at most so often

// Pipes, made before privileges are dropped.
inline constexpr std::size_t kPipes = 128;
inline constexpr std::size_t kPipeBytes = 1024U * 1024U;

// How often what nobody needs any more is looked for, and certificates that have expired meanwhile.
inline constexpr milliseconds kSweepInterval{10'000};
// The round in which deadlines are looked at.
inline constexpr milliseconds kRound{100};
inline constexpr milliseconds kWindowRound{4'000};  // well below kDeadPeerDeadline

}  // namespace sallyport::relay
