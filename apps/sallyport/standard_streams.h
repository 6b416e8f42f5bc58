// Standard input and output as one byte stream.
#pragma once

#include <thread>

#include "net/stream.h"

namespace sallyport::cli {

// Two threads move the bytes, since a terminal, a file or a pipe that others share cannot be waited for without making
// it non-blocking for all of them. The end of the input is the end of one direction; the end of the other closes the
// output, so that whoever reads it sees it. An output that nobody reads any more breaks the stream. Once per process.
class StandardStreams {
 public:
  static Result<std::unique_ptr<StandardStreams>> open(net::Executor executor);
  ~StandardStreams();
  StandardStreams(const StandardStreams&) = delete;
  StandardStreams& operator=(const StandardStreams&) = delete;

  net::Stream& stream() { return *near_; }
  // Closes the stream and returns when everything that was written to it is out.
  void finish();

 private:
  StandardStreams(net::StreamPtr near, net::Descriptor far);
  net::StreamPtr near_;
  net::Descriptor far_;
  std::thread writer_;
};

}  // namespace sallyport::cli
