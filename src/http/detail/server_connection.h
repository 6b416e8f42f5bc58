// What a server and a proxy do alike with a request.
#pragma once

#include "http/detail/message_reader.h"
#include "http/router.h"

namespace sallyport::http {

// 400, 408, 413 or 431 for a request that could not be read.
Response refusal_of(const Error& error, bool in_body);
// Runs a handler; one that throws answers 500.
net::Task<Response> ask_handler(const Handler& handler, Request request, net::PeerInfo peer);
// Reads a whole body, having said 100 (Continue) if the client waits for that. Errc::overloaded beyond `limit`.
net::Task<Result<Bytes>> collect_body(net::Stream& stream, MessageReader& reader, const Request& head,
                                      std::size_t limit, milliseconds time);

}  // namespace sallyport::http
