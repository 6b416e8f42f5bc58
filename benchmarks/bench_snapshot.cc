// What a snapshot of many certificates costs the role that holds it.
//
//   bench_snapshot write FILE CERTIFICATES    the portions of a full update, as the authority sends them
//   bench_snapshot take FILE                  takes them one after the other, then once more beside the state in force,
//                                             as a role does that is sent a whole state anew
//
// `take` prints {"seconds":…,"peak_bytes":…,"certificates":…}: the time of one update, and all memory of the process.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "crypto/system_random.h"
#include "records/snapshot.h"

namespace sallyport::bench {
namespace {

constexpr UnixTime kNow{1'780'315'200};  // 2026-06-01T12:00:00Z
const records::CaName kCa("online-ca");
constexpr std::size_t kSerialBytes = 16;
constexpr std::size_t kRevokedEvery = 50;

records::SnapshotCertificate make_entry(std::size_t number, Random& random) {
  Bytes serial(kSerialBytes);
  random.fill(serial);
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x3FU) | 0x40U);
  const bool revoked = number % kRevokedEvery == 0;
  return {.ca = kCa,
          .serial = records::CertificateSerial(std::move(serial)),
          .kind = records::CertificateKind::operational,
          .subject = fmt::format("device{:06}", number % 1'000'000),
          .not_after = kNow + 90 * kDay,
          .revoked_at = revoked ? std::optional(kNow) : std::nullopt};
}

Result<void> write(const char* file, std::size_t certificates) {
  crypto::SystemRandom random;
  records::SnapshotWriter writer(
      {.number = 1, .base = 0, .issued_at = kNow, .cas = {{kCa, Bytes(600, 1)}}, .root_crl = Bytes(300, 1)});
  for (std::size_t i = 0; i < certificates; ++i) writer.add(make_entry(i, random));
  std::ofstream out(file, std::ios::binary);
  for (const Bytes& portion : writer.take()) {
    const Bytes framed = Writer().u32(static_cast<std::uint32_t>(portion.size())).bytes(portion).take();
    out.write(reinterpret_cast<const char*>(framed.data()), static_cast<std::streamsize>(framed.size()));
  }
  out.flush();
  if (!out) return failf(Errc::unavailable, "{}: cannot be written", file);
  return {};
}

Result<Bytes> read_portion(std::ifstream& in) {
  Bytes length(4);
  if (!in.read(reinterpret_cast<char*>(length.data()), 4)) return Bytes();
  Bytes portion(*Reader(length).u32());
  if (!in.read(reinterpret_cast<char*>(portion.data()), static_cast<std::streamsize>(portion.size())))
    return fail(Errc::malformed, "snapshot: a portion is cut");
  return portion;
}

Result<records::SnapshotAssembly> assemble(const char* file, std::uint64_t number) {
  std::ifstream in(file, std::ios::binary);
  TRY(const Bytes first, read_portion(in));
  TRY(auto update, records::parse_snapshot_update(first));
  update.number = number;
  const std::vector<records::SnapshotCa> cas = update.cas;
  records::SnapshotAssembly out(std::move(update));
  for (;;) {
    TRY(const Bytes portion, read_portion(in));
    if (portion.empty()) return out;
    TRY(const auto entries, records::parse_snapshot_portion(portion, cas));
    out.add(entries);
  }
}

Result<void> take(const char* file) {
  const SystemClock clock;
  records::SnapshotState state;
  double took = 0;
  for (const std::uint64_t number : {1U, 2U}) {
    const Instant began = clock.monotonic();
    TRY(auto assembly, assemble(file, number));
    TRY_VOID(state.apply(std::move(assembly)));
    took = std::chrono::duration<double>(clock.monotonic() - began).count();
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"seconds\":%.3f,\"peak_bytes\":%ld,\"certificates\":%zu}\n", took, usage.ru_maxrss * 1024,
              state.certificate_count());
  return {};
}

Result<void> run(int count, char** words) {
  const std::string_view what = count > 1 ? words[1] : "";
  if (what == "write" && count == 4) return write(words[2], static_cast<std::size_t>(std::atoll(words[3])));
  if (what == "take" && count == 3) return take(words[2]);
  return fail(Errc::malformed, "usage: bench_snapshot write FILE CERTIFICATES | take FILE");
}

}  // namespace
}  // namespace sallyport::bench

int main(int count, char** words) {
  const auto done = sallyport::bench::run(count, words);
  if (done) return 0;
  static_cast<void>(std::fprintf(stderr, "%s\n", done.error().detail.c_str()));
  return 1;
}
