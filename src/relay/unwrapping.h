// Taking connections out of the WebSockets that they came in.
#pragma once

#include <memory>

#include "net/raw_socket.h"
#include "relay/first_flight.h"

namespace sallyport::relay {

// One thread. What is carried goes on when this ends, until its ends do.
class Unwrapping {
 private:
  struct Numbers {
    std::size_t carried = 0;
    std::size_t for_roles = 0;
  };

 public:
  // A connection that is carried, as long as somebody holds this.
  class Carried {
   public:
    explicit Carried(std::shared_ptr<Numbers> numbers);
    ~Carried();
    Carried(const Carried&) = delete;
    Carried& operator=(const Carried&) = delete;

    // It goes to a role, which anybody may speak to: false over kMaxWebSocketsForRoles, so that strangers leave room
    // for devices.
    bool goes_to_role();

   private:
    std::shared_ptr<Numbers> numbers_;
    bool is_for_role_ = false;
  };
  struct Unwrapped {
    std::unique_ptr<net::RawSocket> socket;  // its peer's address is that of who came
    std::shared_ptr<Carried> carried;
  };

  // Takes a request for a WebSocket from `outside` and answers it; what its peer sends inside then comes out of the
  // socket that is returned, and the other way round. Errc::overloaded over kMaxWebSockets; the errors of the system;
  // those of Stream, where it does not take the answer.
  net::Task<Result<Unwrapped>> begin(std::unique_ptr<net::RawSocket> outside, ToUnwrap upgrade);
  // How many are carried, and how many of them for devices.
  std::size_t carried() const { return numbers_->carried; }
  std::size_t carried_for_devices() const { return numbers_->carried - numbers_->for_roles; }

 private:
  std::shared_ptr<Numbers> numbers_ = std::make_shared<Numbers>();
};

}  // namespace sallyport::relay
