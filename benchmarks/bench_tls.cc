// The least that mutual TLS 1.3 costs a server that uses OpenSSL: the handshake, and nothing around it.
//
//   bench_tls PORT CERTIFICATE KEY CLIENT_CAS full|resumed    until it is killed
//
// One connection after the other, with blocking calls: a handshake is answered with a byte, and the connection closed.
// Whatever certificate a client shows is taken for good, so that its CA's signature, which a server may remember, is
// not checked; its own, over the handshake, is. With `resumed` each gets a ticket.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace {

constexpr int kBacklog = 256;
constexpr int kPatienceSeconds = 10;
constexpr std::string_view kContext = "bench";

using Context = std::unique_ptr<SSL_CTX, decltype([](SSL_CTX* context) { SSL_CTX_free(context); })>;
using Session = std::unique_ptr<SSL, decltype([](SSL* ssl) { SSL_free(ssl); })>;

int take_for_good(X509_STORE_CTX*, void*) {
  return 1;
}

Context make_context(const char* certificate, const char* key, const char* cas, bool tickets) {
  Context context(SSL_CTX_new(TLS_server_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1 ||
      SSL_CTX_use_certificate_chain_file(context.get(), certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), key, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>(kContext.data()),
                                     kContext.size()) != 1)
    return nullptr;
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(cas);
  if (names == nullptr) return nullptr;
  SSL_CTX_set_client_CA_list(context.get(), names);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), take_for_good, nullptr);
  SSL_CTX_set_num_tickets(context.get(), tickets ? 1 : 0);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

int listen_at(int port) {
  const int out = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(out, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(out, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(out, kBacklog) != 0)
    return -1;
  return out;
}

void serve(SSL_CTX* context, int connection) {
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const Session session(SSL_new(context));
  if (session && SSL_set_fd(session.get(), connection) == 1 && SSL_accept(session.get()) == 1) {
    SSL_write(session.get(), "!", 1);
    SSL_shutdown(session.get());
  }
  ERR_clear_error();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "want: bench_tls PORT CERTIFICATE KEY CLIENT_CAS full|resumed\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const Context context = make_context(argv[2], argv[3], argv[4], std::string_view(argv[5]) == "resumed");
  const int listener = listen_at(std::atoi(argv[1]));
  if (!context || listener < 0) {
    std::fprintf(stderr, "bench_tls: %s\n",
                 context ? "the port cannot be listened at" : "certificate, key or CAs cannot be read");
    return 1;
  }
  while (true) {
    const int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    serve(context.get(), connection);
    ::close(connection);
  }
}
