// What a node must remember over its own crash so that no call runs twice: which calls were started, and what stored
// calls came to (docs/protocol/sealed-rpc.md §7).
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "rpcnode/durable_log.h"
#include "sealed/body.h"
#include "sealed/responder.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxStartedCalls = 262'144;
inline constexpr std::size_t kMaxStartedFile = 256U << 20U;
// The file is written anew without what is over once it is this long and twice what it need be.
inline constexpr std::size_t kCompactAbove = 4U << 20U;

// A mark as read from the file.
struct StartedCall {
  std::array<std::uint8_t, 16> principal{};  // the beginning of SHA-256 of its text
  sealed::CallId id;
  UnixTime deadline;
  std::optional<Bytes> result;  // an encoded sealed::ReplyBody
  friend bool operator==(const StartedCall&, const StartedCall&) = default;
};
// One record: u32 length of what follows, kind, principal, call id, deadline u32, result, and the first four bytes of
// SHA-256 over these.
Bytes encode_started_call(const StartedCall& call);

struct StartedFile {
  std::vector<StartedCall> calls;  // a result comes after its mark
  std::size_t good = 0;            // bytes; what follows is a record that a crash cut short
};
// Fails with Errc::malformed on a record that is damaged and not the last: what was forgotten could run again.
Result<StartedFile> parse_started_calls(ByteView bytes);

// The file. One thread.
class StartedCalls {
 public:
  // Reads, cuts off a torn end, writes anew without what is over. Errc::malformed.
  static Result<std::unique_ptr<StartedCalls>> open(std::filesystem::path file, UnixTime now, net::TaskGroup& tasks);

  enum class Mark : std::uint8_t { made, was_there };
  // Returns when the mark is on disk. Errc::overloaded beyond kMaxStartedCalls or kMaxStartedFile.
  net::Task<Result<Mark>> start(sealed::Principal principal, sealed::CallId id, UnixTime deadline);
  // Keeps what a stored call came to until its deadline. Errc::not_found without its mark.
  net::Task<Result<void>> keep(sealed::Principal principal, sealed::CallId id, sealed::ReplyBody result);
  // Of a call that was marked: its result, or outcome_unknown where there is none. Nothing when it has no mark.
  std::optional<sealed::ReplyBody> find(const sealed::Principal& principal, const sealed::CallId& id) const;
  // Whether a mark of this process's own life is still without a result: the call runs.
  bool runs(const sealed::Principal& principal, const sealed::CallId& id) const;

  // Forgets marks whose deadline is over by kMarkMargin, and writes the file anew where that is worth it.
  Result<void> on_tick(UnixTime now);
  std::size_t size() const { return calls_.size(); }

 private:
  using Key = std::pair<std::array<std::uint8_t, 16>, sealed::CallId>;
  struct Kept {
    UnixTime deadline;
    std::optional<Bytes> result;
    bool ours = false;
  };
  StartedCalls(std::filesystem::path file, net::TaskGroup& tasks) : file_(std::move(file)), tasks_(tasks) {}
  static Key key_of(const sealed::Principal& principal, const sealed::CallId& id);
  Bytes encode_all() const;
  Result<void> reopen();

  std::filesystem::path file_;
  net::TaskGroup& tasks_;
  std::map<Key, Kept> calls_;
  std::unique_ptr<DurableLog> log_;
};

// A mark outlives its call's deadline by this, for clocks that differ.
inline constexpr seconds kMarkMargin{120};

}  // namespace sallyport::rpcnode
