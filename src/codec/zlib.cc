#include "codec/zlib.h"

#include <limits>

#include <zlib.h>

namespace sallyport::codec {
namespace {

constexpr std::size_t kFirstPiece = 1024;  // doubled until the cap; a length is nowhere in the format

// Ends an inflation, whatever became of it.
class Inflation {
 public:
  explicit Inflation(ByteView stream) {
    // zlib reads through a pointer to non-const for C's sake and does not write to it.
    stream_.next_in = const_cast<Bytef*>(stream.data());
    stream_.avail_in = static_cast<uInt>(stream.size());
    SALLYPORT_CHECK(inflateInit(&stream_) == Z_OK);
  }
  ~Inflation() { inflateEnd(&stream_); }
  Inflation(const Inflation&) = delete;
  Inflation& operator=(const Inflation&) = delete;

  // Fills `out` as far as it goes and returns zlib's word on it.
  int fill(std::span<std::uint8_t> out) {
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(out.size());
    return inflate(&stream_, Z_NO_FLUSH);
  }
  std::size_t unfilled() const { return stream_.avail_out; }
  std::size_t unread() const { return stream_.avail_in; }

 private:
  z_stream stream_{};
};

}  // namespace

Bytes deflate_zlib(ByteView plain) {
  SALLYPORT_CHECK(plain.size() <= std::numeric_limits<std::uint32_t>::max());
  uLongf size = compressBound(plain.size());
  Bytes out(size);
  const std::uint8_t nothing = 0;
  const Bytef* const from = plain.empty() ? &nothing : plain.data();
  SALLYPORT_CHECK(compress2(out.data(), &size, from, plain.size(), Z_DEFAULT_COMPRESSION) == Z_OK);
  out.resize(size);
  return out;
}

Result<Bytes> inflate_zlib(ByteView stream, std::size_t most) {
  SALLYPORT_CHECK(most < std::numeric_limits<std::uint32_t>::max());
  if (stream.size() > std::numeric_limits<std::uint32_t>::max()) return fail(Errc::overloaded, "zlib: 4 GiB or more");
  Inflation inflation(stream);
  Bytes out;
  std::size_t filled = 0;
  // One byte beyond the cap is room for the proof that there is more.
  while (true) {
    out.resize(std::min(std::max(kFirstPiece, 2 * filled), most + 1));
    const int said = inflation.fill(std::span(out).subspan(filled));
    filled = out.size() - inflation.unfilled();
    if (filled > most) return failf(Errc::overloaded, "zlib: inflates to more than {} bytes", most);
    if (said == Z_STREAM_END) break;
    if (said == Z_NEED_DICT) return fail(Errc::malformed, "zlib: wants a preset dictionary");
    if (said == Z_BUF_ERROR || (said == Z_OK && inflation.unfilled() > 0)) {
      return fail(Errc::malformed, "zlib: ends early");
    }
    if (said != Z_OK) return fail(Errc::malformed, "zlib: no stream of this format");
  }
  if (inflation.unread() > 0) return failf(Errc::malformed, "zlib: {} trailing bytes", inflation.unread());
  out.resize(filled);
  return out;
}

}  // namespace sallyport::codec
