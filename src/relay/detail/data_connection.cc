#include "relay/detail/data_connection.h"

#include <fcntl.h>

namespace sallyport::relay {

Result<DataConnection> DataConnection::over_tls(net::StreamPtr tls) {
  net::Descriptor copy(::fcntl(tls->native(), F_DUPFD_CLOEXEC, 0));
  if (!copy.is_open()) return fail(Errc::unavailable, "data connection: no descriptor left");
  DataConnection connection(std::make_unique<net::RawSocket>(tls->executor(), std::move(copy), tls->peer().address));
  connection.tls_ = std::move(tls);
  return connection;
}

net::StreamPtr DataConnection::take_tls() {
  watched_->close();
  return std::move(tls_);
}

void DataConnection::close() {
  watched_->close();
  if (tls_) tls_->close();
}

}  // namespace sallyport::relay
