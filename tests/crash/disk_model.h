// What a disk may hold after a crash: files as a journal of what was done to them, and every state that the kernel's
// page cache permits when the power goes.
//
// What counts as durable is what POSIX promises and no more: the content of a file at its last fsync or fdatasync, and
// the names in a folder at the last fsync of that folder. Of what came after, each sector may have any of the contents
// that it had since then, the file any of its sizes, and names a prefix of their changes, as a journaled file system
// leaves them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"

namespace sallyport::crash {

inline constexpr std::size_t kPage = 4'096;  // the unit that a page cache writes back
inline constexpr std::size_t kSector = 512;  // the unit that a disk writes whole or not at all

// One thing that a program did to the files below the watched folder. `name` and `to` are paths below it.
struct Operation {
  enum class Kind : std::uint8_t { create, write, truncate, sync, failed_sync, rename, unlink, sync_folder };
  Kind kind{};
  std::uint64_t file = 0;    // which file, whatever its name is by now; from 1
  std::uint64_t offset = 0;  // write: where; truncate: the new size
  Bytes data;                // write
  std::string name;          // create, rename, unlink: the file's; sync_folder: the folder's, empty for the watched one
  std::string to;            // rename
};

// Files by their paths below the watched folder.
using Image = std::map<std::string, Bytes>;

// How the adversary chooses among what may have survived.
enum class Survival : std::uint8_t {
  everything,           // kill -9: the kernel lives on and writes all of it
  nothing,              // what was not synced is gone
  in_order,             // a prefix of the operations
  whole_writes,         // each write is there or not, independently: reordering
  sectors,              // each sector has one of its contents: reordering and torn writes
  sectors_and_garbage,  // and where a file grew, sectors never written hold what lay on the disk before
};
inline constexpr std::uint8_t kSurvivals = 6;

// The disk while operations come in, one after the other.
class Disk {
 public:
  explicit Disk(const Image& durable);

  void apply(const Operation& operation);
  // What a crash now may leave. The same seed chooses the same way.
  Image crash(Survival survival, Random& random) const;
  // Everything that a crash now may leave, each once: every prefix of the changes of names, of every file every size
  // and in every sector every content that it had, or, where the file grew, garbage. Grows with the product of them, so
  // for small files alone.
  void each_crash(const std::function<void(const Image&)>& visit) const;

 private:
  struct File {
    Bytes durable;
    Bytes cache;                     // what programs read: pages that a failed sync dropped are in it and never written
    std::vector<Operation> pending;  // write and truncate since the last sync
  };
  struct Folder {
    std::map<std::string, std::uint64_t> durable;  // path to file
    std::vector<Operation> pending;                // create, rename and unlink since the last sync
  };
  using Names = std::map<std::string, std::uint64_t>;
  Bytes survivor(const File& file, Survival survival, Random& random) const;
  std::vector<Names> all_names() const;
  static std::string folder_of(std::string_view path);

  std::map<std::uint64_t, File> files_;
  std::map<std::string, Folder> folders_;
};

// The name that a file of `durable` has as Operation::file: its place in the map, from 1.
std::map<std::string, std::uint64_t> number_files(const Image& durable);

// 64 bits that tell images apart, within one run.
std::uint64_t fingerprint(const Image& image);

}  // namespace sallyport::crash
