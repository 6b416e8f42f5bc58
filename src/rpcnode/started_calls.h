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
inline constexpr std::size_t kMaxStartedOfOne = 65'536;         // of one principal
inline constexpr std::size_t kMaxResultBytesOfOne = 8U << 20U;  // of one principal
inline constexpr std::size_t kMaxStartedFile = 64U << 20U;
// A longer result is not kept, but a JSON-RPC error in its place.
inline constexpr std::size_t kMaxKeptResult = sealed::kMaxMessageBytes - 1'024;
// The file is written anew without what is over once it is this long and twice what it need be.
inline constexpr std::size_t kCompactAbove = 4U << 20U;
// How long a call may be repeated under its id, whatever its deadline is told to be: a mark stays so long, and an id
// that is older is not run (UUIDs of version 7 tell when they were drawn).
inline constexpr seconds kRepeatLife{3'600};
// A mark outlives that and its call's deadline by this, for clocks that differ.
inline constexpr seconds kMarkMargin{120};

// A mark as read from the file.
struct StartedCall {
  std::array<std::uint8_t, 16> principal{};  // the beginning of SHA-256 of its text
  sealed::CallId id;
  UnixTime until;               // is not forgotten before
  std::optional<Bytes> result;  // an encoded sealed::ReplyBody
  friend bool operator==(const StartedCall&, const StartedCall&) = default;
};
// One record: u32 length of what follows the next four bytes, the complement of that length, kind, principal, call id,
// time u32, result, and the first four bytes of SHA-256 over these.
Bytes encode_started_call(const StartedCall& call);

struct StartedFile {
  std::vector<StartedCall> calls;  // a result comes after its mark
  UnixTime forgotten;              // the latest time of a mark that was forgotten
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
  // Returns when the mark is on disk; the call runs until end(). Errc::overloaded beyond the limits or while the same
  // mark is being written, Errc::expired for an id older than kRepeatLife and for what may have been forgotten by a
  // clock that went wrong. After another error the call was not marked, or is told as outcome_unknown.
  net::Task<Result<Mark>> start(sealed::Principal principal, sealed::CallId id, UnixTime deadline, UnixTime now);
  // It no longer runs. Without keep() before, what came of it is unknown to who asks.
  void end(const sealed::Principal& principal, const sealed::CallId& id);
  // Keeps what a stored call came to as long as its mark. Errc::not_found without its mark, Errc::overloaded beyond the
  // limits.
  net::Task<Result<void>> keep(sealed::Principal principal, sealed::CallId id, sealed::ReplyBody result);
  // Of a call that was marked: its result, or outcome_unknown where there is none. Nothing when it has no mark.
  std::optional<sealed::ReplyBody> find(const sealed::Principal& principal, const sealed::CallId& id) const;
  bool runs(const sealed::Principal& principal, const sealed::CallId& id) const;

  // Forgets marks whose time is over, and writes the file anew where that is worth it or it could not be written.
  Result<void> on_tick(UnixTime now);
  std::size_t size() const { return calls_.size(); }

 private:
  using Owner = std::array<std::uint8_t, 16>;
  using Key = std::pair<Owner, sealed::CallId>;
  struct Kept {
    UnixTime until;
    std::optional<Bytes> result;
    bool is_durable = true;
    bool runs = false;
  };
  struct Use {
    std::size_t calls = 0;
    std::size_t result_bytes = 0;
  };
  StartedCalls(std::filesystem::path file, net::TaskGroup& tasks) : file_(std::move(file)), tasks_(tasks) {}
  static Key key_of(const sealed::Principal& principal, const sealed::CallId& id);
  Result<void> check_room(const Key& key) const;
  void insert(const Key& key, Kept kept);
  void erase(const Key& key);
  void forget(UnixTime now);
  std::size_t needed_bytes() const;
  Bytes encode_all() const;
  Result<void> reopen();

  std::filesystem::path file_;
  net::TaskGroup& tasks_;
  std::map<Key, Kept> calls_;
  std::map<Owner, Use> uses_;
  UnixTime forgotten_;
  std::unique_ptr<DurableLog> log_;
};

}  // namespace sallyport::rpcnode
