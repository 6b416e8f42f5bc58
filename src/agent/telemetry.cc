#include "agent/telemetry.h"

#include <algorithm>
#include <deque>
#include <memory>

#include "base/log.h"
#include "codec/json.h"
#include "net/io.h"

namespace sallyport::agent {
namespace {

constexpr std::string_view kRoute = "/telemetry/{stream}";
constexpr milliseconds kSendLimit{30'000};
constexpr milliseconds kIdleStep{60'000};
constexpr milliseconds kMostRetryAfter{3'600'000};
// From this size on, a batch is sent once the gateway wants it: to ask costs a round trip.
constexpr std::size_t kAskFirst = 64U << 10U;

Result<telemetry::Sample> parse_line(std::string_view line, telemetry::SampleTime now) {
  TRY(const auto json, codec::parse_json(line, {.size = telemetry::kMaxPayload + 1'024}));
  TRY_VOID(json.only_keys({"value", "topic", "time"}));
  TRY(const auto value, json.at("value"));
  telemetry::Sample out{.time = now, .topic = {}, .payload = to_bytes(std::string_view(value.write()))};
  if (json.find("topic") != nullptr) {
    TRY(out.topic, json.text_at("topic"));
  }
  if (json.find("time") != nullptr) {
    TRY(const auto time, json.integer_at("time"));
    out.time = telemetry::SampleTime(milliseconds(time));
  }
  TRY_VOID(telemetry::check_sample(out));
  return out;
}

}  // namespace

Result<std::vector<telemetry::Sample>> parse_telemetry_lines(std::string_view text, telemetry::SampleTime now) {
  std::vector<telemetry::Sample> out;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    if (out.size() == kMaxLines) return failf(Errc::overloaded, "telemetry: more than {} lines", kMaxLines);
    auto sample = parse_line(line, now);
    if (!sample) return std::unexpected(std::move(sample).error().at(fmt::format("telemetry line {}", number)));
    out.push_back(*std::move(sample));
  }
  if (out.empty()) return fail(Errc::malformed, "telemetry: no line, want at least one");
  return out;
}

Telemetry::Telemetry(net::Executor executor, telemetry::TelemetryQueue& queue, GatewayLink& link, DeviceTime& time,
                     Random& random)
    : queue_(queue), link_(link), time_(time), session_({}, random), appended_(executor) {}

void Telemetry::add_route(http::Router& router) {
  router.add("POST", kRoute, [this](http::Request request, net::PeerInfo) { return take(std::move(request)); },
             {.body_limit = kMaxTelemetryBody});
}

void Telemetry::add_guarded_route(http::Router& router, std::string authority) {
  router.add("POST", kRoute,
             [this, authority = std::move(authority)](http::Request request, net::PeerInfo) {
               return take_guarded(std::move(request), authority);
             },
             {.body_limit = kMaxTelemetryBody});
}

// A page in a browser on this machine can reach the port: it always sends Origin with a POST, and after DNS rebinding
// a Host of its own.
net::Task<http::Response> Telemetry::take_guarded(http::Request request, std::string authority) {
  if (request.headers.has("Origin")) co_return http::Response::error(403, "not for browsers");
  if (request.headers.get("Host") != authority) co_return http::Response::error(421);
  co_return co_await take(std::move(request));
}

net::Task<http::Response> Telemetry::take(http::Request request) {
  auto stream = telemetry::parse_stream_name(request.param("stream"));
  if (!stream) co_return http::Response::error(400, stream.error().detail);
  const telemetry::SampleTime now{std::chrono::duration_cast<milliseconds>(seconds(time_.now().since_epoch()))};
  auto samples = parse_telemetry_lines(as_text(request.body), now);
  if (!samples) co_return http::Response::error(400, samples.error().detail);
  const auto append = [this, &name = *stream, &samples = *samples](std::function<void(Result<void>)> done) {
    queue_.append(name, samples, std::move(done));
  };
  if (auto stored = co_await net::await_callback(append); !stored) {
    const bool malformed = stored.error().code == Errc::malformed;
    co_return http::Response::error(malformed ? 400 : 503, stored.error().detail);
  }
  latest_.take(*stream, *samples);
  appended_.set();
  http::Response response;
  response.status = 204;
  co_return response;
}

void Telemetry::note(const Error& error) {
  if (last_error_ != error.detail) log::warn("agent.telemetry", {{"error", error}});
  last_error_ = error.detail;
}

telemetry::UploadActions Telemetry::failed(const Error& error, milliseconds not_before) {
  note(error);
  return session_.on_failure(time_.monotonic(), not_before);
}

net::Task<telemetry::UploadActions> Telemetry::read_queue(telemetry::BatchLimits limits) {
  const auto batch = std::make_shared<std::optional<telemetry::Batch>>();
  const auto work = [this, batch, limits]() -> Result<void> {
    TRY(*batch, queue_.peek(limits));
    return {};
  };
  if (auto read = co_await net::run_blocking(work); !read) co_return failed(read.error());
  co_return session_.on_read(std::move(*batch), time_.monotonic());
}

net::Task<telemetry::UploadActions> Telemetry::send_batch(Bytes batch) {
  const bool asks_first = batch.size() >= kAskFirst;
  http::Request request = http::post("/device/v1/telemetry", "application/octet-stream", std::move(batch));
  if (asks_first) request.headers.set("Expect", "100-continue");
  const auto response = co_await link_.send(std::move(request), kSendLimit);
  if (!response) co_return failed(response.error());
  if (response->status == 429) {
    note({.code = Errc::overloaded, .detail = std::string(kTelemetryPaused)});
    co_return session_.on_refusal(time_.monotonic(), retry_after(*response, milliseconds(0), kMostRetryAfter));
  }
  if (response->status != 200) {
    const Error refused{.code = Errc::unavailable,
                        .detail = fmt::format("telemetry: the gateway answered {}, want 200", response->status)};
    co_return failed(refused, retry_after(*response, milliseconds(0), kMostRetryAfter));
  }
  const auto acknowledgement = telemetry::parse_acknowledgement(response->body);
  if (!acknowledgement) co_return failed(acknowledgement.error());
  last_error_.clear();
  co_return session_.on_acknowledgement(*acknowledgement, time_.monotonic());
}

net::Task<telemetry::UploadActions> Telemetry::remove(telemetry::Acknowledgement through) {
  const auto start = [this, through](std::function<void(Result<void>)> done) {
    queue_.remove_through(through, std::move(done));
  };
  if (auto removed = co_await net::await_callback(start); !removed) co_return failed(removed.error());
  co_return session_.on_removed(time_.monotonic());
}

net::Task<telemetry::UploadActions> Telemetry::perform(telemetry::UploadAction action) {
  if (auto* read = std::get_if<telemetry::ReadQueue>(&action)) co_return co_await read_queue(read->limits);
  if (auto* send = std::get_if<telemetry::SendBatch>(&action)) co_return co_await send_batch(std::move(send->batch));
  if (auto* through = std::get_if<telemetry::RemoveItems>(&action)) co_return co_await remove(through->through);
  wake_ = std::get<telemetry::WakeAt>(action).at;
  co_return telemetry::UploadActions();
}

net::Task<void> Telemetry::perform_all(telemetry::UploadActions actions) {
  std::deque<telemetry::UploadAction> waiting(std::make_move_iterator(actions.begin()),
                                              std::make_move_iterator(actions.end()));
  // A wake-up that is set while others wait is for the state as it will be.
  while (!waiting.empty()) {
    telemetry::UploadAction next = std::move(waiting.front());
    waiting.pop_front();
    auto more = co_await perform(std::move(next));
    waiting.insert(waiting.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
}

net::Task<void> Telemetry::run() {
  static_cast<void>(co_await drain(net::Deadline::never()));
}

net::Task<Result<void>> Telemetry::drain(net::Deadline deadline) {
  const bool forever = deadline.at() == net::Deadline::never().at();
  co_await perform_all(session_.on_appended(time_.monotonic()));
  for (;;) {
    if (!forever && session_.idle()) co_return Result<void>{};
    if (deadline.passed()) co_return failf(Errc::expired, "telemetry: not all was sent; {}", last_error_);
    milliseconds wait = kIdleStep;
    if (wake_) {
      wait = std::chrono::duration_cast<milliseconds>(*wake_ - time_.monotonic()) + milliseconds(1);
      wait = std::clamp(wait, milliseconds(0), kIdleStep);
    }
    const auto woken = co_await appended_.wait(earlier(net::Deadline(wait), deadline));
    if (!woken && woken.error().code != Errc::expired) co_return std::unexpected(woken.error());
    const Instant now = time_.monotonic();
    if (woken) {
      appended_.clear();
      co_await perform_all(session_.on_appended(now));
    }
    if (wake_ && now >= *wake_) {
      wake_.reset();
      co_await perform_all(session_.on_tick(now));
    }
  }
}

}  // namespace sallyport::agent
