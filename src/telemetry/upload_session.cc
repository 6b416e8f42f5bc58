#include "telemetry/upload_session.h"

#include <algorithm>

namespace sallyport::telemetry {

UploadSession::UploadSession(UploadPolicy policy, Random& random)
    : policy_(policy), random_(random), batch_bytes_(policy.batch.bytes), back_off_(policy.back_off_least) {
  SALLYPORT_CHECK(policy.back_off_least > milliseconds(0) && policy.back_off_most >= policy.back_off_least);
}

UploadActions UploadSession::read() {
  state_ = State::reading;
  appended_while_busy_ = false;
  return {ReadQueue{{.items = policy_.batch.items, .bytes = batch_bytes_}}};
}

UploadActions UploadSession::on_appended(Instant) {
  if (state_ == State::idle) return read();
  appended_while_busy_ = true;
  return {};
}

UploadActions UploadSession::on_read(std::optional<Batch> batch, Instant now) {
  if (state_ != State::reading) return {};
  if (!batch) {
    // An append that came while the queue was being read may have been too late for that reading.
    if (appended_while_busy_) return read();
    state_ = State::idle;
    return {};
  }
  SALLYPORT_CHECK(!batch->items.empty());
  state_ = State::sending;
  Bytes encoded = encode_batch(*batch);
  in_flight_ = {batch->incarnation, batch->items.front().sequence, batch->items.back().sequence, encoded.size()};
  deadline_ = now + policy_.answer_limit;
  return {SendBatch{std::move(encoded)}, WakeAt{deadline_}};
}

UploadActions UploadSession::on_acknowledgement(const Acknowledgement& acknowledgement, Instant now) {
  if (state_ != State::sending || acknowledgement.incarnation != in_flight_.incarnation) return {};
  if (acknowledgement.committed > in_flight_.last) return on_failure(now);
  if (acknowledgement.committed < in_flight_.first) return {};
  state_ = State::removing;
  back_off_ = policy_.back_off_least;
  batch_bytes_ = policy_.batch.bytes;
  return {RemoveItems{acknowledgement}};
}

UploadActions UploadSession::on_removed(Instant) {
  return state_ == State::removing ? read() : UploadActions{};
}

UploadActions UploadSession::on_failure(Instant now, milliseconds not_before) {
  if (state_ == State::idle || state_ == State::waiting) return {};
  state_ = State::waiting;
  // Decorrelated jitter: between the least and three times the last wait, each equally likely.
  const auto least = policy_.back_off_least;
  const auto span = std::max<std::int64_t>(0, (std::min(back_off_ * 3, policy_.back_off_most) - least).count());
  const auto drawn = random_.below(static_cast<std::uint64_t>(span) + 1);
  back_off_ = least + milliseconds(static_cast<std::int64_t>(drawn));
  deadline_ = now + std::max(back_off_, not_before);
  return {WakeAt{deadline_}};
}

UploadActions UploadSession::on_refusal(Instant now, milliseconds not_before) {
  const std::size_t least = std::min(policy_.least_batch_bytes, policy_.batch.bytes);
  if (state_ == State::sending) batch_bytes_ = std::max(std::min(batch_bytes_, in_flight_.bytes) / 2, least);
  return on_failure(now, not_before);
}

UploadActions UploadSession::on_tick(Instant now) {
  const bool timed = state_ == State::sending || state_ == State::waiting;
  if (!timed) return {};
  if (now < deadline_) return {WakeAt{deadline_}};
  return state_ == State::waiting ? read() : on_failure(now);
}

}  // namespace sallyport::telemetry
