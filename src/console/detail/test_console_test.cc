#include <sys/socket.h>

#include "console/detail/test_console.h"

namespace sallyport::console {

using codec::Json;

namespace {

Result<void> accept_any(std::span<const Bytes>) {
  return {};
}

std::string text_at(const Json::Object& object, std::string_view key) {
  const auto found = object.find(key);
  return found == object.end() ? "" : found->second.text().value_or("");
}

}  // namespace

TestAuthority::TestAuthority(Random& random) : random_(random) {
  const auto& profile = pki::profile(pki::ProfileId::root);
  const pki::CertificateFields fields{.common_name = "Sallyport root test",
                                      .public_key = root_key_.public_key(),
                                      .validity = pki::choose_validity(profile, nullptr, kTestNow, profile.longest),
                                      .serial = pki::SerialNumber::draw(random_)};
  root_ = *pki::issue(*pki::prepare_self_signed(profile, fields, kTestNow), root_key_);
  ca_ = issue_ca();
  static const std::string hash = *hash_password(as_bytes(kTestPassword), random_);
  users = {{"olga", {"owner", "acme", hash}},
           {"vera", {"viewer", "acme", hash}},
           {"omar", {"operator", "other", hash}},
           {"root", {"owner", "", hash}}};
}

pki::Certificate TestAuthority::issue_ca() {
  const auto& profile = pki::profile(pki::ProfileId::server_ca);
  const pki::CertificateFields fields{.common_name = "Sallyport server-ca test",
                                      .public_key = ca_key_.public_key(),
                                      .validity = pki::choose_validity(profile, &*root_, kTestNow, profile.longest),
                                      .serial = pki::SerialNumber::draw(random_),
                                      .permitted_dns = {"console.example"}};
  return *pki::issue(*pki::prepare(profile, fields, *root_, kTestNow), root_key_);
}

Result<Bytes> TestAuthority::certify(ByteView fields) {
  TRY(auto order, records::parse_role_certificate_request(fields));
  TRY(auto csr, pki::parse_csr(order.csr));
  const auto& profile = pki::profile(pki::ProfileId::server);
  const pki::CertificateFields leaf{.common_name = "console",
                                    .dns_names = {"console.example", "api.console.example"},
                                    .public_key = csr.public_key,
                                    .validity = pki::choose_validity(profile, &*ca_, kTestNow, 20 * kDay),
                                    .serial = pki::SerialNumber::draw(random_)};
  TRY(auto linted, pki::prepare(profile, leaf, *ca_, kTestNow));
  TRY(auto certificate, pki::issue(std::move(linted), ca_key_));
  return records::encode(records::CertificateChain{{to_bytes(certificate.der()), to_bytes(ca_->der())}});
}

net::Task<void> TestAuthority::serve(net::Listener& listener) {
  for (;;) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    net::RpcOptions options;
    options.max_frame = records::kMaxRoleMessage;
    options.on_request = [this](Bytes request, net::Caller caller) {
      return answer(std::move(request), std::move(caller));
    };
    net::spawn(co_await net::current_executor(), net::serve_rpc(*std::move(stream), std::move(options)), "authority");
  }
}

net::Task<Result<Bytes>> TestAuthority::answer(Bytes request, net::Caller caller) {
  ByteView fields = request;
  CO_TRY(auto method, records::take_method(fields));
  switch (static_cast<records::RoleMethod>(method)) {
    case records::RoleMethod::subscribe:
      console_ = caller.peer;
      co_return Bytes{};
    case records::RoleMethod::role_certificate:
      co_return certify(fields);
    case records::RoleMethod::admin: {
      CO_TRY(auto asked_for, records::parse_admin_request(fields));
      CO_TRY(auto json, administer(asked_for));
      co_return to_bytes(json.write());
    }
    default:
      co_return fail(Errc::unauthorized, "not for the console");
  }
}

Result<Json> TestAuthority::administer(const records::AdminRequest& request) {
  TRY(auto parsed, codec::parse_json(request.parameters));
  TRY(auto parameters, parsed.object());
  if (request.actor == "role:console") return for_console(request, parameters);
  asked.push_back(request);
  if (refusal) return std::unexpected(*std::exchange(refusal, std::nullopt));
  if (request.method == "user.set_password") {
    if (users.at(text_at(parameters, "login")).password_hash != text_at(parameters, "current_hash"))
      return fail(Errc::unauthorized, "login-refused: the password is another one by now");
    users.at(text_at(parameters, "login")).password_hash = text_at(parameters, "password_hash");
    std::erase_if(sessions, [&](const auto& session) {
      return text_at(session.second, "login") == text_at(parameters, "login");
    });
    return Json(Json::Object{});
  }
  if (request.method == "crl.get") return crl_portion(parameters);
  const bool is_visible = request.tenant.empty() || request.tenant == "acme";
  if (request.method.starts_with("device.") && parameters.contains("name") &&
      (text_at(parameters, "name") != kTestDevice || !is_visible)) {
    return fail(Errc::not_found, "not-found: no such device");
  }
  if (request.method == "device.history") return Json(Json::Object{{"since", since}});
  return Json(Json::Object{{"method", request.method}});
}

Result<Json> TestAuthority::crl_portion(const Json::Object& parameters) const {
  if (crl.empty() || text_at(parameters, "ca") != "online-ca") return fail(Errc::not_found, "CRL: none of it here");
  const std::int64_t index = parameters.at("index").integer().value();
  const std::size_t half = crl.size() / 2;
  const ByteView part = index == 0 ? ByteView(crl).first(half) : ByteView(crl).subspan(half);
  return Json(
      Json::Object{{"number", crl_changes ? 7 + index : 7}, {"count", 2}, {"data", codec::encode_base64(part)}});
}

Result<Json> TestAuthority::for_console(const records::AdminRequest& request, const Json::Object& parameters) {
  if (request.method == "metrics.show") {
    if (metrics.empty()) return fail(Errc::internal, "a detail for nobody outside");
    return Json(Json::Object{{"text", metrics}});
  }
  const std::string token = text_at(parameters, "token_sha256");
  if (request.method == "user.find") {
    const auto user = users.find(text_at(parameters, "login"));
    if (user == users.end()) return fail(Errc::not_found, "not-found: no such user");
    Json found(Json::Object{{"password_hash", user->second.password_hash}, {"enabled", user->second.enabled}});
    if (on_found) std::exchange(on_found, nullptr)();
    return found;
  }
  if (request.method == "login_session.put") {
    if (users.at(text_at(parameters, "login")).password_hash != text_at(parameters, "password_hash"))
      return fail(Errc::unauthorized, "login-refused: the password is another one by now");
    sessions.insert_or_assign(token, parameters);
    return Json(Json::Object{});
  }
  if (request.method == "login_session.end") {
    sessions.erase(token);
    return Json(Json::Object{});
  }
  const auto session = sessions.find(token);
  if (request.method != "login_session.find" || session == sessions.end()) {
    return fail(Errc::not_found, "unauthenticated: no such session");
  }
  Json::Object shown = session->second;
  const TestUser& user = users.at(text_at(shown, "login"));
  shown.emplace("role", user.role);
  shown.emplace("tenant", user.tenant);
  return Json(std::move(shown));
}

void TestAuthority::announce(std::string_view event, std::string_view tenant, Json data) {
  ASSERT_NE(console_, nullptr);
  const Json envelope(Json::Object{{"event", event}, {"tenant", tenant}, {"data", std::move(data)}});
  EXPECT_TRUE(console_->send_event(records::with_event(records::RoleEvent::admin, as_bytes(envelope.write()))));
}

std::string TestAuthority::add_session(const std::string& login) {
  const Bytes token = random_.bytes(32);
  sessions.emplace(codec::encode_hex(crypto::sha256(token)), Json::Object{{"login", login},
                                                                          {"csrf", csrf},
                                                                          {"created", to_iso8601(kTestNow)},
                                                                          {"expires", to_iso8601(kTestNow + kDay)}});
  return codec::encode_hex(token);
}

namespace {

net::Task<Result<Bytes>> answer_telemetry(std::vector<std::string>& questions, Bytes request) {
  questions.emplace_back(as_text(request));
  co_return to_bytes(R"({"streams":[],"stream":null,"items":[]})");
}

net::Task<void> serve_telemetry(net::Listener& listener, std::vector<std::string>& questions) {
  for (;;) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    net::RpcOptions options;
    options.on_request = [&questions](Bytes request, const net::Caller&) {
      return answer_telemetry(questions, std::move(request));
    };
    net::spawn(co_await net::current_executor(), net::serve_rpc(*std::move(stream), std::move(options)), "telemetry");
  }
}

std::unique_ptr<net::Listener> listen(net::Io& io, const std::filesystem::path& path) {
  auto listener = net::Listener::unix_socket(io.executor(), path.string());
  EXPECT_TRUE(listener) << (listener ? "" : listener.error().detail);
  return *std::move(listener);
}

net::Task<void> shake(net::StreamPtr lower, std::shared_ptr<crypto::TlsContext> context, std::string name,
                      std::optional<net::StreamPtr>& into) {
  auto stream = co_await net::tls_connect(std::move(lower), std::move(context), std::move(name), kSoon);
  if (stream) into = *std::move(stream);
}

net::Task<void> hand_over(std::string path, net::Descriptor descriptor) {
  auto channel = co_await net::connect_unix(std::move(path), kSoon);
  EXPECT_TRUE(channel);
  EXPECT_TRUE(co_await net::send_descriptor(**channel, std::move(descriptor), to_bytes("192.0.2.1:1234"), kSoon));
  std::array<std::uint8_t, 1> nothing{};
  EXPECT_TRUE(co_await (*channel)->shutdown_write(kSoon));
  static_cast<void>(co_await (*channel)->read_some(nothing, kSoon));
}

net::Task<std::string> read_stream(net::Stream& stream, std::string wanted) {
  std::string all;
  std::array<std::uint8_t, 4096> buffer{};
  while (!all.contains(wanted)) {
    const auto got = co_await stream.read_some(buffer, kSoon);
    if (!got || *got == 0) break;
    all += as_text(ByteView(buffer).first(*got));
  }
  co_return all;
}

}  // namespace

net::Task<void> ConsoleTest::serve_caller() {
  for (;;) {
    auto stream = co_await caller_listener->accept(net::Deadline::never());
    if (!stream) co_return;
    net::RpcOptions options;
    options.on_request = [this](Bytes request, net::Caller caller) {
      return answer_call(std::move(request), std::move(caller));
    };
    net::spawn(io.executor(), net::serve_rpc(*std::move(stream), std::move(options)), "caller");
  }
}

net::Task<Result<Bytes>> ConsoleTest::answer_call(Bytes request, net::Caller caller) {
  caller_peer = caller.peer;
  caller_questions.emplace_back(as_text(request));
  const auto question = codec::parse_json(as_text(request));
  const auto found = caller_answers.find(question ? question->text_at("act").value_or("") : "");
  if (found == caller_answers.end()) co_return to_bytes(std::string_view("{}"));
  if (!found->second) co_return std::unexpected(found->second.error());
  co_return to_bytes(std::string_view(*found->second));
}

ConsoleTest::ConsoleTest() {
  std::string name = ::testing::TempDir() + "sallyport-console-XXXXXX";
  folder = ::mkdtemp(name.data());
}

ConsoleTest::~ConsoleTest() {
  std::filesystem::remove_all(folder);
}

void ConsoleTest::SetUp() {
  net::ignore_sigpipe();
  authority_listener = listen(io, folder / "authority.sock");
  telemetry_listener = listen(io, folder / "telemetry.sock");
  caller_listener = listen(io, folder / "caller.sock");
  console_listener = listen(io, folder / "console.sock");
  net::spawn(io.executor(), authority.serve(*authority_listener), "authority");
  net::spawn(io.executor(), serve_telemetry(*telemetry_listener, telemetry_questions), "telemetry");
  net::spawn(io.executor(), serve_caller(), "caller");
  Settings settings{.link = {.role = "console",
                             .instance = 0,
                             .authority_socket = (folder / "authority.sock").string(),
                             .root = authority.root()},
                    .installation = "Test",
                    .console_name = DnsName("console.example"),
                    .zone = DnsName("devices.example"),
                    .public_port = 8443,
                    .givers = {::getuid()},
                    .telemetry_socket = (folder / "telemetry.sock").string(),
                    .caller_socket = has_caller ? (folder / "caller.sock").string() : std::string()};
  console = std::make_unique<Console>(io.executor(), clock, random, std::move(settings));
  net::spawn(io.executor(), console->serve(*console_listener), "console");
  const net::Deadline limit(kSoon);
  while (!console->is_ready() && !limit.passed()) io.run_for(milliseconds(5));
  ASSERT_TRUE(console->is_ready());
}

std::optional<net::StreamPtr> ConsoleTest::connect(const std::string& server_name) {
  auto ends = net::make_socket_pair();
  EXPECT_TRUE(ends);
  auto lower = net::adopt_socket(io.executor(), std::move(ends->first));
  crypto::TlsClientSettings settings;
  settings.alpn = {"http/1.1"};
  settings.verify_server = accept_any;
  std::optional<net::StreamPtr> stream;
  net::run(io,
           net::join(shake(*std::move(lower), *crypto::TlsContext::client(std::move(settings)), server_name, stream),
                     hand_over((folder / "console.sock").string(), std::move(ends->second))));
  return stream;
}

http::Response ConsoleTest::send(http::Request request) {
  auto stream = connect();
  EXPECT_TRUE(stream);
  if (!stream) return {};
  http::Client client(*std::move(stream), "console.example:8443");
  auto answer = net::run(io, client.send(std::move(request), kSoon, std::size_t{8} << 20U));
  EXPECT_TRUE(answer && *answer) << (answer && !*answer ? answer->error().detail : "");
  return answer && *answer ? **std::move(answer) : http::Response{};
}

http::Request ConsoleTest::get(const std::string& target, const std::string& cookie) const {
  http::Request request;
  request.target = target;
  if (!cookie.empty()) request.headers.set("Cookie", std::string(kCookie) + "=" + cookie);
  return request;
}

http::Request ConsoleTest::post(const std::string& target, const std::string& body, const std::string& cookie) const {
  http::Request request = get(target, cookie);
  request.method = "POST";
  request.body = to_bytes(body);
  request.headers.set("Content-Type", "application/json");
  request.headers.set("Origin", kTestOrigin);
  request.headers.set("X-CSRF-Token", authority.csrf);
  return request;
}

Json ConsoleTest::json_of(const http::Response& response) {
  auto parsed = codec::parse_json(as_text(response.body));
  EXPECT_TRUE(parsed) << as_text(response.body);
  return parsed.value_or(Json());
}

std::string ConsoleTest::problem_of(const http::Response& response) {
  EXPECT_EQ(response.headers.get("Content-Type"), "application/problem+json");
  EXPECT_TRUE(response.headers.has("X-Request-Id"));
  const Json body = json_of(response);
  EXPECT_EQ(body.integer_at("status").value_or(0), response.status);
  return body.text_at("type").value_or("").substr(std::string_view("urn:sallyport:problem:").size());
}

std::string ConsoleTest::cookie_of(const http::Response& response) {
  const std::string_view field = response.headers.get("Set-Cookie");
  for (const char* flag : {"; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Max-Age="}) {
    EXPECT_TRUE(field.contains(flag)) << field;
  }
  EXPECT_TRUE(field.starts_with("__Host-session=")) << field;
  EXPECT_FALSE(field.contains("Domain")) << field;
  const std::size_t begin = field.find('=') + 1;
  return std::string(field.substr(begin, field.find(';') - begin));
}

std::string ConsoleTest::read_until(net::Stream& stream, std::string wanted) {
  return net::run(io, read_stream(stream, std::move(wanted))).value_or("");
}

}  // namespace sallyport::console
