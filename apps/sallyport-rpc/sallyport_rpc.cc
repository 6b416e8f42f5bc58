// The C interface: texts and numbers in, texts and numbers out; nothing of C++ crosses it, no exception least of all.
#include "sallyport_rpc.h"

#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <new>

#include "codec/json.h"
#include "rpcnode/methods.h"
#include "sealed/json_rpc.h"
#include "way.h"

using sallyport::Errc;
using sallyport::Result;
using sallyport::codec::Json;
namespace library = sallyport::library;
namespace sealed = sallyport::sealed;

struct sallyport_rpc {
  library::WaySettings settings;
  std::unique_ptr<library::OpenWay> way;
  std::string error;

  std::mutex mutex;
  std::condition_variable left;
  std::size_t users = 0;  // threads within a function of the handle
  bool is_closing = false;
  pid_t opened_by = 0;  // the process; 0 while it was never open

  // A child after fork() has neither the thread nor what it held at that moment.
  bool is_of_parent() const { return opened_by != 0 && opened_by != ::getpid(); }
};

struct sallyport_rpc_answer {
  int status = SALLYPORT_RPC_INTERNAL;
  std::int32_t code = 0;
  std::string json = "null";
  std::string message;
  std::string call_id;
};

namespace {

constexpr std::uint32_t kDefaultTimeoutMs = 10'000;
constexpr std::uint32_t kMaxTimeoutMs = 7 * 86'400'000U;
constexpr std::uint32_t kKnownFlags =
    SALLYPORT_RPC_IDEMPOTENT | SALLYPORT_RPC_FAIL_ON_DISCONNECT | SALLYPORT_RPC_STORED;

using Answer = std::unique_ptr<sallyport_rpc_answer>;

// Taken first in whatever uses a handle: close waits until the last is gone.
class Use {
 public:
  explicit Use(sallyport_rpc& rpc) : rpc_(rpc) {
    const std::scoped_lock lock(rpc_.mutex);
    is_closing_ = rpc_.is_closing;
    ++rpc_.users;
  }
  ~Use() {
    const std::scoped_lock lock(rpc_.mutex);
    --rpc_.users;
    rpc_.left.notify_all();
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  bool is_open() const { return !is_closing_ && rpc_.way != nullptr; }

 private:
  sallyport_rpc& rpc_;
  bool is_closing_ = false;
};

void close_handle(sallyport_rpc& rpc) {
  {
    const std::scoped_lock lock(rpc.mutex);
    rpc.is_closing = true;
  }
  if (rpc.way) rpc.way->close();
  std::unique_lock lock(rpc.mutex);
  rpc.left.wait(lock, [&] { return rpc.users == 0; });
}

// Errors that a handle remembers.
int told(sallyport_rpc& rpc, Result<void> result) {
  rpc.error = result ? std::string() : std::move(result).error().detail;
  return result ? SALLYPORT_RPC_OK : SALLYPORT_RPC_USAGE;
}

// What was thrown: no memory, or no thread.
int told_fault(sallyport_rpc& rpc) noexcept {
  try {
    rpc.error = "the machine gave no memory or no thread";
  } catch (...) {
    rpc.error.clear();
  }
  return SALLYPORT_RPC_INTERNAL;
}

Result<void> open_way(sallyport_rpc& rpc, std::string_view node) {
  if (rpc.way) return sallyport::fail(Errc::conflict, "open: it is open already");
  TRY(auto way, rpc.settings.finish(node));
  TRY(rpc.way, library::OpenWay::open(std::move(way)));
  rpc.opened_by = ::getpid();
  return {};
}

// Of an end without an answer.
int status_of(Errc code) {
  switch (code) {
    case Errc::expired:
      return SALLYPORT_RPC_TIMEOUT;
    case Errc::unavailable:
      return SALLYPORT_RPC_DISCONNECTED;
    case Errc::overloaded:
      return SALLYPORT_RPC_NOT_RUN;
    case Errc::not_yet:
      return SALLYPORT_RPC_ACCEPTED;
    case Errc::malformed:
    case Errc::conflict:
      return SALLYPORT_RPC_USAGE;
    case Errc::internal:
      return SALLYPORT_RPC_CLOSED;
    default:
      return SALLYPORT_RPC_INTERNAL;
  }
}

int status_of(sealed::ReplyStatus status) {
  switch (status) {
    case sealed::ReplyStatus::outcome_unknown:
      return SALLYPORT_RPC_OUTCOME_UNKNOWN;
    case sealed::ReplyStatus::expired:
    case sealed::ReplyStatus::overloaded:
      return SALLYPORT_RPC_NOT_RUN;
    case sealed::ReplyStatus::accepted:
      return SALLYPORT_RPC_ACCEPTED;
    case sealed::ReplyStatus::unknown_call:
      return SALLYPORT_RPC_UNKNOWN_CALL;
    default:
      return SALLYPORT_RPC_INTERNAL;
  }
}

void refuse(sallyport_rpc_answer& answer, int status, std::string message) {
  answer.status = status;
  answer.message = std::move(message);
}

void take_outcome(sallyport_rpc_answer& answer, const std::string& text, const Json& id) {
  const auto outcome = sealed::parse_rpc_response(text, id);
  if (!outcome) return refuse(answer, SALLYPORT_RPC_INTERNAL, outcome.error().detail);
  if (!outcome->error) {
    answer.status = SALLYPORT_RPC_OK;
    answer.json = outcome->result->write();
    return;
  }
  const bool denied = outcome->error->code == sealed::RpcCode::forbidden;
  refuse(answer, denied ? SALLYPORT_RPC_DENIED : SALLYPORT_RPC_FAULT, outcome->error->message);
  answer.code = static_cast<std::int32_t>(outcome->error->code);
  answer.json = outcome->error_data.write();
}

void take_reply(sallyport_rpc_answer& answer, const library::Reply& reply, const Json& id) {
  if (!reply) return refuse(answer, status_of(reply.error().code), reply.error().detail);
  const auto text = sallyport::rpcnode::done_text(*reply);
  if (!text) return refuse(answer, status_of(reply->status), text.error().detail);
  take_outcome(answer, *text, id);
}

// An earlier sending under this id may have run, whatever became of this one.
void doubt(sallyport_rpc_answer& answer) {
  if (answer.status != SALLYPORT_RPC_NOT_RUN) return;
  answer.status = SALLYPORT_RPC_TIMEOUT;
  answer.message += "; whether it ran when it was sent before is not known";
}

// What a caller of an older header did not know is zero.
bool read_choices(const sallyport_rpc_choices* given, sallyport_rpc_choices& out) {
  std::memset(&out, 0, sizeof out);
  if (given == nullptr) return true;
  if (given->size < offsetof(sallyport_rpc_choices, call_id)) return false;
  std::memcpy(&out, given, std::min(given->size, sizeof out));
  return (out.flags & ~kKnownFlags) == 0 && out.timeout_ms <= kMaxTimeoutMs;
}

Result<Json> read_params(const char* params) {
  if (params == nullptr) return Json();
  auto parsed = sallyport::codec::parse_json(params);
  if (!parsed) return std::unexpected(std::move(parsed).error().at("params"));
  if (!parsed->is_object() && !parsed->array())
    return sallyport::fail(Errc::malformed, "params: want an object or an array");
  return parsed;
}

Result<library::Request> read_request(sallyport_rpc& rpc, const char* method, const char* params,
                                      const sallyport_rpc_choices* given) {
  sallyport_rpc_choices choices;
  if (!read_choices(given, choices))
    return sallyport::fail(Errc::malformed, "choices: found a size, flag or timeout that cannot be");
  if (method == nullptr) return sallyport::fail(Errc::malformed, "method: found NULL, want its name");
  TRY_VOID(sallyport::rpcnode::check_method_name(method));
  TRY(const Json read, read_params(params));
  library::Request out{
      .id = rpc.way->draw_call_id(),
      .json = {},
      .timeout = std::chrono::milliseconds(choices.timeout_ms == 0 ? kDefaultTimeoutMs : choices.timeout_ms),
      .idempotent = (choices.flags & SALLYPORT_RPC_IDEMPOTENT) != 0,
      .fail_on_disconnect = (choices.flags & SALLYPORT_RPC_FAIL_ON_DISCONNECT) != 0,
      .stored = (choices.flags & SALLYPORT_RPC_STORED) != 0};
  if (choices.call_id != nullptr) {
    TRY(out.id, sealed::parse_call_id(choices.call_id));
  }
  out.json = sealed::rpc_request(Json(sealed::to_text(out.id)), method, read);
  return out;
}

void send(sallyport_rpc& rpc, library::Request request, sallyport_rpc_answer& answer,
          const std::function<void(const std::string&)>& on_progress) {
  answer.call_id = sealed::to_text(request.id);
  const Json id(answer.call_id);
  take_reply(answer, rpc.way->run(std::move(request), on_progress), id);
}

// Runs `work` and lets no exception out; the answer says what became of it.
template <class Work>
sallyport_rpc_answer* answered(sallyport_rpc* rpc, Work work) {
  try {
    std::optional<Use> use;
    if (rpc != nullptr && !rpc->is_of_parent()) use.emplace(*rpc);
    auto answer = std::make_unique<sallyport_rpc_answer>();
    if (!use || !use->is_open()) {
      refuse(*answer, SALLYPORT_RPC_CLOSED, "call: the handle is not open");
    } else {
      work(*answer);
    }
    return answer.release();
  } catch (...) {
    return new (std::nothrow) sallyport_rpc_answer;
  }
}

}  // namespace

extern "C" {

int sallyport_rpc_abi(void) {
  return SALLYPORT_RPC_ABI;
}

const char* sallyport_rpc_version(void) {
  return SALLYPORT_VERSION;
}

sallyport_rpc* sallyport_rpc_new(void) {
  return new (std::nothrow) sallyport_rpc;
}

int sallyport_rpc_set(sallyport_rpc* rpc, const char* name, const char* value) {
  if (rpc == nullptr) return SALLYPORT_RPC_USAGE;
  try {
    if (name == nullptr || value == nullptr)
      return told(*rpc, sallyport::fail(Errc::malformed, "set: found NULL, want a name and a value"));
    if (rpc->way) return told(*rpc, sallyport::fail(Errc::conflict, "set: it is open already"));
    return told(*rpc, rpc->settings.set(name, value));
  } catch (...) {
    return told_fault(*rpc);
  }
}

int sallyport_rpc_open(sallyport_rpc* rpc, const char* node) {
  if (rpc == nullptr) return SALLYPORT_RPC_USAGE;
  try {
    if (node == nullptr) return told(*rpc, sallyport::fail(Errc::malformed, "open: found NULL, want the node's name"));
    return told(*rpc, open_way(*rpc, node));
  } catch (...) {
    return told_fault(*rpc);
  }
}

const char* sallyport_rpc_error(const sallyport_rpc* rpc) {
  return rpc == nullptr ? "" : rpc->error.c_str();
}

void sallyport_rpc_close(sallyport_rpc* rpc) {
  // The parent's loop and connections would be told of what is freed here.
  if (rpc == nullptr || rpc->is_of_parent()) return;
  try {
    close_handle(*rpc);
    delete rpc;
  } catch (...) {  // nothing is left to be told
  }
}

sallyport_rpc_answer* sallyport_rpc_call(sallyport_rpc* rpc, const char* method, const char* params,
                                         const sallyport_rpc_choices* choices) {
  return answered(rpc, [&](sallyport_rpc_answer& answer) {
    auto request = read_request(*rpc, method, params, choices);
    if (!request) return refuse(answer, SALLYPORT_RPC_USAGE, std::move(request).error().detail);
    sallyport_rpc_choices known;
    read_choices(choices, known);
    send(*rpc, *std::move(request), answer, [&](const std::string& json) {
      if (known.on_progress != nullptr) known.on_progress(known.context, json.c_str());
    });
    if (known.call_id != nullptr) doubt(answer);
  });
}

sallyport_rpc_answer* sallyport_rpc_ask(sallyport_rpc* rpc, const char* call_id, std::uint32_t timeout_ms) {
  return answered(rpc, [&](sallyport_rpc_answer& answer) {
    auto id = sealed::parse_call_id(call_id == nullptr ? "" : call_id);
    if (!id) return refuse(answer, SALLYPORT_RPC_USAGE, std::move(id).error().detail);
    if (timeout_ms > kMaxTimeoutMs) return refuse(answer, SALLYPORT_RPC_USAGE, "timeout: want at most seven days");
    library::Request request{.id = *id, .json = {}};
    if (timeout_ms != 0) request.timeout = std::chrono::milliseconds(timeout_ms);
    send(*rpc, std::move(request), answer, {});
    doubt(answer);
  });
}

int sallyport_rpc_answer_status(const sallyport_rpc_answer* answer) {
  return answer == nullptr ? SALLYPORT_RPC_INTERNAL : answer->status;
}

const char* sallyport_rpc_answer_json(const sallyport_rpc_answer* answer) {
  return answer == nullptr ? "null" : answer->json.c_str();
}

const char* sallyport_rpc_answer_message(const sallyport_rpc_answer* answer) {
  return answer == nullptr ? "no memory" : answer->message.c_str();
}

std::int32_t sallyport_rpc_answer_code(const sallyport_rpc_answer* answer) {
  return answer == nullptr ? 0 : answer->code;
}

const char* sallyport_rpc_answer_call_id(const sallyport_rpc_answer* answer) {
  return answer == nullptr ? "" : answer->call_id.c_str();
}

void sallyport_rpc_answer_free(sallyport_rpc_answer* answer) {
  delete answer;
}

}  // extern "C"
