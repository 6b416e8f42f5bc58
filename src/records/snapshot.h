// Signed, numbered state from which relay, gateway and status work without a database, and the update that
// carries it, in portions of bounded size. The signature envelope around them is pki's.
//
//   update        := first portion, portion*      in this order; a manifest names the SHA-256 of each
//   first portion := number base issued_at root_crl+ ca* certificate* device*
//   portion       := certificate* device*         over the CAs of the first portion
//
// Certificates come before devices, also over the border of a portion.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "records/snapshot_tables.h"

namespace sallyport::records {

struct SnapshotCa {
  CaName name;
  Bytes certificate;  // DER
};

// A full state (base 0) or the changes since the state of number `base`; what its first portion carries, or all of it.
struct SnapshotUpdate {
  std::uint64_t number = 0;  // never falls
  std::uint64_t base = 0;
  UnixTime issued_at;
  std::vector<SnapshotCa> cas;  // all of them, in every update
  Bytes root_crl;               // DER, the newest root's, in every update
  std::vector<SnapshotCertificate> certificates;
  std::vector<SnapshotDevice> devices;
  std::vector<Bytes> older_root_crls = {};  // DER, of the roots before, in every update
};

inline constexpr std::size_t kMaxSnapshotCas = 4'096;
inline constexpr std::size_t kMaxRootCrls = 8;
// A portion is closed when it has reached this size; the first may be larger by its CAs and its CRL.
inline constexpr std::size_t kPortionBytes = 1U << 20U;
inline constexpr std::size_t kMaxFirstPortionBytes = 16U << 20U;
inline constexpr std::size_t kMaxPortionBytes = kPortionBytes + 1'024;

// Encodes an update entry by entry, so that nobody holds all entries at once but in their final form.
class SnapshotWriter {
 public:
  // `head` without entries.
  explicit SnapshotWriter(const SnapshotUpdate& head);
  // The CA must be one of the head's. No certificate may come after a device.
  void add(const SnapshotCertificate& certificate);
  void add(const SnapshotDevice& device);
  // At least one.
  std::vector<Bytes> take();

 private:
  void close_if_full();

  std::vector<std::pair<CaName, std::uint16_t>> ca_index_;  // sorted
  std::vector<Bytes> portions_;
};

// The whole update as one portion, however large.
Bytes encode_snapshot_update(const SnapshotUpdate& update);
// A first portion. Errc::malformed on anything else, also when it is over kMaxFirstPortionBytes.
Result<SnapshotUpdate> parse_snapshot_update(ByteView payload);

struct SnapshotEntries {
  std::vector<SnapshotCertificate> certificates;
  std::vector<SnapshotDevice> devices;
};
// A portion after the first, whose CAs are `cas`. Errc::malformed on anything else, also when it is over
// kMaxPortionBytes.
Result<SnapshotEntries> parse_snapshot_portion(ByteView payload, const std::vector<SnapshotCa>& cas);

// An update whose portions are coming in; nothing of it counts before SnapshotState::apply() has taken it whole.
class SnapshotAssembly {
 public:
  explicit SnapshotAssembly(SnapshotUpdate first);
  void add(const SnapshotEntries& entries);
  // What the first portion said, without its entries.
  const SnapshotUpdate& head() const { return head_; }

 private:
  friend class SnapshotState;
  SnapshotUpdate head_;
  SnapshotTables tables_;
};

// What an update changed, for who keeps something that was made from the state.
struct SnapshotChange {
  bool whole = false;        // everything may be another: the update was a full state
  bool authorities = false;  // another list of CAs or another root CRL
  std::vector<std::pair<CaName, CertificateSerial>> certificates;  // empty when `whole`
};

// The state that results from updates. Not thread-safe.
class SnapshotState {
 public:
  // Fails with Errc::conflict when an update of that number and base would not be taken: the number does not rise, or a
  // change does not build on this state. The role must then ask for a full one.
  Result<void> check_order(std::uint64_t number, std::uint64_t base) const;
  // Takes the update whole, or fails as check_order() does and leaves the state.
  Result<SnapshotChange> apply(SnapshotAssembly update);
  Result<SnapshotChange> apply(SnapshotUpdate update) { return apply(SnapshotAssembly(std::move(update))); }

  std::uint64_t number() const { return number_; }
  UnixTime issued_at() const { return issued_at_; }
  // Absent when unknown, as is every certificate of a CA that is listed no more: changes tell nothing of those. An
  // unknown certificate is refused by everybody.
  std::optional<SnapshotCertificate> find_certificate(const CaName& ca, const CertificateSerial& serial) const {
    return find_ca(ca) == nullptr ? std::nullopt : tables_.find_certificate(ca, serial);
  }
  std::optional<SnapshotDevice> find_device(const DeviceName& name) const { return tables_.find_device(name); }
  const SnapshotTables& tables() const { return tables_; }
  const std::vector<SnapshotCa>& cas() const { return cas_; }
  const SnapshotCa* find_ca(const CaName& name) const;
  ByteView root_crl() const { return root_crls_.empty() ? ByteView() : ByteView(root_crls_.front()); }
  // Of every root, the newest root's first.
  const std::vector<Bytes>& root_crls() const { return root_crls_; }
  std::size_t certificate_count() const { return tables_.certificate_count(); }
  std::size_t device_count() const { return tables_.device_count(); }

 private:
  std::uint64_t number_ = 0;
  UnixTime issued_at_;
  std::vector<SnapshotCa> cas_;
  std::vector<Bytes> root_crls_;
  SnapshotTables tables_;
};

}  // namespace sallyport::records
