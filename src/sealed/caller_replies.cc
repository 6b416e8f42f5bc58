// What a caller makes of REPLY (docs/protocol/sealed-rpc.md §5, §6).
#include <algorithm>

#include "sealed/detail/caller_state.h"

namespace sallyport::sealed {
namespace {

// A clock that is off by more than this is set right by the node's: a reply may have been held back a little.
constexpr seconds kClockDoubt{30};

}  // namespace

Caller::State::Session* Caller::State::session_of(std::uint64_t number) {
  const auto found = std::ranges::find_if(sessions_, [&](const auto& session) { return session->number == number; });
  return found == sessions_.end() ? nullptr : found->get();
}

template <class Change>
void Caller::State::for_chunks(Session& session, std::uint64_t request, std::uint32_t from, std::uint32_t until,
                               Change change) {
  std::array<Tag, ReplyTags::kMost> room{};
  const std::span<Tag> tags(room.data(), until - from);
  session.session.reply_tags(request, from, tags);
  for (std::uint32_t i = 0; i < tags.size(); ++i)
    change(tags[i], Awaited{.session = session.number, .request = request, .chunk = from + i});
}

void Caller::State::await(Session& session, std::uint64_t request, std::uint32_t from, std::uint32_t until) {
  for_chunks(session, request, from, until,
             [this](const Tag& tag, const Awaited& chunk) { awaited_.insert(tag, chunk); });
}

void Caller::State::unawait_chunks(Session& session, std::uint64_t request, std::uint32_t from, std::uint32_t until) {
  for_chunks(session, request, from, until,
             [this](const Tag& tag, const Awaited& chunk) { awaited_.erase(tag, chunk); });
}

void Caller::State::unawait(Session& session, std::uint64_t request) {
  const auto sent = session.sent.find(request);
  if (sent == session.sent.end()) return;
  unawait_chunks(session, request, sent->second.chunk, sent->second.chunk + ReplyTags::kMost);
  session.sent.erase(sent);
}

void Caller::State::on_reply(const std::string& topic, ByteView message, Actions& out, Now now) {
  const auto found = message.size() < kDataBytes ? std::nullopt : awaited_.find(read_tag(message));
  Session* const session = found ? session_of(found->session) : nullptr;
  if (session == nullptr || session->topic != topic) {
    ++counts_.dropped;
    return;
  }
  const Awaited awaited = *found;
  Sent& sent = session->sent.at(awaited.request);
  auto plaintext = session->session.open_reply(context_, awaited.request, awaited.chunk, sent.tail, message);
  const auto body =
      plaintext ? parse_reply_body(*plaintext) : Result<ReplyBody>(fail(Errc::malformed, "reply: does not open"));
  if (plaintext) wipe(*plaintext);
  if (!body) {
    ++counts_.dropped;
    return;
  }
  // This chunk and those before it are over.
  const std::uint32_t next = awaited.chunk + 1;
  unawait_chunks(*session, awaited.request, sent.chunk, next);
  await(*session, awaited.request, sent.chunk + ReplyTags::kMost, next + ReplyTags::kMost);
  sent.chunk = next;
  handle(*session, awaited.request, *body, out, now);
  pump(out, now);
}

void Caller::State::learn_time(UnixTime node_time, Now now) {
  node_clock_ = NodeClock{.time = node_time, .at = now.monotonic};
  if (!clock_known_) return;
  const seconds off = node_time - now.civil;
  trust_node_clock_ = off > kClockDoubt || off < -kClockDoubt;
}

void Caller::State::handle(Session& session, std::uint64_t request, const ReplyBody& body, Actions& out, Now now) {
  session.last_heard = now.monotonic;
  session.is_silent = false;
  Call& call = calls_.at(session.sent.at(request).id);
  if (body.status == ReplyStatus::progress) {
    call.next_resend = std::max(call.next_resend, now.monotonic + wait_before(call.resends + 1));
    if (!body.json.empty()) out.emplace_back(Progress{.id = call.id, .json = body.json});
    return;
  }
  unawait(session, request);
  --call.unanswered;
  if (body.status == ReplyStatus::retry) {
    learn_time(body.node_time, now);
    if (call.is_stored())
      return end_call(call.id, fail(Errc::unavailable, "rpc call: the node takes no stored call"), out);
    // What may not be executed yet can be dated anew.
    if (call.unanswered == 0) call.deadline.reset();
    if (request == kInitRequest) calls_.make_wait(call);
    return;
  }
  handle_final(call, body, out, now);
}

void Caller::State::handle_final(Call& call, const ReplyBody& body, Actions& out, Now now) {
  const CallId id = call.id;
  switch (body.status) {
    case ReplyStatus::expired:
      learn_time(body.node_time, now);
      // The clocks differ, no other sending of this call is under way, and there is time left: once more, dated right.
      if (call.unanswered == 0 && trust_node_clock_ && call.resends == 0 && call.kind == RequestKind::call) {
        call.deadline.reset();
        call.resends = 1;
        calls_.make_wait(call);
        return;
      }
      return end_call(id, fail(Errc::expired, "rpc call: its deadline is over by the node's clock"), out);
    case ReplyStatus::overloaded:
      return end_call(
          id, failf(Errc::overloaded, "rpc call: the node is overloaded, try again after {} s", body.after.count()),
          out);
    case ReplyStatus::accepted:
      if (call.kind == RequestKind::ask_result)
        return end_call(id, fail(Errc::not_yet, "rpc call: the node has no result yet"), out);
      return end_call(id, body, out);
    case ReplyStatus::done:
    case ReplyStatus::outcome_unknown:
    case ReplyStatus::unknown_call:
    case ReplyStatus::retry:
    case ReplyStatus::progress:
      return end_call(id, body, out);
  }
}

}  // namespace sallyport::sealed
