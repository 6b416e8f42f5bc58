#include "http/detail/message_reader.h"

#include "http/detail/head_check.h"
#include "http/limits.h"

namespace sallyport::http {

// Returns false at the end of the stream.
net::Task<Result<bool>> MessageReader::read_more(std::size_t most, net::Deadline deadline) {
  CO_TRY_VOID(co_await stream_->wait_readable(deadline));
  const auto have = unread_.size();
  unread_.resize(have + most);
  auto got = co_await stream_->read_some(std::span(unread_).subspan(have), deadline);
  unread_.resize(have + (got ? *got : 0));
  if (!got) co_return std::unexpected<Error>(std::move(got).error());
  co_return *got > 0;
}

net::Task<Result<Bytes>> MessageReader::read_head(net::Deadline idle, milliseconds limit) {
  decoder_.reset();
  if (unread_.empty()) {
    CO_TRY(const bool more, co_await read_more(kHeadReadSize, idle));
    if (!more) co_return Bytes{};
  }
  const net::Deadline deadline(limit);
  while (true) {
    const auto length = head_length(unread_);
    const ByteView part = ByteView(unread_).first(length > 0 ? length : unread_.size());
    if (part.size() > kMaxHeader) co_return failf(Errc::overloaded, "http head: more than {} bytes", kMaxHeader);
    if (is_broken_head(part)) co_return fail(Errc::malformed, "http head: a bare CR or LF, or a NUL");
    if (length > 0) {
      if (length == unread_.size()) co_return std::exchange(unread_, {});
      auto head = to_bytes(part);
      unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(length));
      co_return head;
    }
    CO_TRY(const bool more, co_await read_more(kHeadReadSize, deadline));
    if (!more) co_return fail(Errc::unavailable, "http head: the connection ended in the middle");
  }
}

Result<RequestHead> MessageReader::take_request(ByteView head) {
  TRY(auto incoming, begin_request(head));
  decoder_ = std::move(incoming.body);
  return std::move(incoming.head);
}

net::Task<Result<std::optional<RequestHead>>> MessageReader::read_request(net::Deadline idle, milliseconds limit) {
  CO_TRY(const auto head, co_await read_head(idle, limit));
  if (head.empty()) co_return std::optional<RequestHead>{};
  CO_TRY(auto incoming, take_request(head));
  co_return std::optional<RequestHead>(std::move(incoming));
}

net::Task<Result<ResponseHead>> MessageReader::read_response(bool to_head, net::Deadline deadline) {
  CO_TRY(const auto head, co_await read_head(deadline, deadline.remaining()));
  if (head.empty()) co_return fail(Errc::unavailable, "http response: the connection ended before it");
  CO_TRY(auto incoming, begin_response(head, to_head));
  decoder_ = std::move(incoming.body);
  co_return std::move(incoming.head);
}

net::Task<Result<Bytes>> MessageReader::read_piece(net::Deadline deadline) {
  Bytes piece;
  while (piece.empty() && !body_is_done()) {
    const auto taken = unread_.empty() ? Result<std::size_t>(0) : decoder_->feed(unread_, piece);
    if (!taken) co_return std::unexpected<Error>(taken.error());
    unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(*taken));
    if (!piece.empty() || body_is_done()) break;
    if (unread_.size() > kMaxHeader)
      co_return fail(Errc::malformed, "http message: a chunk's line or trailer is too long");
    CO_TRY(const bool more, co_await read_more(kReadSize, deadline));
    if (!more) CO_TRY_VOID(decoder_->feed_end());
  }
  co_return piece;
}

net::Task<Result<Bytes>> MessageReader::read_whole(std::size_t limit, net::Deadline deadline) {
  if (body_length().value_or(0) > limit) co_return failf(Errc::overloaded, "http body: more than {} bytes", limit);
  Bytes body;
  while (true) {
    CO_TRY(const auto piece, co_await read_piece(deadline));
    if (piece.empty()) co_return body;
    if (piece.size() > limit - body.size()) co_return failf(Errc::overloaded, "http body: more than {} bytes", limit);
    append(body, piece);
  }
}

}  // namespace sallyport::http
